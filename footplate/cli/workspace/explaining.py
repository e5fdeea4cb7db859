"""The page of `workspace explain`: what is, why, what comes next, what a person can do."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from footplate.api import Workspace
from footplate.api.duration import human as span
from footplate.api.limits import Limits
from footplate.api.workspace import Activity, WorkspacePhase
from footplate.cli import human
from footplate.cli.output import plain
from footplate.client.idling import Event
from footplate.client.observing import said

LAST = 8
"""Events that are shown."""


def page(state: Workspace, limits: Limits, events: Sequence[Event], flags: str, now: datetime | None = None) -> str:
    now = now or datetime.now(UTC)
    status, activity = state.status, state.status.activity
    rows: list[tuple[str, str]] = []
    if activity is not None:
        rows = [
            ("Activity", activity.state),
            (_heading(activity), "; ".join(activity.reasons)),
            ("Idle for", human.age(activity.last_active, now) if activity.state == "Idle" else ""),
            ("Not known for", human.age(activity.unknown_since, now)),
            ("Stops", f"in {human.until(status.stops_at, now)}" if status.stops_at else ""),
        ]
    return human.page(
        said(state) or f"Workspace {state.metadata.name} has not been looked at yet.",
        [*rows, *rules(limits)],
        [
            ("Told so far", [f"{event.at[:19]}Z  {event.reason}: {event.note}" for event in events[-LAST:]]),
            ("Next", [f"footplate workspace {verb.format(state.metadata.name)}{flags}" for verb in _next(state)]),
        ],
    )


def rules(limits: Limits) -> list[tuple[str, str]]:
    timeout = f"after {span(limits.timeout)} of idleness" if limits.timeout else "never for idleness"
    unknown = f"after {span(limits.unknown_limit)}" if limits.unknown_limit else "never"
    return [
        ("Stopped", timeout),
        ("Warned", f"{span(limits.warn_before)} before" if limits.timeout else ""),
        ("Can be put off", f"by {span(limits.max_extension)} at most" if limits.timeout else ""),
        ("Stopped unknown", unknown),
        ("For others", _for_others(limits)),
        ("Limited", limits.bounded),
    ]


def _for_others(limits: Limits) -> str:
    if limits.reclaim_notice is None:
        return "never, though something waits for its GPUs"
    return f"{span(limits.reclaim_notice)} after word that something waits for its GPUs, if it is idle"


def _heading(activity: Activity) -> str:
    return "Does not count" if activity.state == "Idle" else "Because"


def _next(state: Workspace) -> list[str]:
    match state.status.phase:
        case WorkspacePhase.RUNNING:
            more = ["extend {0} 2h", "stop {0} --when-finished"] if state.status.stops_at else []
            return ["open {0}", *more, "top {0}"]
        case WorkspacePhase.STOPPED:
            return ["start {0}"]
        case _:
            return ["show {0}", "logs {0}"]


def as_data(state: Workspace, limits: Limits, events: Sequence[Event]) -> dict[str, Any]:
    return {
        "message": said(state),
        "activity": plain(state.status.activity),
        "stopsAt": plain(state.status).get("stopsAt"),
        "rules": {name: text for name, text in rules(limits) if text},
        "events": [{"at": event.at, "reason": event.reason, "note": event.note} for event in events],
    }
