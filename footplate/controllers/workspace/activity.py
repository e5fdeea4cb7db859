"""Whether a workspace is in use, and when it is stopped because it is not: pure decisions over what was last heard.

Only what its own agent saw makes a workspace idle. Silence, a blind agent and a replica that has just begun to listen
make nothing idle. Idle spans are measured in the pod and aged here by monotonic time, so that no clock's error stops
anything; what has to outlive this process (since when, warned when) is in the status. A stop needs a report that is
fresh, a warning that was to be read for as long as was promised, and no activity since.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import msgspec

from footplate.api.limits import Limits
from footplate.api.workspace import Activity, Idle

REASONS_EVERY = timedelta(minutes=10)
"""The reasons of an active workspace are written anew at most so often: people change what they do all the time. Where
none of those written holds any more, the span is that of silence."""
JITTER = timedelta(seconds=5)
"""Between two reckonings of the same last activity."""
JUST_STARTED = "it has just started"
NOTHING = "nothing runs and nobody types"


@dataclass(frozen=True)
class Heard:
    """The agent's last word, with its age."""

    age: timedelta
    idle: timedelta
    """Since the last activity, as of now."""
    reasons: tuple[str, ...] = ()
    passive: tuple[str, ...] = ()
    blind: str = ""
    home: float | None = None
    """How full the volume of home is: 0 to 1."""


@dataclass(frozen=True)
class Outlook:
    activity: Activity
    stops_at: datetime | None = None
    stop: bool = False
    look: datetime | None = None
    """When time alone changes this."""


def outlook(
    before: Activity | None,
    wish: Idle | None,
    heard: Heard | None,
    listening: timedelta,
    limits: Limits,
    now: datetime,
    claimed_by: str | None = None,
) -> Outlook:
    """`before`: what its status says of the present start; None: nothing yet. `listening`: for how long reports can come.

    `claimed_by`: who waits for the GPU that it holds.
    """
    before = before or Activity("Active", _second(now), (JUST_STARTED,))
    if before.reasons == (JUST_STARTED,) and before.last_active is not None:
        listening = min(listening, max(now - before.last_active, timedelta(0)))
    silent = heard.age if heard is not None else listening
    trusted = heard is not None or silent >= limits.silence
    activity = _activity(before, heard, silent, limits, now)
    found = _deadline(activity, before, wish or Idle(), limits, now, trusted=trusted)
    if trusted or before.claimed_by is not None:
        found = _reclaimed(found, before, wish or Idle(), limits.reclaim_notice, now, claimed_by)
    due = [moment for moment in (found.look, now + limits.silence - silent) if moment is not None and moment > now]
    return replace(found, stop=found.stop and trusted, look=min(due, default=None))


def _activity(before: Activity, heard: Heard | None, silent: timedelta, limits: Limits, now: datetime) -> Activity:
    if silent >= limits.silence or (heard is not None and heard.blind):
        since = before.unknown_since or _second(now - min(silent, limits.silence))
        why = "its agent does not report"
        if heard is not None and heard.blind and silent < limits.silence:
            why = heard.blind
        elif heard is None and before.state == "Unknown":
            why = before.reasons[0] if before.reasons else why
        elif heard is None and before.reasons == (JUST_STARTED,):
            why = "its agent has never reported: its image may not have one"
        return Activity("Unknown", before.last_active, (why,), unknown_since=since)
    if heard is None:
        return before  # this replica has just begun to listen
    last = _second(now - heard.idle)
    new = before.reasons == (JUST_STARTED,)
    written = before.last_active or now
    if heard.reasons:
        holds = bool(set(before.reasons) & set(heard.reasons))
        fresh = not new and now - written < (REASONS_EVERY if holds else limits.silence)
        same = before.state == "Active" and (before.reasons == heard.reasons or fresh)
        return before if same else Activity("Active", _second(now), heard.reasons)
    if new and now - written < limits.silence:
        return before  # somebody wanted it just now
    if before.state == "Idle" and before.last_active is not None and abs(last - before.last_active) <= JITTER:
        return before
    return Activity("Idle", last, heard.passive or (NOTHING,))


def _deadline(
    activity: Activity, before: Activity, wish: Idle, limits: Limits, now: datetime, *, trusted: bool
) -> Outlook:
    """`trusted`: it is known, or known to be unknown; else this replica has just begun to listen."""
    plain = msgspec.structs.replace(activity, warned_at=None, claimed_by=None, claimed_at=None)
    if activity.state == "Active":
        return Outlook(plain)
    if activity.state == "Unknown":
        since = activity.unknown_since or now
        if limits.unknown_limit is None:
            return Outlook(plain, look=since + limits.unknown_warning)
        span, base = limits.unknown_limit, since + limits.unknown_limit
    else:
        since = activity.last_active or now
        if wish.stop_when_finished:
            return Outlook(plain, since, stop=True)
        if limits.timeout is None:
            return Outlook(plain)
        span, base = limits.timeout, since + limits.timeout
    warn = min(limits.warn_before, span)
    due = base
    if wish.keep_until is not None:
        due = max(base, min(_second(wish.keep_until), base + limits.max_extension))
    if now < due - warn or (activity.warned_at is None and not trusted):
        looks = [due - warn, since + limits.unknown_warning] if activity.state == "Unknown" else [due - warn]
        return Outlook(plain, due, look=min((moment for moment in looks if moment > now), default=None))
    warned = before.warned_at if before.state == activity.state and before.warned_at else _second(now)
    due = max(due, warned + warn)
    return Outlook(msgspec.structs.replace(plain, warned_at=warned), due, stop=now >= due, look=due)


def _reclaimed(
    found: Outlook, before: Activity, wish: Idle, notice: timedelta | None, now: datetime, claimed_by: str | None
) -> Outlook:
    """Sooner than its timeout, where something waits for its GPU, its owner was told, and did not ask to keep it."""
    kept = wish.keep_until is not None and wish.keep_until > now
    if found.activity.state != "Idle" or claimed_by is None or notice is None or kept:
        return found
    claimed_at = before.claimed_at if before.claimed_by is not None and before.claimed_at else _second(now)
    due = claimed_at + notice
    if found.stops_at is not None and found.stops_at <= due:
        return found
    warned_at = before.warned_at if before.state == "Idle" and before.warned_at else claimed_at
    activity = msgspec.structs.replace(
        found.activity, warned_at=warned_at, claimed_by=claimed_by, claimed_at=claimed_at
    )
    return Outlook(activity, due, stop=now >= due, look=due)


def _second(moment: datetime) -> datetime:
    return moment.replace(microsecond=0)
