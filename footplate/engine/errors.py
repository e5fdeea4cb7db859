"""What can go wrong in a deployment, as kinds of the project's own errors (and so with its exit codes)."""

# ruff: noqa: N818 (named as what happened, as the kinds they are of)

from __future__ import annotations

from footplate import errors
from footplate.errors import FootplateError


class ProjectInvalid(errors.BadUsage):
    """Pulumi.yaml, a stack file or a policy pack is missing or does not read."""


class ConfigInvalid(errors.BadUsage):
    """A configuration key is unknown, missing, or of the wrong type."""


class StackNotFound(errors.NotFound):
    pass


class StackLocked(errors.Conflict):
    """Another process works on the stack."""


class StateUnreadable(errors.Conflict):
    """The state file is damaged, too new, or its secrets cannot be decrypted."""


class Unsupported(errors.Refused):
    """The program asks for what this engine does not do; the Pulumi CLI does."""


class NeedsPulumiCLI(errors.Refused):
    """The stack has resources that only the Pulumi CLI can create."""


class PolicyViolated(errors.Refused):
    pass


class ResourceProtected(errors.Refused):
    pass


class ReplacementRefused(errors.Refused):
    """A cluster, a GPU pool or a data store would be replaced or deleted, and nobody said that it may be."""


class ProgramFailed(FootplateError):
    """The program raised; `traceback` has its own frames only."""

    def __init__(self, message: str, traceback: str = "", remedy: str | None = None) -> None:
        super().__init__(message, remedy)
        self.traceback = traceback


class ProgramRefused(errors.BadUsage):
    """The program says that it cannot go on (`pulumi.RunError`): mostly what its configuration asks for cannot be."""


class DeploymentFailed(FootplateError):
    """One or more resources failed; each was reported when it did."""


class ResourceFailed(FootplateError):
    """One operation on one resource. `message` does not repeat the resource's name.

    `uncertain`: the request may have been carried out all the same.
    """

    def __init__(self, message: str, remedy: str | None = None, *, uncertain: bool = False) -> None:
        super().__init__(message, remedy)
        self.uncertain = uncertain


class Interrupted(FootplateError):
    """Ctrl-C: what ran was finished, the state is written. Exit code 130."""


def cli_remedy(command: str) -> str:
    return f"install the Pulumi CLI (https://www.pulumi.com/docs/install/) and run `{command}` again: it is used when it is on PATH"
