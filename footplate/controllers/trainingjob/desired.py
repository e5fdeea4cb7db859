"""Which objects a TrainingJob should consist of now: those of its current attempt, and the Jobs of the last ended ones.

An ended attempt's Job stays for its pods' logs; what only serves running ranks goes at once.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from footplate.api import TrainingJob
from footplate.controllers import admission, kinds, quota
from footplate.controllers.children import Child
from footplate.controllers.refusal import Refusal
from footplate.controllers.trainingjob import shape, sizing
from footplate.controllers.trainingjob.attempts import deadline, retry_time
from footplate.controllers.trainingjob.lingering import ending_by_itself, lingering
from footplate.controllers.trainingjob.observed import Observed, attempt_name, current, last_attempt
from footplate.controllers.trainingjob.queueing import Queueing, choose
from footplate.controllers.trainingjob.shape import Form

Json = dict[str, Any]

KEPT = 2
"""Ended attempts whose pods, and with them their logs, are kept."""


def desired(job: TrainingJob, observed: Observed, now: datetime) -> tuple[Child, ...]:
    """In the order in which they are made: the gang and the names before the pods that need them."""
    number = current(job)
    kept = [_kept_job(job, n) for n in sorted(observed.jobs) if _keeps(job, observed, n)]
    if job.status.phase is not None and job.status.phase.ended:
        return tuple(kept)
    if ends_now(job, now):
        return tuple(child for child in kept if child.name != attempt_name(job, number))
    if number in observed.jobs:
        if _without_logs(job, observed, number):
            return tuple(child for child in kept if child.name != attempt_name(job, number))
        return (*_around(job, observed, number), *kept, *_kept_pods(job, observed, number, now))
    if not may_start(job, observed, now):
        return tuple(kept)
    made = start(job, observed, now)
    if isinstance(made, Refusal):
        return tuple(kept)
    return (*kept, *children(job, number, made))


def _keeps(job: TrainingJob, observed: Observed, number: int) -> bool:
    if number >= current(job):
        return True
    batch = observed.jobs[number]
    finished = batch.condition("Complete") or batch.condition("Failed") or batch.condition("FailureTarget")
    # One that was given up while its pods still ran must not go on.
    return finished is not None and number >= current(job) - KEPT


def _kept_job(job: TrainingJob, number: int) -> Child:
    return Child(kinds.JOB, attempt_name(job, number), None)


def _kept_pods(job: TrainingJob, observed: Observed, number: int, now: datetime) -> list[Child]:
    """Once one of them is known to be lost, the others end at the same time, not after it.

    One whose process has ended stays for its logs, though its agent may still run. While it does, none is ended: the
    Job would be failed by that, and Kubernetes would remove all that have not ended, logs and all.
    """
    pods = observed.pods.get(number, ())
    last = last_attempt(job)
    if last is not None and last.number == number and last.cause is not None:
        until = ending_by_itself(pods, observed)
        pods = pods if until is not None and now < until else [pod for pod in pods if pod.over]
    return [Child(kinds.POD, pod.name, None) for pod in pods]


def _without_logs(job: TrainingJob, observed: Observed, number: int) -> bool:
    """It is lost, and none of its processes ended by itself: its Job goes with its pods, or it would replace them."""
    last = last_attempt(job)
    lost = last is not None and last.number == number and last.end is None and last.cause is not None
    return lost and not any(pod.over for pod in observed.pods.get(number, ()))


def _around(job: TrainingJob, observed: Observed, number: int) -> list[Child]:
    """The gang is not made again once pods have it: they would not join another."""
    name = attempt_name(job, number)
    kept = [Child(kinds.SERVICE, name, shape.service(job, number))]
    return [*kept, Child(kinds.POD_GROUP, name, None)] if number in observed.groups else kept


def ends_now(job: TrainingJob, now: datetime) -> bool:
    bound = deadline(job)
    return job.spec.cancelled or (bound is not None and now >= bound)


def may_start(job: TrainingJob, observed: Observed, now: datetime) -> bool:
    last = last_attempt(job)
    if (
        job.spec.suspended
        or observed.refused is not None
        or observed.holds_for is not None
        or (last is not None and last.end is None)
    ):
        return False
    return last is None or (
        retry_time(job, job.status.attempts, observed) <= now and not _still_runs(observed, last.number, now)
    )


def _still_runs(observed: Observed, number: int, now: datetime) -> bool:
    """Two attempts never run at once."""
    return bool(lingering(observed.pods.get(number, ()), observed, now))


def children(job: TrainingJob, number: int, form: Form) -> list[Child]:
    name = attempt_name(job, number)
    batch = shape.batch_job(job, number, form)
    made = [Child(kinds.SERVICE, name, shape.service(job, number)), Child(kinds.JOB, name, batch)]
    if form.queueing is Queueing.NATIVE and form.nodes > 1:
        made.insert(0, Child(kinds.POD_GROUP, name, shape.pod_group(job, number, form.nodes)))
    return made


def start(job: TrainingJob, observed: Observed, now: datetime) -> Form | Refusal:
    """What the next attempt would be made from, or why it cannot start."""
    spec, facts = job.spec, observed.facts
    admitted = admission.image(spec.environment, spec.image, spec.resources, spec.datasets, facts)
    if isinstance(admitted, Refusal):
        return admitted
    image, platform = admitted
    queueing = choose(platform, facts.served)
    if isinstance(queueing, Refusal):
        return queueing
    assert facts.team is not None  # else it is not admitted
    nodes = sizing.nodes(job, observed, now)
    avoided, topology = sizing.avoided(job, observed, now, nodes), sizing.topology(job, observed, nodes)
    form = Form(image, platform, facts.team, queueing, nodes, avoided, topology)
    pod = shape.pod_spec(job, current(job), form)
    # Kueue keeps its own accounts, and asks for quota only when it admits.
    refusal = None if queueing is Queueing.KUEUE else quota.shortage(quota.of_pod(pod, nodes), facts.quotas)
    return refusal or form
