"""The attempts of a job and what follows a lost one: its budget, and the next one's time."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from footplate.api import TrainingJob, duration
from footplate.api.trainingjob import Attempt, Cause, CauseClass, Retries
from footplate.controllers.cluster import Pod
from footplate.controllers.failure.rule import Ending
from footplate.controllers.trainingjob.fate import running
from footplate.controllers.trainingjob.observed import Observed
from footplate.controllers.trainingjob.ordered import UNCHARGED
from footplate.controllers.trainingjob.progress import progressed
from footplate.controllers.waiting import STAGES, Waiting, waiting

Budget = Literal["app", "infra", "preemption", "capacity"]

CLASS_BUDGETS: dict[CauseClass, Budget] = {
    CauseClass.APP: "app",
    CauseClass.INFRA: "infra",
    CauseClass.PREEMPTION: "preemption",
    CauseClass.CAPACITY: "capacity",
    CauseClass.HANG: "infra",
}
"""The field of `spec.retries` to which a class of cause is charged; classes that are not here end the job."""


def worst(job: TrainingJob, pods: tuple[Pod, ...]) -> Waiting | None:
    """What holds the attempt back most: a pod without a node, else one that is stuck, else any that does not run."""
    found = [waiting(pod, job.spec.resources, "its process") for pod in pods if not running(pod) and not pod.ended]
    order = {reason: place for place, reason in enumerate(STAGES)}
    return min(found, key=lambda w: (w.placed, not w.stuck, order.get(w.reason, 0)), default=None)


@dataclass(frozen=True)
class Next:
    """Another attempt, not before `at`; or none, and why."""

    at: datetime | None
    why_not: str = ""


def follow_up(job: TrainingJob, attempts: tuple[Attempt, ...], observed: Observed) -> Next:
    """After the last of `attempts` has ended in failure."""
    cause = attempts[-1].cause
    if cause is None:
        return Next(None)
    if cause.budget is None:
        return Next(retry_time(job, attempts, observed) if cause.reason in UNCHARGED else None)
    if not cause.retry:
        return Next(None)
    lost, budget = spent(job, attempts, cause.budget), budget_of(job.spec.retries, cause.budget)
    if lost > budget:
        used = f"it was tried {lost} times" if lost > 1 else ""
        since = " since its last checkpoint" if lost < len(attempts) and any(progressed(attempts)) else ""
        return Next(None, f"{used}{since}, and retries.{cause.budget} is {budget}" if used else "")
    return Next(retry_time(job, attempts, observed))


def spent(job: TrainingJob, attempts: tuple[Attempt, ...], budget: Budget) -> int:
    """Attempts charged to it since the job last made progress: an attempt that brought a newer checkpoint refills all."""
    count = 0
    for attempt, refills in zip(attempts, progressed(attempts), strict=True):
        if refills or attempt.number <= job.status.budgets_from:
            count = 0
        if attempt.cause is not None and attempt.cause.budget == budget and attempt.number > job.status.budgets_from:
            count += 1
    return count


def budget_of(retries: Retries, field: Budget) -> int:
    values: dict[str, int] = {name: getattr(retries, name) for name in retries.__struct_fields__}
    return values[field]


def retry_time(job: TrainingJob, attempts: tuple[Attempt, ...], observed: Observed) -> datetime:
    """Soon after an attempt that lasted or that ended on purpose, later after each that did not.

    Spread by what is the job's own, so that many jobs that lost an attempt together do not come back together; the same
    whenever it is asked.
    """
    short = 0
    for attempt in reversed(attempts):
        lasted = attempt.start is None or attempt.end is None or attempt.end - attempt.start >= observed.bounds.early
        if lasted or (attempt.cause is not None and attempt.cause.reason in UNCHARGED):
            break
        short += 1
    last = attempts[-1]
    assert last.end is not None
    part = fraction(f"{job.metadata.uid}/{last.number}")
    wait = observed.bounds.delay(short)
    return last.end + wait * (0.75 + 0.5 * part) + (timedelta(0) if wait else observed.bounds.spread * part)


def fraction(text: str) -> float:
    """Of one, evenly spread over texts."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6]) / 2**48


def ended(attempt: Attempt, at: datetime, cause: Ending | None) -> Attempt:
    if attempt.end is not None:
        return attempt
    return msgspec.structs.replace(attempt, end=at.replace(microsecond=0), cause=cause_of(cause) if cause else None)


def suspected(attempt: Attempt, cause: Ending) -> Attempt:
    """The cause is known before the last pod has stopped."""
    return msgspec.structs.replace(attempt, cause=cause_of(cause))


def cause_of(end: Ending) -> Cause:
    return Cause(
        class_=end.class_,
        evidence=end.evidence,
        reason=end.reason,
        retry=not end.hopeless,
        budget=None if end.reason in UNCHARGED else CLASS_BUDGETS.get(end.class_),
        suspect_nodes=end.suspects,
        preempted_by=end.preempted_by,
    )


def deadline(job: TrainingJob) -> datetime | None:
    created = job.metadata.creation_timestamp
    if job.spec.deadline is None or created is None:
        return None
    return created + duration.parse(job.spec.deadline)


def removal(job: TrainingJob) -> datetime | None:
    """When its ttlAfterFinished is over."""
    if job.spec.ttl_after_finished is None or job.status.finished_at is None:
        return None
    return job.status.finished_at + duration.parse(job.spec.ttl_after_finished)
