"""How much of a job's time brought it forward, and what the rest was lost to. Kept as attempts end.

Productive is what a checkpoint, or success, has kept. What came after the last checkpoint of a lost attempt is lost to the
cause's class; so are waiting (`queue`), getting ready (`startup`) and the time between attempts (`recovery`).
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta

from footplate.api import TrainingJob
from footplate.api.trainingjob import Attempt, Goodput, JobPhase

_ZERO = timedelta(0)


def goodput(job: TrainingJob, attempts: tuple[Attempt, ...], phase: JobPhase) -> Goodput | None:
    """Of the attempts that have ended; None before the first has."""
    productive = 0
    lost: Counter[str] = Counter()
    before: datetime | None = job.metadata.creation_timestamp
    for attempt in attempts:
        start, end = attempt.start, attempt.end
        if start is None or end is None:
            continue
        if before is not None:
            lost["queue" if attempt.number == 1 else _pause(attempts, attempt)] += _seconds(start - before)
        running = min(attempt.running or end, end)
        lost["startup"] += _seconds(running - start)
        kept = _kept(attempt, running, end, attempt is attempts[-1] and phase is JobPhase.SUCCEEDED)
        productive += _seconds(kept - running)
        if attempt.cause is not None:
            lost[_name(attempt)] += _seconds(end - kept)
        before = end
    if before == job.metadata.creation_timestamp:
        return None
    return Goodput(productive, {name: seconds for name, seconds in sorted(lost.items()) if seconds})


def _pause(attempts: tuple[Attempt, ...], attempt: Attempt) -> str:
    former = attempts[attempts.index(attempt) - 1]
    return "suspended" if former.cause is not None and former.cause.reason == "Suspended" else "recovery"


def _name(attempt: Attempt) -> str:
    assert attempt.cause is not None
    return attempt.cause.class_.value.lower()


def _kept(attempt: Attempt, running: datetime, end: datetime, succeeded: bool) -> datetime:
    """Up to when its work has not been lost."""
    if succeeded or attempt.cause is None:
        return end
    if attempt.checkpoint_at is None or attempt.checkpoint_step == attempt.start_step:
        return running
    return min(max(attempt.checkpoint_at, running), end)


def _seconds(span: timedelta) -> int:
    return int(max(span, _ZERO).total_seconds())
