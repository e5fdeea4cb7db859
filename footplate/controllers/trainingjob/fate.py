"""What has become of the current attempt: whether it goes on, and the first cause where it does not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from footplate.api import TrainingJob
from footplate.api.duration import human
from footplate.api.trainingjob import Attempt, CauseClass
from footplate.controllers.cluster import Job, Pod
from footplate.controllers.failure.nodes import GONE, explained, lost, unhealthy_device
from footplate.controllers.failure.pods import ending
from footplate.controllers.failure.rule import Ending, Rule, by
from footplate.controllers.failure.starts import start_rule
from footplate.controllers.trainingjob.lingering import lingering
from footplate.controllers.trainingjob.observed import Observed, current, last_attempt
from footplate.controllers.trainingjob.queueing import QUEUE_LABEL
from footplate.controllers.waiting import waiting

INDEX = "batch.kubernetes.io/job-completion-index"
_JOB_DELETED = Rule("JobDeleted", CauseClass.INFRA, "its Kubernetes Job was deleted")
_POD_LOST = Rule("PodDeleted", CauseClass.INFRA, "one of its pods was deleted or lost")

TOGETHER = timedelta(seconds=5)
"""Failures within it may have one cause: what says most is taken, not what is a second earlier."""


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
    recorded = attempt if attempt is not None and attempt.end is None else None
    if batch is None:
        if recorded is None:
            return None
        cause = _settled(recorded, None) or by(_JOB_DELETED, _JOB_DELETED.says, now, "")
        return Fate(ended=None if lingering(observed.pods.get(number, ()), observed, now) else now, cause=cause)
    done = batch.condition("Complete")
    if done is not None:
        return Fate(succeeded=True, ended=batch.status.completion_time or done.last_transition_time or now)
    pods = observed.pods.get(number, ())
    if batch.spec.suspend:  # by Kueue: its pods are removed on purpose
        over = recorded is not None and recorded.cause is not None and not lingering(pods, observed, now)
        return Fate(ended=now, cause=_settled(recorded, None)) if over else None
    late = too_late(job, observed, pods, now)
    if late is not None:
        return Fate(ended=now, cause=late)
    failing = batch.condition("FailureTarget") or batch.condition("Failed")
    # Kueue takes pods away without a failure; that the Job is suspended is often seen only after them.
    telling = tuple(pod for pod in pods if failing or not pod.leaving or QUEUE_LABEL not in batch.metadata.labels)
    cause = _settled(recorded, first_cause(job, telling, observed, now))
    if failing is None:
        abandoned = bool(pods) and not all(pod.ended for pod in pods) and not lingering(pods, observed, now)
        return Fate(ended=now if abandoned else None, cause=cause) if cause is not None else None
    cause = cause or _of_job(batch, failing.reason, failing.message)
    failed = batch.condition("Failed")
    if failed is not None:
        return Fate(ended=failed.last_transition_time or now, cause=cause)
    # Kubernetes makes no more pods for it: it is over with the last of those that are there.
    return Fate(ended=now if pods and not lingering(pods, observed, now) else None, cause=cause)


def first_cause(job: TrainingJob, pods: Iterable[Pod], observed: Observed, now: datetime) -> Ending | None:
    """Of what happened to the pods and to their nodes, what happened first: the rest followed from it."""
    found = [_on_node(job, pod, end) for pod in pods if (end := of_pod(pod, observed, now)) is not None]
    if not found:
        return None
    earliest = min(_at(end) for end in found)
    together = [end for end in found if _at(end) - earliest <= TOGETHER.total_seconds()]
    return min(together, key=lambda end: (end.weight, _at(end)))


def of_pod(pod: Pod, observed: Observed, now: datetime) -> Ending | None:
    if pod.status.phase == "Succeeded":
        return None
    name = pod.spec.node_name
    node = observed.nodes.get(name)
    found = ending(pod)
    if found is not None:
        return explained(found, node)
    if name in observed.nodes and node is None and now >= _given(pod, now) + observed.bounds.node_lost:
        return by(GONE, GONE.says.format(node=name), now, name)
    away = lost(node) if node is not None else None
    if away is not None and now >= (away.at or now) + observed.bounds.node_lost:
        return explained(away, node)
    return unhealthy_device(pod, now) if running(pod) else None


def _at(end: Ending) -> float:
    return end.at.timestamp() if end.at else float("inf")


def _on_node(job: TrainingJob, pod: Pod, end: Ending) -> Ending:
    rank = pod.metadata.annotations.get(INDEX)
    if job.spec.nodes == 1 or rank is None:
        return end
    return replace(end, evidence=f"{end.evidence} (node rank {rank})")


def _settled(attempt: Attempt | None, found: Ending | None) -> Ending | None:
    """The first failure, once recorded, stays the cause, unless it was only the consequence of what is seen now."""
    if attempt is None or attempt.cause is None:
        return found
    cause = attempt.cause
    if found is not None and cause.reason in CONSEQUENCES and not found.weight:
        return found
    return Ending(
        cause.class_,
        cause.evidence,
        hopeless=not cause.retry,
        reason=cause.reason,
        suspects=cause.suspect_nodes,
        preempted_by=cause.preempted_by,
    )


CONSEQUENCES = frozenset({"RankLost", "CollectiveTimeout", "Network"})
"""Reasons that name what a rank notices of another's end."""


def _of_job(batch: Job, reason: str, message: str) -> Ending:
    said = message.strip().rstrip(".") or reason or "no reason is given"
    return by(_POD_LOST, f"{_POD_LOST.says} ({said})", None, "")


def too_late(job: TrainingJob, observed: Observed, pods: tuple[Pod, ...], now: datetime) -> Ending | None:
    """It got its nodes, and a pod does not start on one of them in time."""
    for pod in pods:
        given = given_node(pod)
        if given is None or running(pod) or pod.ended or pod.leaving or now - given < observed.bounds.start:
            continue
        why = waiting(pod, job.spec.resources, "its process").message.rstrip(".")
        evidence = f"it did not start within {human(observed.bounds.start)} ({why[0].lower()}{why[1:]})"
        return by(start_rule(pod), evidence, now, pod.spec.node_name)
    return None


def given_node(pod: Pod) -> datetime | None:
    scheduled = pod.condition("PodScheduled")
    return scheduled.last_transition_time if scheduled and scheduled.status == "True" else None


def _given(pod: Pod, now: datetime) -> datetime:
    """The scheduler knows of a new node before we do: that it is not known tells only after some time."""
    return given_node(pod) or now


def running(pod: Pod) -> bool:
    main = pod.container("main")
    return main is not None and main.state.running is not None and not pod.leaving


def looks(job: TrainingJob, observed: Observed) -> Iterable[datetime]:
    """When time alone may change what has become of the current attempt."""
    batch = observed.jobs.get(current(job))
    if batch is None:
        return
    for pod in observed.pods.get(current(job), ()):
        given = given_node(pod)
        if given is not None:
            yield given + observed.bounds.start
            yield given + observed.bounds.node_lost
        node = observed.nodes.get(pod.spec.node_name)
        away = lost(node) if node is not None else None
        if away is not None and away.at is not None:
            yield away.at + observed.bounds.node_lost
