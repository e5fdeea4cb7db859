"""Footplate: machine-learning workspaces and training jobs on Kubernetes. See `footplate.sdk`."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from footplate.sdk import Client, Job, RunningWorkspace, TrainingJob, Workspace

__all__ = ["Client", "Job", "RunningWorkspace", "TrainingJob", "Workspace"]


def __getattr__(name: str) -> Any:
    # When first asked for: the controllers and the agent import parts of this package, and need no SDK.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from footplate import sdk

    return getattr(sdk, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
