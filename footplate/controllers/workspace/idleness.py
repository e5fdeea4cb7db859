"""What a workspace's activity does to its status: the outlook of a running one, its condition and its sentences."""

from __future__ import annotations

from datetime import datetime

from footplate.api import Condition, Workspace, WorkspaceStatus
from footplate.api.limits import Limits, limits
from footplate.api.workspace import Idle, WorkspacePhase
from footplate.controllers import contention
from footplate.controllers.loop import Said
from footplate.controllers.workspace.activity import Outlook, outlook
from footplate.controllers.workspace.observed import Observed
from footplate.kube.conditions import find_condition

CONDITION = "Idle"
STOPS_SOON = "StopsSoon"
GPU_WANTED = "GpuWanted"
UNKNOWN_FOR_LONG = "UnknownForLong"
#: Reasons of a stop that the platform decided on.
STOPPED = frozenset({"StoppedIdle", "StoppedFinished", "StoppedUnknown", "StoppedForOthers"})


def limits_of(ws: Workspace, observed: Observed) -> Limits:
    return limits(ws.spec, observed.facts.platform, observed.facts.team)


def of_running(ws: Workspace, observed: Observed, now: datetime) -> Outlook:
    before = ws.status.activity if ws.status.phase is WorkspacePhase.RUNNING else None
    claimed_by = contention.key(observed.claimed_by) if observed.claimed_by is not None else None
    limits = limits_of(ws, observed)
    return outlook(before, ws.spec.idle, observed.heard, observed.listening, limits, now, claimed_by)


def condition(ws: Workspace, observed: Observed, found: Outlook, now: datetime) -> Condition:
    reason = _reason(ws, found, limits_of(ws, observed), now)
    status = {"Active": "False", "Idle": "True"}.get(found.activity.state, "Unknown")
    text = sentence(ws, found)
    if reason in STOPPED:
        text = _stopped(found, reason)
    elif bounded := limits_of(ws, observed).bounded:
        text = f"{text} {bounded}"
    return Condition(CONDITION, status, reason, text, now.replace(microsecond=0), ws.metadata.generation)  # pyright: ignore[reportArgumentType]


def _reason(ws: Workspace, found: Outlook, limits: Limits, now: datetime) -> str:
    activity = found.activity
    if activity.state == "Unknown":
        if found.stop:
            return "StoppedUnknown"
        since = activity.unknown_since
        long = since is not None and now - since >= limits.unknown_warning
        return UNKNOWN_FOR_LONG if long else "Unknown"
    if found.stop and activity.claimed_by is not None:
        return "StoppedForOthers"
    if found.stop:
        return "StoppedFinished" if (ws.spec.idle or Idle()).stop_when_finished else "StoppedIdle"
    if activity.claimed_by is not None:
        return GPU_WANTED
    return STOPS_SOON if activity.warned_at is not None else activity.state


def sentence(ws: Workspace, found: Outlook) -> str:
    """Of a running one, for people."""
    activity = found.activity
    stop = f" It stops at {clock(found.stops_at)}" if found.stops_at is not None else ""
    if activity.state == "Active":
        finish = (ws.spec.idle or Idle()).stop_when_finished
        return "It is running, and stops as soon as nothing runs in it." if finish else "It is running."
    if activity.state == "Unknown":
        end = f"{stop}, unless that becomes known." if stop else ""
        return f"It is running; whether it is in use is not known: {'; '.join(activity.reasons)}.{end}"
    idle = f"It is running, and idle since {clock(activity.last_active)}."
    if activity.claimed_by is not None:
        idle = f"{idle} {_capital(activity.claimed_by)} waits for its GPU."
    if activity.warned_at is not None:
        return f"{idle}{stop}: use it, or keep it with `footplate workspace extend {ws.metadata.name}`."
    return f"{idle}{stop} unless it is used." if stop else idle


def _stopped(found: Outlook, reason: str) -> str:
    activity = found.activity
    if reason == "StoppedUnknown":
        return f"It was stopped: since {clock(activity.unknown_since)} it was not known whether it was in use."
    if reason == "StoppedFinished":
        return f"It was stopped as asked for, when nothing ran in it any more: since {clock(activity.last_active)}."
    if reason == "StoppedForOthers":
        return f"It was stopped: it had been idle since {clock(activity.last_active)}, and {activity.claimed_by} waited for its GPU."
    return f"It was stopped: it had been idle since {clock(activity.last_active)}."


def why_stopped(status: WorkspaceStatus) -> Condition | None:
    """Where the platform stopped it."""
    found = find_condition(status.conditions, CONDITION)
    return found if found is not None and found.reason in STOPPED else None


def is_to_stop(ws: Workspace) -> bool:
    """The platform has decided and said so; its spec does not say it yet."""
    running = ws.spec.desired_state == "Running" and ws.status.phase is WorkspacePhase.RUNNING
    return running and why_stopped(ws.status) is not None


def said(before: WorkspaceStatus, after: WorkspaceStatus) -> list[Said]:
    old, new = (find_condition(status.conditions, CONDITION) for status in (before, after))
    if new is None or (old is not None and old.reason == new.reason):
        return []
    if new.reason in (STOPS_SOON, GPU_WANTED, UNKNOWN_FOR_LONG):
        return [Said("Warning", new.reason, "Idle", new.message)]
    return [Said("Normal", new.reason, "Stop", new.message)] if new.reason in STOPPED else []


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def clock(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC" if moment is not None else "its start"
