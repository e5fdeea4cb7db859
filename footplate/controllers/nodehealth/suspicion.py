"""Which nodes are suspect: remembered on the node itself, across jobs, and forgotten with time.

The annotation lists incidents, one for each attempt that named the node. An incident weighs 1 when it happens and half
of what it did a half-life later; a node is suspect while its incidents weigh at least a half together.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from footplate.api.meta import GROUP, Wire
from footplate.api.trainingjob import TrainingJob

ANNOTATION = f"{GROUP}/suspicion"
HALF_LIFE = timedelta(hours=6)
SUSPECT = 0.5
FORGOTTEN = HALF_LIFE * 4
"""After it an incident does not count any more."""
MOST = 16
SLOW = "Slow"
"""Its ranks took longer than the others, for a long time."""


class Incident(Wire, frozen=True):
    job: str
    """`namespace/name`"""
    attempt: int
    at: datetime
    reason: str


def decode(text: str | None) -> tuple[Incident, ...]:
    """Nothing where a person wrote something else there."""
    try:
        return msgspec.json.decode(text, type=tuple[Incident, ...]) if text else ()
    except msgspec.DecodeError:
        return ()


def encode(incidents: Iterable[Incident]) -> str | None:
    """None: no annotation."""
    found = tuple(incidents)
    return msgspec.json.encode(found).decode() if found else None


def of_job(job: TrainingJob, node: str) -> list[Incident]:
    return [
        Incident(f"{job.metadata.namespace}/{job.metadata.name}", a.number, a.end, a.cause.reason)
        for a in job.status.attempts
        if a.cause is not None and a.end is not None and node in a.cause.suspect_nodes
    ] + [
        Incident(f"{job.metadata.namespace}/{job.metadata.name}", a.number, a.end, SLOW)
        for a in job.status.attempts
        if a.end is not None and node in a.slow_nodes
    ]


def suspects_of(job: TrainingJob) -> tuple[str, ...]:
    over = [a for a in job.status.attempts if a.end is not None]
    names = [name for a in over for name in (*(a.cause.suspect_nodes if a.cause is not None else ()), *a.slow_nodes)]
    return tuple(dict.fromkeys(names))


def remembered(known: Iterable[Incident], found: Iterable[Incident], now: datetime) -> tuple[Incident, ...]:
    """The newest `MOST` that still count, oldest first."""
    by_attempt = {(i.job, i.attempt): i for i in (*known, *found) if now - i.at < FORGOTTEN}
    return tuple(sorted(by_attempt.values(), key=lambda i: (i.at, i.job, i.attempt))[-MOST:])


def score(incidents: Iterable[Incident], now: datetime) -> float:
    counting = (now - i.at for i in incidents if now - i.at < FORGOTTEN)
    return sum(0.5 ** (max(age, timedelta(0)) / HALF_LIFE) for age in counting)


def is_suspect(incidents: Iterable[Incident], now: datetime) -> bool:
    return score(incidents, now) >= SUSPECT


def forgets(incidents: Iterable[Incident]) -> datetime | None:
    """When the next incident stops counting."""
    return min((i.at + FORGOTTEN for i in incidents), default=None)
