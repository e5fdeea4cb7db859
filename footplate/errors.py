"""What can go wrong for a person: one sentence, and what to do next. Every part's own errors are of one of these kinds.

The `footplate` command ends with the kind's exit code (`footplate/cli/exit_codes.py`).
"""

# ruff: noqa: N818 (Refused, NotFound and so on are what happened, as in the Kubernetes client)


class FootplateError(Exception):
    """`message` is one sentence; `remedy` what the person can do about it."""

    def __init__(self, message: str, remedy: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}\n{self.remedy}" if self.remedy else self.message


class BadUsage(FootplateError):
    """The request makes no sense as written: flags that exclude each other, a script that is not there."""


class NotFound(FootplateError):
    pass


class Conflict(FootplateError):
    """It exists already, or is in a state that does not allow the request."""


class Refused(FootplateError):
    """Validation, policy or permissions say no; trying again does not help."""


class ClusterAccess(FootplateError):
    """No cluster configured, unreachable, of an unsupported version, or the credentials are not accepted."""


class NotInstalled(ClusterAccess):
    """The cluster answers, and Footplate is not on it."""


class MachineLacks(FootplateError):
    """This machine lacks a tool, a permission, a free port or disk; nothing was changed."""


class TimedOut(FootplateError):
    pass


class WorkloadFailed(FootplateError):
    """The workspace or the job ended in failure."""


class JobCancelled(FootplateError):
    pass
