"""Who gives way to whom: running jobs of lower priority that make room for one that waits, those with least lost work first.

Only where the platform places jobs itself: with Kueue, Kueue preempts. The choice is made anew from what is seen until a
victim's status says so; from then on its nodes count as free soon, and it does not start again before the other has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from footplate.api import TrainingJob
from footplate.api.resources import Resources
from footplate.api.trainingjob import Attempt, CauseClass, JobPhase
from footplate.controllers import room
from footplate.controllers.failure.rule import Ending
from footplate.controllers.room import Room

RANKS = {"interactive": 0, "training": 1, "batch": 2}


@dataclass(frozen=True)
class Running:
    """A job that holds nodes: of each rank's node its name."""

    job: TrainingJob
    nodes: tuple[str, ...]

    @property
    def key(self) -> str:
        return f"{self.job.metadata.namespace}/{self.job.metadata.name}"

    @property
    def attempt(self) -> Attempt:
        return self.job.status.attempts[-1]

    @property
    def leaves(self) -> bool:
        return self.attempt.cause is not None


def lost_work(running: Running, now: datetime) -> float:
    """GPU seconds (node seconds without GPUs) since its last checkpoint, which it may not get to repeat."""
    attempt = running.attempt
    kept = max((at for at in (attempt.checkpoint_at, attempt.running, attempt.start) if at is not None), default=now)
    gpu = running.job.spec.resources.gpu
    return max(now - kept, timedelta(0)).total_seconds() * attempt.nodes * (gpu.count if gpu else 1)


def victims(
    waiting: TrainingJob,
    running: Iterable[Running],
    rooms: Iterable[Room],
    used: Mapping[str, room.Amounts],
    now: datetime,
) -> list[Running]:
    """The cheapest that together make room for it; none where it has room, or where all of them would not do.

    Those that leave already count first. One whose place is not needed after all is spared.
    """
    rooms = tuple(rooms)
    resources = waiting.spec.resources
    wanted = waiting.status.attempts[-1].nodes if waiting.status.attempts else waiting.spec.nodes

    def fits(gone: list[Running]) -> bool:
        return room.ranks(rooms, resources, _without(used, gone)) >= wanted

    lower = [r for r in running if RANKS[r.job.spec.priority] > RANKS[waiting.spec.priority]]
    leaving = [r for r in lower if r.leaves]
    if fits(leaving):
        return []
    useful = [r for r in lower if not r.leaves and _gain(r, rooms, resources, used) > 0]
    order = sorted(useful, key=lambda r: (-RANKS[r.job.spec.priority], lost_work(r, now), r.key))
    chosen: list[Running] = []
    for candidate in order:
        chosen.append(candidate)
        if fits([*leaving, *chosen]):
            break
    else:
        return []
    for spared in sorted(chosen, key=lambda r: -lost_work(r, now)):
        rest = [r for r in chosen if r is not spared]
        if fits([*leaving, *rest]):
            chosen = rest
    return chosen


def _gain(running: Running, rooms: tuple[Room, ...], resources: Resources, used: Mapping[str, room.Amounts]) -> int:
    """Whether it holds anything on nodes of the right kind: all of one rank's place, or a part of it."""
    held = {name: used.get(name, {}) for name in running.nodes}
    fitting = [r for r in rooms if r.name in held and room.ranks_on(r, resources) > 0]
    gpu = resources.gpu is None or running.job.spec.resources.gpu is not None
    return len(fitting) if gpu else 0


def _without(used: Mapping[str, room.Amounts], gone: Iterable[Running]) -> Mapping[str, room.Amounts]:
    left = {name: dict(amounts) for name, amounts in used.items()}
    for running in gone:
        for name in running.nodes:
            for resource, number in room.asked(running.job.spec.resources).items():
                if name in left and resource in left[name]:
                    left[name][resource] -= number
    return left


def gives_way(other: TrainingJob) -> Ending:
    name = f"{other.metadata.namespace}/{other.metadata.name}"
    text = f"it made room for {other.spec.priority} job {name}"
    return Ending(CauseClass.PREEMPTION, text, reason="Preempted", preempted_by=name)


def gave_way_to(job: TrainingJob) -> str | None:
    """`namespace/name` of the job for which its last attempt was ended."""
    last = job.status.attempts[-1] if job.status.attempts else None
    return last.cause.preempted_by or None if last is not None and last.cause is not None else None


def still_comes(other: TrainingJob | None) -> bool:
    """Whether a job for which room was made has yet to take it."""
    return other is not None and other.status.phase in (None, JobPhase.QUEUED, JobPhase.STARTING, JobPhase.RECOVERING)


def head(waiting: Iterable[TrainingJob], now: datetime, patience: timedelta) -> TrainingJob | None:
    """The first in the queue, once it has waited long enough for others to be asked."""
    found = min((job for job in waiting if waits_for(job)), key=_order, default=None)
    due = asks_at(found, patience) if found is not None else None
    return found if due is not None and now >= due else None


def asks_at(job: TrainingJob, patience: timedelta) -> datetime | None:
    start = job.status.attempts[-1].start if job.status.attempts else None
    return start + patience if start is not None else None


def _order(job: TrainingJob) -> tuple[int, str, str]:
    return RANKS[job.spec.priority], str(job.metadata.creation_timestamp), job.metadata.name


def waits_for(job: TrainingJob) -> bool:
    """Whether it is one for which others are asked to give way: it has been looked at, and there is no room."""
    pending = job.status.pending
    return job.status.phase is JobPhase.QUEUED and pending is not None and pending.reason == "Unschedulable"
