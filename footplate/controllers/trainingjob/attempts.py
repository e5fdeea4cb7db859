"""The attempts of a job and what follows a lost one: its budget, and the next one's time."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec

from footplate.api import TrainingJob, duration
from footplate.api.trainingjob import Attempt, Cause, CauseClass, Retries
from footplate.controllers.cluster import Pod
from footplate.controllers.failure.rule import Ending
from footplate.controllers.trainingjob.fate import running
from footplate.controllers.trainingjob.observed import Observed
from footplate.controllers.waiting import Waiting, waiting

Budget = Literal["app", "infra", "preemption", "capacity"]

CLASS_BUDGETS: dict[CauseClass, Budget] = {
    CauseClass.APP: "app",
    CauseClass.INFRA: "infra",
    CauseClass.PREEMPTION: "preemption",
    CauseClass.CAPACITY: "capacity",
    CauseClass.HANG: "app",
}
"""The field of `spec.retries` to which a class of cause is charged; classes that are not here end the job."""


def worst(job: TrainingJob, pods: tuple[Pod, ...]) -> Waiting | None:
    """What holds the attempt back most: a pod without a node, else one that is stuck, else any that does not run."""
    found = [waiting(pod, job.spec.resources, "its process") for pod in pods if not running(pod) and not pod.ended]
    return min(found, key=lambda w: (w.placed, not w.stuck, w.reason != "Preparing"), default=None)


@dataclass(frozen=True)
class Next:
    """Another attempt, not before `at`; or none, and why."""

    at: datetime | None
    why_not: str = ""


def follow_up(job: TrainingJob, attempts: tuple[Attempt, ...], hopeless: bool, observed: Observed) -> Next:
    """After the last of `attempts` has ended in failure."""
    last = attempts[-1]
    class_ = last.cause.class_ if last.cause else CauseClass.INFRA
    field = CLASS_BUDGETS.get(class_)
    if field is None or hopeless:
        return Next(None)
    lost = Counter(CLASS_BUDGETS.get(a.cause.class_) for a in attempts if a.cause)[field]
    budget = budget_of(job.spec.retries, field)
    if lost > budget:
        used = f"it was tried {len(attempts)} times" if len(attempts) > 1 else ""
        return Next(None, f"{used}, and retries.{field} is {budget}" if used else "")
    return Next(retry_time(attempts, observed))


def budget_of(retries: Retries, field: str) -> int:
    values: dict[str, int] = {name: getattr(retries, name) for name in retries.__struct_fields__}
    return values[field]


def retry_time(attempts: tuple[Attempt, ...], observed: Observed) -> datetime:
    """Soon after an attempt that lasted, later after each that did not."""
    short = 0
    for attempt in reversed(attempts):
        if attempt.start is None or attempt.end is None or attempt.end - attempt.start >= observed.bounds.early:
            break
        short += 1
    end = attempts[-1].end
    assert end is not None
    return end + observed.bounds.delay(short)


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
        budget=CLASS_BUDGETS.get(end.class_),
        suspect_nodes=end.suspects,
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
