"""Footplate: machine-learning workspaces and training jobs on Kubernetes. See `footplate.sdk`.

The SDK is imported when it is first asked for: controllers and agents import parts of this package, and need none of it.
What type checkers see is in `__init__.pyi`.
"""

from importlib import import_module

__all__ = ["Client", "Job", "RunningWorkspace", "TrainingJob", "Workspace"]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("footplate.sdk"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
