"""Why an attempt ended and what follows: the first failure among its pods, the budgets, the next attempt's time."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec

from footplate.api import TrainingJob, duration
from footplate.api.duration import human
from footplate.api.trainingjob import Attempt, Cause, CauseClass, Retries
from footplate.controllers.cluster import Job, Pod
from footplate.controllers.ending import Ending, ending
from footplate.controllers.trainingjob.observed import Observed, current, last_attempt
from footplate.controllers.trainingjob.queueing import QUEUE_LABEL
from footplate.controllers.waiting import Waiting, waiting

_INDEX = "batch.kubernetes.io/job-completion-index"

CLASS_BUDGETS: dict[CauseClass, str] = {
    CauseClass.APP: "app",
    CauseClass.INFRA: "infra",
    CauseClass.PREEMPTION: "preemption",
    CauseClass.CAPACITY: "capacity",
    CauseClass.HANG: "app",
}
"""The field of `spec.retries` to which a class of cause is charged; classes that are not here end the job."""


@dataclass(frozen=True)
class Fate:
    """What an attempt came to. `ended` is None while pods of it may still run."""

    succeeded: bool = False
    ended: datetime | None = None
    cause: Ending | None = None


def fate(job: TrainingJob, observed: Observed, now: datetime) -> Fate | None:
    """None while the current attempt goes on, or has not begun."""
    attempt = last_attempt(job)
    number = current(job)
    batch = observed.jobs.get(number)
    recorded = attempt is not None and attempt.end is None
    if batch is None:
        if recorded:
            return Fate(
                ended=now,
                cause=_recorded_or(attempt, None) or Ending(CauseClass.INFRA, "its Kubernetes Job was deleted"),
            )
        return None
    done = batch.condition("Complete")
    if done is not None:
        return Fate(succeeded=True, ended=batch.status.completion_time or done.last_transition_time or now)
    pods = observed.pods.get(number, ())
    if batch.spec.suspend:
        return None  # its pods are removed on purpose
    late = too_late(job, observed, pods, now)
    if late is not None:
        return Fate(ended=now, cause=late)
    failing = batch.condition("FailureTarget") or batch.condition("Failed")
    # Kueue takes pods away without a failure; that the Job is suspended is often seen only after them.
    telling = tuple(pod for pod in pods if failing or not pod.leaving or QUEUE_LABEL not in batch.metadata.labels)
    cause = _recorded_or(attempt if recorded else None, first_cause(job, telling))
    if failing is None:
        return Fate(cause=cause) if cause is not None else None
    cause = cause or Ending(CauseClass.INFRA, _of_job(batch, failing.reason, failing.message))
    failed = batch.condition("Failed")
    if failed is not None:
        return Fate(ended=failed.last_transition_time or now, cause=cause)
    since = failing.last_transition_time or now
    overdue = since + duration.parse(job.spec.checkpoint.grace) + observed.bounds.stop
    return Fate(ended=now if now >= overdue else None, cause=cause)


def first_cause(job: TrainingJob, pods: tuple[Pod, ...]) -> Ending | None:
    """Of what happened to the pods, what happened first: the rest followed from it."""
    found: list[tuple[float, bool, Ending]] = []
    for pod in pods:
        end = ending(pod)
        if end is None or pod.status.phase == "Succeeded":
            continue
        at = end.at.timestamp() if end.at else float("inf")
        found.append((at, "SIGTERM" in end.evidence or "SIGKILL" in end.evidence, _on_node(job, pod, end)))
    return min(found, key=lambda entry: entry[:2])[2] if found else None


def _on_node(job: TrainingJob, pod: Pod, end: Ending) -> Ending:
    rank = pod.metadata.annotations.get(_INDEX)
    if job.spec.nodes == 1 or rank is None:
        return end
    return replace(end, evidence=f"{end.evidence} (node rank {rank})")


def _recorded_or(attempt: Attempt | None, found: Ending | None) -> Ending | None:
    """The first failure, once recorded, stays the cause."""
    if attempt is None or attempt.cause is None:
        return found
    if found is not None and found.evidence == attempt.cause.evidence:
        return found
    return Ending(attempt.cause.class_, attempt.cause.evidence)


def _of_job(batch: Job, reason: str, message: str) -> str:
    said = message.strip().rstrip(".") or reason or "no reason is given"
    return f"one of its pods was deleted or lost ({said})"


def too_late(job: TrainingJob, observed: Observed, pods: tuple[Pod, ...], now: datetime) -> Ending | None:
    """It got its nodes, and a pod does not start on one of them in time."""
    for pod in pods:
        given = given_node(pod)
        if given is None or running(pod) or pod.ended or pod.leaving or now - given < observed.bounds.start:
            continue
        why = waiting(pod, job.spec.resources, "its process").message.rstrip(".")
        evidence = f"it did not start within {human(observed.bounds.start)} ({why[0].lower()}{why[1:]})"
        return Ending(CauseClass.APP, evidence, now)
    return None


def given_node(pod: Pod) -> datetime | None:
    scheduled = pod.condition("PodScheduled")
    return scheduled.last_transition_time if scheduled and scheduled.status == "True" else None


def running(pod: Pod) -> bool:
    main = pod.container("main")
    return main is not None and main.state.running is not None and not pod.leaving


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
    recorded = Cause(class_=cause.class_, evidence=cause.evidence) if cause else None
    return msgspec.structs.replace(attempt, end=at.replace(microsecond=0), cause=recorded)


def suspected(attempt: Attempt, cause: Ending) -> Attempt:
    """The cause is known before the last pod has stopped."""
    if attempt.cause is not None:
        return attempt
    return msgspec.structs.replace(attempt, cause=Cause(class_=cause.class_, evidence=cause.evidence))


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
