"""Errors that a person can act on."""

from footplate.errors import BadUsage, Conflict, FootplateError, MachineLacks, NotFound, TimedOut


class DevclusterError(FootplateError):
    """Something about a cluster's state or a component; the message says what to do next."""


class UsageError(BadUsage):
    """The request itself can never work: a bad name, an unknown GPU type, a malformed CIDR."""


class ClusterNotFound(NotFound):
    """No cluster of that name has been started here."""


class PreflightError(MachineLacks):
    """The machine lacks something; nothing was changed."""


class BuildError(DevclusterError):
    """A component could not be built."""


class StartTimeout(TimedOut):
    """A component did not become ready within its bound."""


class NotRunning(Conflict):
    """The request needs a cluster, or a node of it, that runs."""
