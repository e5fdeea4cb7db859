"""What a TrainingJob's status should say. Once it has ended, its status does not change any more."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from footplate.api import Condition, TrainingJob, TrainingJobStatus
from footplate.api.trainingjob import Attempt, Cause, CauseClass, JobPhase, Pending, Progress, Straggler
from footplate.controllers import honoured
from footplate.controllers.capacity import too_few_gpus
from footplate.controllers.cluster import Pod
from footplate.controllers.failure.rule import Ending
from footplate.controllers.refusal import Refusal
from footplate.controllers.trainingjob import attempts as tries
from footplate.controllers.trainingjob import fate as fates
from footplate.controllers.trainingjob import hanging, machines, ordered, shape, straggling
from footplate.controllers.trainingjob.desired import start
from footplate.controllers.trainingjob.goodput import goodput
from footplate.controllers.trainingjob.lingering import ending_by_itself, let_go, lingering
from footplate.controllers.trainingjob.observed import Observed, current, last_attempt
from footplate.controllers.trainingjob.ordered import ordered_end
from footplate.controllers.trainingjob.progress import noted, progress, progress_due
from footplate.controllers.trainingjob.queueing import NO_GANG, Queueing, choose
from footplate.controllers.trainingjob.sizing import nodes_of
from footplate.controllers.waiting import unschedulable
from footplate.kube.conditions import remove_condition, set_condition


@dataclass(frozen=True)
class Verdict:
    phase: JobPhase
    reason: str
    message: str
    attempts: tuple[Attempt, ...]
    placed: bool = False
    next_action: str | None = None
    finished_at: datetime | None = None


def status(job: TrainingJob, observed: Observed, now: datetime) -> TrainingJobStatus:
    """Equal to `job.status` when nothing has changed."""
    job = revived(job)
    before = job.status
    if before.phase is not None and before.phase.ended:
        return before
    at = now.replace(microsecond=0)
    verdict = judge(job, observed, at)
    queued = verdict.phase is JobPhase.QUEUED
    started = before.started_at
    if verdict.phase is JobPhase.RUNNING and started is None:
        started = now.replace(microsecond=0)
    far = progress(job, observed, now, goes_on=verdict.phase is JobPhase.RUNNING)
    slow = straggling.seen(job, observed.pulse, verdict.phase, far, at)
    attempts = _noted(job, observed, verdict, far, slow, at)
    return msgspec.structs.replace(
        before,
        phase=verdict.phase,
        conditions=_conditions(job, observed, verdict, now),
        attempts=attempts,
        progress=far,
        stragglers=slow,
        goodput=goodput(job, attempts, verdict.phase),
        pending=Pending(verdict.reason, verdict.message, next_action=verdict.next_action) if queued else None,
        started_at=started,
        finished_at=verdict.finished_at,
        message=verdict.message,
        observed_generation=job.metadata.generation,
    )


def revived(job: TrainingJob) -> TrainingJob:
    """As it is once a failed job is to be tried again: with all its attempts, and full budgets."""
    before = job.status
    if before.phase is not JobPhase.FAILED or job.spec.retry <= before.retry or job.spec.cancelled:
        return job
    again = msgspec.structs.replace(
        before,
        phase=JobPhase.RECOVERING,
        conditions=remove_condition(before.conditions, "Finished"),
        retry=job.spec.retry,
        budgets_from=before.attempts[-1].number if before.attempts else 0,
        finished_at=None,
    )
    return msgspec.structs.replace(job, status=again)


def _noted(
    job: TrainingJob,
    observed: Observed,
    verdict: Verdict,
    far: Progress | None,
    slow: tuple[Straggler, ...],
    now: datetime,
) -> tuple[Attempt, ...]:
    if not verdict.attempts or verdict.attempts[-1].number != current(job):
        return verdict.attempts
    last = noted(job, verdict.attempts[-1], _pods(job, observed), verdict.phase, now, far, observed.pulse)
    last = machines.noted(last, _pods(job, observed), observed.nodes)
    if last.end is None:
        last = straggling.blamed(last, slow, observed.bounds, now)
    return _replace_last(verdict.attempts, last)


def unworkable(job: TrainingJob, message: str, now: datetime) -> TrainingJobStatus:
    """Where no decision can be made about its spec: it fails, unless an attempt runs, which goes on."""
    before = job.status
    if before.phase is not None and before.phase.ended:
        return before
    last = last_attempt(job)
    begun = last is not None and last.end is None
    at = now.replace(microsecond=0)
    conditions = before.conditions
    if not begun:
        conditions = set_condition(
            conditions, Condition("Finished", "True", "Invalid", message, at, job.metadata.generation)
        )
    return msgspec.structs.replace(
        before,
        phase=before.phase if begun else JobPhase.FAILED,
        conditions=conditions,
        pending=None,
        finished_at=None if begun else at,
        message=message,
        observed_generation=job.metadata.generation,
    )


def judge(job: TrainingJob, observed: Observed, now: datetime) -> Verdict:
    attempts = _with_current(job, observed)
    if job.spec.cancelled:
        return _ending(job, observed, attempts, now, CauseClass.CANCELLED)
    bound = tries.deadline(job)
    if bound is not None and now >= bound:
        return _ending(job, observed, attempts, now, CauseClass.DEADLINE)
    found = fates.fate(job, observed, now)
    if found is not None and found.succeeded and found.ended:
        done = _replace_last(attempts, tries.ended(attempts[-1], found.ended, None))
        return Verdict(JobPhase.SUCCEEDED, "Succeeded", "It succeeded.", done, True, finished_at=found.ended)
    if found is not None and found.cause is not None:
        return _failed(job, observed, attempts, found, found.cause)
    if current(job) in observed.jobs:
        wanted = ordered_end(job, attempts[-1], observed, now) or _hang(job, attempts[-1], observed, now)
        if wanted is not None:
            return _failed(job, observed, attempts, fates.Fate(cause=wanted), wanted)
        return _under_way(job, observed, attempts)
    return _not_started(job, observed, attempts, now)


def _hang(job: TrainingJob, attempt: Attempt, observed: Observed, now: datetime) -> Ending | None:
    return None if attempt.running is None else hanging.hang(job, attempt, observed.pulse, observed.bounds, now)


def next_look(job: TrainingJob, observed: Observed, now: datetime) -> timedelta | None:
    """When time alone will change the verdict, or the job is to be removed."""
    if job.status.phase is not None and job.status.phase.ended:
        removal = tries.removal(job)
        return max(removal - now, timedelta(0)) if removal else None
    due = [tries.deadline(job)]
    last = last_attempt(job)
    if last is not None and last.end is not None:
        due.append(tries.retry_time(job, job.status.attempts, observed))
    batch = observed.jobs.get(current(job))
    if batch is not None:
        due += fates.looks(job, observed)
        due.append(ending_by_itself(_pods(job, observed), observed))
        if last is not None and last.end is None:
            due += ordered.looks(job, last, observed, now)
            waited = hanging.due(observed.pulse, observed.bounds)
            due.append(now + waited if waited is not None else None)
            due.append(progress_due(job, observed))
        if batch.metadata.creation_timestamp is not None and len(_pods(job, observed)) < nodes_of(job, observed):
            due.append(batch.metadata.creation_timestamp + observed.bounds.pods_created)
    due += [let_go(pod, observed) for pods in observed.pods.values() for pod in pods if not pod.ended]
    later = [moment - now for moment in due if moment is not None and moment > now]
    return min(later, default=None)


def _pods(job: TrainingJob, observed: Observed) -> tuple[Pod, ...]:
    return observed.pods.get(current(job), ())


def _with_current(job: TrainingJob, observed: Observed) -> tuple[Attempt, ...]:
    """The attempts so far; one whose Job is there is among them."""
    number = current(job)
    batch = observed.jobs.get(number)
    last = last_attempt(job)
    if batch is None or (last is not None and last.number == number):
        return job.status.attempts
    platform = observed.facts.platform
    begun = Attempt(
        number=number,
        nodes=nodes_of(job, observed),
        start=batch.metadata.creation_timestamp,
        log_uri=shape.records_uri(job, number, platform) if platform else None,
    )
    return (*job.status.attempts, begun)


def _replace_last(attempts: tuple[Attempt, ...], last: Attempt) -> tuple[Attempt, ...]:
    return (*attempts[:-1], last)


def _ending(
    job: TrainingJob, observed: Observed, attempts: tuple[Attempt, ...], now: datetime, class_: CauseClass
) -> Verdict:
    """Cancelled, or out of time: over when its pods are."""
    cancelled = class_ is CauseClass.CANCELLED
    left = lingering((pod for pods in observed.pods.values() for pod in pods), observed, now)
    if left or current(job) in observed.jobs:
        phase = job.status.phase or JobPhase.STARTING
        text = (
            "It is being cancelled: its pods are ending." if cancelled else "Its deadline is over: its pods are ending."
        )
        return Verdict(phase, "Cancelling" if cancelled else "DeadlineOver", text, attempts, True)
    text = "It was cancelled." if cancelled else f"It did not end within its deadline of {job.spec.deadline}."
    if attempts:
        cause = Ending(class_, "it was cancelled" if cancelled else f"its deadline of {job.spec.deadline} was over")
        attempts = _replace_last(attempts, tries.ended(attempts[-1], now, cause))
    phase, reason = (JobPhase.CANCELLED, "Cancelled") if cancelled else (JobPhase.FAILED, "DeadlineExceeded")
    return Verdict(phase, reason, text, attempts, finished_at=now)


def _failed(
    job: TrainingJob, observed: Observed, attempts: tuple[Attempt, ...], found: fates.Fate, cause: Ending
) -> Verdict:
    """The current attempt is lost: it is over, or its last pods are ending."""
    last = attempts[-1]
    if found.ended is None:
        attempts = _replace_last(attempts, tries.suspected(last, cause))
        if cause.reason in ordered.ON_PURPOSE:
            text = f"Attempt {last.number} is ended, after a checkpoint: {cause.evidence}."
            return Verdict(JobPhase.RECOVERING, f"Being{cause.reason}", text, attempts, True)
        text = f"Attempt {last.number} failed: {cause.evidence}. Its other pods are ending."
        return Verdict(JobPhase.RECOVERING, "AttemptFailing", text, attempts, True)
    attempts = _replace_last(attempts, tries.ended(last, found.ended, cause))
    attempts = _replace_last(
        attempts, noted(job, attempts[-1], _pods(job, observed), JobPhase.RECOVERING, found.ended, job.status.progress)
    )
    following = tries.follow_up(job, attempts, observed)
    if following.at is not None:
        return _rests(attempts) if job.spec.suspended else _recovering(attempts, cause)
    tail = f" ({following.why_not})" if following.why_not else ""
    reason = "RequestAtFault" if cause.hopeless else f"{cause.class_}Failure"
    return Verdict(
        JobPhase.FAILED, reason, f"It failed: {cause.evidence}{tail}.", attempts, True, finished_at=found.ended
    )


def _recovering(attempts: tuple[Attempt, ...], cause: Ending | Cause) -> Verdict:
    last = attempts[-1]
    if cause.reason in ordered.ON_PURPOSE:
        return Verdict(
            JobPhase.RECOVERING, "Restarting", f"It goes on from its last checkpoint ({cause.evidence}).", attempts
        )
    text = f"Attempt {last.number} failed: {cause.evidence}. It is tried again."
    return Verdict(JobPhase.RECOVERING, "AttemptFailed", text, attempts)


def _rests(attempts: tuple[Attempt, ...]) -> Verdict:
    return Verdict(JobPhase.SUSPENDED, "Suspended", "It is suspended until it is resumed.", attempts)


NOT_THERE_NOW = frozenset({"NoSuchGpu", "GpuCountTooLarge", "CpuTooLarge", "MemoryTooLarge"})
"""Refusals that are not final for a job that has run: its nodes were there, and may come back."""


def _not_started(job: TrainingJob, observed: Observed, attempts: tuple[Attempt, ...], now: datetime) -> Verdict:
    last = attempts[-1] if attempts else None
    if job.spec.suspended:
        return _rests(attempts)
    refusal = observed.refused or start(job, observed, now)
    if isinstance(refusal, Refusal):
        if refusal.final and not (attempts and refusal.reason in NOT_THERE_NOW):
            return Verdict(JobPhase.FAILED, refusal.reason, refusal.message, attempts, finished_at=now)
        return Verdict(JobPhase.QUEUED, refusal.reason, refusal.message, attempts, next_action=refusal.action)
    if observed.holds_for is not None:
        text = f"It made room for job {observed.holds_for}, and goes on after that has its nodes."
        return Verdict(JobPhase.QUEUED, "MadeRoom", text, attempts)
    if last is not None and last.cause is not None:
        return _recovering(attempts, last.cause)
    return Verdict(JobPhase.STARTING, "Starting", "Its pods are being made.", attempts)


def _under_way(job: TrainingJob, observed: Observed, attempts: tuple[Attempt, ...]) -> Verdict:
    batch = observed.jobs[current(job)]
    pods, nodes = _pods(job, observed), attempts[-1].nodes
    if batch.spec.suspend:
        return _suspended(job, observed, attempts)
    if sum(fates.running(pod) or pod.status.phase == "Succeeded" for pod in pods) >= nodes:
        return Verdict(JobPhase.RUNNING, "Running", _running_text(nodes), attempts, True)
    if job.status.phase is JobPhase.RUNNING and last_is(job, attempts):
        text = f"It is running, but {observed.unseen}." if observed.unseen else _running_text(nodes)
        return Verdict(JobPhase.RUNNING, "Running", text, attempts, True)
    if observed.pods_refused is not None and len(pods) < nodes:
        text = f"Kubernetes cannot make its pods: {observed.pods_refused}."
        return Verdict(JobPhase.QUEUED, "PodsRefused", text, attempts)
    held = _cluster_too_small(job, observed, pods) or _gang_waits(job, observed)
    if held is not None:
        return Verdict(JobPhase.QUEUED, "Unschedulable", held, attempts)
    found = tries.worst(job, pods)
    if found is None or (len(pods) < nodes and not found.stuck):
        return Verdict(JobPhase.STARTING, "Starting", "Its pods are being made.", attempts)
    if not found.placed:
        phase = JobPhase.STARTING if found.reason == "Scheduling" else JobPhase.QUEUED
        text = "It waits to be given nodes." if found.reason == "Scheduling" else found.message
        return Verdict(phase, found.reason, text, attempts)
    return Verdict(JobPhase.STARTING, found.reason, _starting_text(job, found.reason, found.message), attempts, True)


def last_is(job: TrainingJob, attempts: tuple[Attempt, ...]) -> bool:
    """No new attempt has begun since the status was written."""
    return bool(job.status.attempts) and job.status.attempts[-1].number == attempts[-1].number


def _running_text(nodes: int) -> str:
    return "It is running." if nodes == 1 else f"It is running on {nodes} nodes."


def _starting_text(job: TrainingJob, reason: str, message: str) -> str:
    """The nodes of a larger job are not named one after the other: that would be a status a node."""
    if job.spec.nodes == 1:
        return message
    general = {
        "Preparing": "Its code and data are copied to its nodes.",
        "Starting": "Its nodes get its image and volumes ready.",
        "Launching": "Its processes start on its nodes.",
    }
    return general.get(reason, message)


def _suspended(job: TrainingJob, observed: Observed, attempts: tuple[Attempt, ...]) -> Verdict:
    queue = job.spec.queue or "default"
    waits = None
    if observed.admission is not None:
        waits = next((c for c in observed.admission.status.conditions if c.type == "QuotaReserved"), None)
    said = f": {waits.message.rstrip('.')}" if waits is not None and waits.status != "True" and waits.message else ""
    if job.status.started_at is None:
        return Verdict(JobPhase.QUEUED, "QueuedByKueue", f"It waits in queue {queue} to be admitted{said}.", attempts)
    return Verdict(JobPhase.SUSPENDED, "Suspended", f"It is suspended by queue {queue}{said}.", attempts)


def _cluster_too_small(job: TrainingJob, observed: Observed, pods: tuple[Pod, ...]) -> str | None:
    """Only once the scheduler has said no: it knows of nodes before we do."""
    facts = observed.facts
    waits = any((c := pod.condition("PodScheduled")) and c.status != "True" for pod in pods)
    if not waits or facts.platform is None:
        return None
    return too_few_gpus(job.spec.resources, nodes_of(job, observed), facts.capacity, facts.platform)


def _gang_waits(job: TrainingJob, observed: Observed) -> str | None:
    group = observed.groups.get(current(job))
    if group is None:
        return None
    waits = next((c for c in group.status.conditions if c.type == "PodGroupInitiallyScheduled"), None)
    if waits is None or waits.status == "True" or waits.reason != "Unschedulable":
        return None
    reasons = [c.message for pod in _pods(job, observed) if (c := pod.condition("PodScheduled")) and c.status != "True"]
    detail = unschedulable(max([waits.message, *reasons], key=_detail), job.spec.resources)
    return f"{detail.rstrip('.')}. All {nodes_of(job, observed)} nodes start together."


def _detail(message: str) -> tuple[bool, str]:
    """The messages of a gang's pods differ: one that speaks of nodes says most."""
    return "nodes are available" in message, message


