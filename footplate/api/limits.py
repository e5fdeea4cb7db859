"""How long a workspace may be idle: what it asks for, within what its team's and the platform's administrator allow."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from footplate.api import WorkspaceSpec
from footplate.api.duration import human, parse
from footplate.api.platform import IDLE_DEFAULTS, IdlePolicy, Platform, Reporting, Team
from footplate.api.workspace import Idle


@dataclass(frozen=True)
class Limits:
    timeout: timedelta | None
    """None: it is never stopped for idleness."""
    warn_before: timedelta
    max_extension: timedelta
    unknown_warning: timedelta
    unknown_limit: timedelta | None
    reclaim_notice: timedelta | None
    """None: idle workspaces keep their GPUs though something waits for one."""
    silence: timedelta
    bounded: str = ""
    """A sentence, where it asks for more than it gets."""


def limits(spec: WorkspaceSpec, platform: Platform | None, team: Team | None) -> Limits:
    layers = ((team.idle,) if team else ()) + ((platform.idle,) if platform else ()) + (IDLE_DEFAULTS,)
    asked = spec.idle or Idle()
    longest = _first(layers, "longest_timeout")
    timeout = parse(asked.timeout) if asked.timeout is not None else _timeout(spec, layers)
    bounded = ""
    if asked.timeout is not None and longest and (timeout > longest or not timeout):
        timeout = longest
        bounded = f"spec.idle.timeout asks for {asked.timeout}, and the platform allows {human(longest)}."
    warn = parse(asked.warn_before) if asked.warn_before is not None else _first(layers, "warn_before")
    extension = _first(layers, "max_extension")
    if asked.max_extension is not None:
        extension = min(extension, parse(asked.max_extension))
    reporting = platform.reporting if platform else Reporting()
    return Limits(
        timeout or None,
        warn,
        extension,
        _first(layers, "unknown_warning"),
        _first(layers, "unknown_limit") or None,
        _first(layers, "reclaim_notice") or None,
        parse(reporting.silence),
        bounded,
    )


def _first(layers: tuple[IdlePolicy, ...], name: str) -> timedelta:
    """IDLE_DEFAULTS, the last, sets all of them."""
    return next(parse(value) for layer in layers if (value := getattr(layer, name)) is not None)


def _timeout(spec: WorkspaceSpec, layers: tuple[IdlePolicy, ...]) -> timedelta:
    gpu = spec.resources.gpu
    if gpu is None:
        return _first(layers, "timeout")
    for layer in layers:
        found = layer.gpu_timeouts.get(gpu.type or "") or layer.gpu_timeout
        if found is not None:
            return parse(found)
    raise AssertionError("IDLE_DEFAULTS has a timeout for GPUs")
