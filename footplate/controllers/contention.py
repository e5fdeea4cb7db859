"""Who gives way to whom: idle workspaces first, then running jobs of lower priority, those with least lost work first.

Jobs only where the platform places them itself: with Kueue, Kueue preempts. The choice is made anew from what is seen until
the status of who was chosen says so; from then on its nodes count as free soon, and a job does not start again before the
other has.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from footplate.api import TrainingJob, Workspace
from footplate.api.platform import PRIORITIES
from footplate.api.resources import Resources
from footplate.api.trainingjob import Attempt, CauseClass, JobPhase
from footplate.api.workspace import WorkspacePhase
from footplate.controllers import room
from footplate.controllers.failure.rule import Ending
from footplate.controllers.room import Room
from footplate.kube.conditions import find_condition

Waits = TypeVar("Waits", TrainingJob, Workspace)

UNSCHEDULABLE = "Unschedulable"


@dataclass(frozen=True)
class Holder:
    """A job or a workspace that holds nodes: of each of its pods the node's name."""

    of: TrainingJob | Workspace
    nodes: tuple[str, ...]

    @property
    def key(self) -> str:
        return key(self.of)

    @property
    def leaves(self) -> bool:
        if isinstance(self.of, Workspace):
            claimed = self.of.status.activity is not None and self.of.status.activity.claimed_by is not None
            return claimed or self.of.spec.desired_state == "Stopped"
        return _attempt(self.of).cause is not None


def key(obj: TrainingJob | Workspace) -> str:
    """`workspace vision/mine`, as people name it."""
    kind = "workspace" if isinstance(obj, Workspace) else "job"
    return f"{kind} {obj.metadata.namespace}/{obj.metadata.name}"


def cost(holder: Holder, now: datetime) -> tuple[int, float]:
    """Of its interruption; the lowest goes first.

    Of an idle workspace the longest idle; then of jobs the lowest priority, and the fewest GPU seconds (node seconds
    without GPUs) since the last checkpoint, which it may not get to repeat.
    """
    if isinstance(holder.of, Workspace):
        activity = holder.of.status.activity
        since = activity.last_active if activity is not None else None
        return -len(PRIORITIES), -(now - (since or now)).total_seconds()
    attempt, gpu = _attempt(holder.of), holder.of.spec.resources.gpu
    kept = max((at for at in (attempt.checkpoint_at, attempt.running, attempt.start) if at is not None), default=now)
    lost = max(now - kept, timedelta(0)).total_seconds() * attempt.nodes * (gpu.count if gpu else 1)
    return -PRIORITIES[holder.of.spec.priority], lost


def victims(
    waiting: TrainingJob | Workspace,
    holders: Iterable[Holder],
    rooms: Iterable[Room],
    used: Mapping[str, room.Amounts],
    now: datetime,
) -> list[Holder]:
    """Of `holders`, who could all leave for it: the cheapest that together make room; none where it has room, or where
    all of them would not do.

    Those that leave already count first. One whose place is not needed after all is spared.
    """
    rooms, holders = tuple(rooms), tuple(holders)
    resources, pods = waiting.spec.resources, _pods(waiting)

    def fits(gone: list[Holder]) -> bool:
        return room.ranks(rooms, resources, _without(used, gone)) >= pods

    leaving = [h for h in holders if h.leaves]
    if fits(leaving):
        return []
    useful = [h for h in holders if not h.leaves and _gain(h, rooms, resources, used) > 0]
    chosen: list[Holder] = []
    for candidate in sorted(useful, key=lambda h: (cost(h, now), h.key)):
        chosen.append(candidate)
        if fits([*leaving, *chosen]):
            break
    else:
        return []
    for spared in sorted(chosen, key=lambda h: cost(h, now), reverse=True):
        rest = [h for h in chosen if h is not spared]
        if fits([*leaving, *rest]):
            chosen = rest
    return chosen


def idle(ws: Workspace, now: datetime) -> bool:
    """Whether it holds a GPU that nobody uses, and that its owner has not asked to keep."""
    activity, wish = ws.status.activity, ws.spec.idle
    running = ws.status.phase is WorkspacePhase.RUNNING and ws.spec.desired_state == "Running"
    kept = wish is not None and wish.keep_until is not None and wish.keep_until > now
    unused = activity is not None and activity.state == "Idle"
    return running and unused and not kept and ws.spec.resources.gpu is not None


def _pods(waiting: TrainingJob | Workspace) -> int:
    if isinstance(waiting, Workspace):
        return 1
    return waiting.status.attempts[-1].nodes if waiting.status.attempts else waiting.spec.nodes


def _attempt(job: TrainingJob) -> Attempt:
    return job.status.attempts[-1]


def _gain(holder: Holder, rooms: tuple[Room, ...], resources: Resources, used: Mapping[str, room.Amounts]) -> int:
    """Whether it holds anything on nodes of the right kind: all of one rank's place, or a part of it."""
    held = {name: used.get(name, {}) for name in holder.nodes}
    fitting = [r for r in rooms if r.name in held and room.ranks_on(r, resources) > 0]
    gpu = resources.gpu is None or holder.of.spec.resources.gpu is not None
    return len(fitting) if gpu else 0


def _without(used: Mapping[str, room.Amounts], gone: Iterable[Holder]) -> Mapping[str, room.Amounts]:
    left = {name: dict(amounts) for name, amounts in used.items()}
    for holder in gone:
        for name in holder.nodes:
            for resource, number in room.asked(holder.of.spec.resources).items():
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


def head(waiting: Iterable[Waits], now: datetime, patience: timedelta) -> Waits | None:
    """The first in the queue, once it has waited long enough for others to be asked."""
    found = min((one for one in waiting if waits(one)), key=order, default=None)
    due = asks_at(found, patience) if found is not None else None
    return found if due is not None and now >= due else None


def asks_at(obj: TrainingJob | Workspace, patience: timedelta) -> datetime | None:
    if isinstance(obj, Workspace):
        scheduled = find_condition(obj.status.conditions, "Scheduled")
        start = scheduled.last_transition_time if scheduled is not None else None
    else:
        start = obj.status.attempts[-1].start if obj.status.attempts else None
    return start + patience if start is not None else None


def order(obj: TrainingJob | Workspace) -> tuple[int, str, str]:
    """By priority, then by age: as Kubernetes' scheduler has it."""
    return PRIORITIES[obj.spec.priority], str(obj.metadata.creation_timestamp), obj.metadata.name


def waits(obj: TrainingJob | Workspace) -> bool:
    """Whether it is one for which others are asked to give way: it has been looked at, and there is no room."""
    if isinstance(obj, Workspace):
        scheduled = find_condition(obj.status.conditions, "Scheduled")
        queued = obj.status.phase is WorkspacePhase.QUEUED and obj.spec.desired_state == "Running"
        return queued and scheduled is not None and scheduled.reason == UNSCHEDULABLE
    pending = obj.status.pending
    return obj.status.phase is JobPhase.QUEUED and pending is not None and pending.reason == UNSCHEDULABLE
