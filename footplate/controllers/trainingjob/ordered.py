"""Attempts that the platform or its user ends on purpose, after a checkpoint: none of them is charged to a budget but
preemption to its own.
"""

from __future__ import annotations

from datetime import datetime

from footplate.api import TrainingJob
from footplate.api.duration import human
from footplate.api.trainingjob import Attempt, CauseClass, JobPhase
from footplate.controllers.contention import gives_way
from footplate.controllers.failure.rule import Ending
from footplate.controllers.trainingjob import sizing
from footplate.controllers.trainingjob.fate import given_node
from footplate.controllers.trainingjob.observed import Observed, current

SUSPENDED = Ending(CauseClass.CANCELLED, "it was suspended", reason="Suspended")


def ordered_end(job: TrainingJob, attempt: Attempt, observed: Observed, now: datetime) -> Ending | None:
    """Why the current attempt, whose Job is there, should end now; None: it goes on."""
    if job.spec.suspended:
        return SUSPENDED
    if observed.jobs[current(job)].spec.suspend:
        return None
    if observed.claimed_by is not None:
        return gives_way(observed.claimed_by)
    return _partial(job, attempt, observed, now) or _resized(job, attempt, observed, now)


def _partial(job: TrainingJob, attempt: Attempt, observed: Observed, now: datetime) -> Ending | None:
    """Some of its nodes are held while others cannot be had."""
    held = [at for pod in observed.pods.get(current(job), ()) if (at := given_node(pod)) is not None and not pod.ended]
    if not held or len(held) >= attempt.nodes or now < max(held) + observed.bounds.gang:
        return None
    text = f"it held {len(held)} of {attempt.nodes} nodes for {human(observed.bounds.gang)} and could not get the rest"
    return Ending(CauseClass.CAPACITY, text, now, reason="PartialGang")


def _resized(job: TrainingJob, attempt: Attempt, observed: Observed, now: datetime) -> Ending | None:
    elastic = job.spec.elastic
    if elastic is None:
        return None
    room = sizing.room_for(job, observed, now)
    held = sum(given_node(pod) is not None and not pod.ended for pod in observed.pods.get(current(job), ()))
    if attempt.running is not None:
        since = attempt.running + observed.bounds.grow
        more = min(elastic.max_nodes, attempt.nodes + room)
        if now < since or more <= attempt.nodes or job.status.phase is not JobPhase.RUNNING:
            return None
        return Ending(
            CauseClass.CAPACITY, f"it goes on with {more} nodes instead of {attempt.nodes}", now, reason="Grown"
        )
    fewer = held + room
    waited = attempt.start is not None and now >= attempt.start + observed.bounds.shrink
    if held or not waited or not elastic.min_nodes <= fewer < attempt.nodes:
        return None
    return Ending(CauseClass.CAPACITY, f"there is room for {fewer} of {attempt.nodes} nodes", now, reason="Shrunk")


def looks(job: TrainingJob, attempt: Attempt, observed: Observed, now: datetime) -> list[datetime]:
    """When time alone may end it."""
    pods = observed.pods.get(current(job), ())
    held = [at for pod in pods if (at := given_node(pod)) is not None and not pod.ended]
    due = [max(held) + observed.bounds.gang] if held and len(held) < attempt.nodes else []
    if job.spec.elastic is None:
        return due
    if attempt.running is None:
        return [*due, *([attempt.start + observed.bounds.shrink] if attempt.start else [])]
    if attempt.nodes < job.spec.elastic.max_nodes:
        since = attempt.running + observed.bounds.grow
        due.append(since if since > now else now + observed.bounds.grow)
    return due


ON_PURPOSE = frozenset({"Suspended", "Grown", "Shrunk", "Preempted"})
"""Reasons of ends that the platform brought about, with time for a checkpoint."""
UNCHARGED = frozenset({"Suspended", "Grown", "Shrunk"})
"""Reasons that cost no budget."""