def _conditions(job: TrainingJob, observed: Observed, verdict: Verdict, now: datetime) -> tuple[Condition, ...]:
    at = now.replace(microsecond=0)

    def condition(type_: str, holds: bool, reason: str, message: str) -> Condition:
        return Condition(type_, "True" if holds else "False", reason, message, at, job.metadata.generation)

    running = verdict.phase is JobPhase.RUNNING
    found = job.status.conditions
    placed = "Placed" if verdict.placed else verdict.reason
    text = "Its pods have nodes." if verdict.placed else verdict.message
    found = set_condition(found, condition("Admitted", verdict.placed, placed, text))
    found = set_condition(found, condition("Running", running, verdict.reason, verdict.message))
    if verdict.phase.ended:
        found = set_condition(found, condition("Finished", True, verdict.reason, verdict.message))
    ignored = honoured.ignored(job.spec, honoured.TRAINING_JOB)
    if ignored is None:
        found = remove_condition(found, "Honoured")
    else:
        found = set_condition(found, condition("Honoured", False, honoured.REASON, ignored))
    if _one_by_one(job, observed):
        return set_condition(found, condition("GangScheduling", False, "NotAvailable", NO_GANG))
    return remove_condition(found, "GangScheduling")


def _one_by_one(job: TrainingJob, observed: Observed) -> bool:
    platform = observed.facts.platform
    if job.spec.nodes == 1 or platform is None:
        return False
    return choose(platform, observed.facts.served) is Queueing.PLAIN
