"""How far an attempt came, by what its agents say while it runs, and the platform's containers as they end."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from footplate.api import TrainingJob
from footplate.api.podreport import PodReport, parse
from footplate.api.trainingjob import Attempt, JobPhase, Progress
from footplate.controllers.cluster import Pod
from footplate.controllers.trainingjob.observed import Observed
from footplate.controllers.trainingjob.pulse import SILENT, Pulse


def reports(pods: Iterable[Pod]) -> list[PodReport]:
    found: list[PodReport] = []
    for pod in pods:
        for name in ("prepare", "agent"):
            container = pod.container(name)
            states = (container.state, container.last_state) if container else ()
            found += [parse(state.terminated.message) for state in states if state.terminated]
    return found


EACH = timedelta(seconds=0.1)
"""Between two writes of progress on the whole platform."""


def progress(job: TrainingJob, observed: Observed, now: datetime, *, goes_on: bool = True) -> Progress | None:
    """That in the status while nothing is new, or it is too early to write again; what is new at the end, at once.

    The step is that of the rank which is furthest: where ranks meet in each step they are all there, or on their way.
    """
    before = job.status.progress
    step = max((beat.step for _, beat in observed.pulse.beats() if beat.step is not None), default=None)
    if step is None and _stored(observed.pulse) is None:
        return before
    total = max((node.report.total_steps or 0 for node in observed.pulse.nodes), default=0) or None
    kept = before or Progress()
    found = Progress(
        step if step is not None else kept.step,
        total or kept.total_steps,
        max((s for s in (_stored(observed.pulse), kept.checkpoint_step) if s is not None), default=None),
        kept.updated_at,
    )
    if found == before:
        return before
    due = max(observed.bounds.progress, EACH * observed.reporting)
    if goes_on and kept.updated_at is not None and now < kept.updated_at + due:
        return before
    return msgspec.structs.replace(found, updated_at=now.replace(microsecond=0))


def progress_due(job: TrainingJob, observed: Observed) -> datetime | None:
    """When what has been heard may be written."""
    before = job.status.progress
    if before is None or before.updated_at is None or not observed.pulse.nodes:
        return None
    return before.updated_at + max(observed.bounds.progress, EACH * observed.reporting)


def _stored(pulse: Pulse) -> int | None:
    return max((n.report.checkpoint_step for n in pulse.nodes if n.report.checkpoint_step is not None), default=None)


def _stored_at(pulse: Pulse, step: int, now: datetime) -> datetime | None:
    told = [node for node in pulse.nodes if node.report.checkpoint_step == step]
    ages = [node.age + node.report.checkpoint_age for node in told if node.report.checkpoint_age is not None]
    return (now - timedelta(seconds=min(ages))).replace(microsecond=0) if ages else None


def noted(
    job: TrainingJob,
    attempt: Attempt,
    pods: Iterable[Pod],
    phase: JobPhase,
    now: datetime,
    far: Progress | None,
    pulse: Pulse = SILENT,
) -> Attempt:
    """With what is known now of its start and its checkpoints."""
    if attempt.end is not None and attempt in job.status.attempts:
        return attempt
    said = reports(pods)
    start = max((r.restored_step for r in said if r.restored_step is not None), default=attempt.start_step)
    step, at = attempt.checkpoint_step, attempt.checkpoint_at
    newest = max(said, key=lambda r: -1 if r.checkpoint_step is None else r.checkpoint_step, default=PodReport())
    if newest.checkpoint_step is not None and (step is None or newest.checkpoint_step > step):
        step, at = newest.checkpoint_step, newest.checkpoint_at
    known = far.checkpoint_step if far else None
    if known is not None and (step is None or known > step):
        step, at = known, _stored_at(pulse, known, now) or (far or Progress()).updated_at
    running = attempt.running or (now if phase is JobPhase.RUNNING else None)
    return msgspec.structs.replace(attempt, start_step=start, checkpoint_step=step, checkpoint_at=at, running=running)


def progressed(attempts: tuple[Attempt, ...]) -> list[bool]:
    """Whether each attempt brought a newer checkpoint than all before it."""
    best: int | None = None
    found: list[bool] = []
    for index, attempt in enumerate(attempts):
        if attempt.start_step is not None:
            best = max(best or 0, attempt.start_step)
        following = attempts[index + 1].start_step if index + 1 < len(attempts) else None
        reached = max((s for s in (attempt.checkpoint_step, following) if s is not None), default=None)
        found.append(reached is not None and (best is None or reached > best))
        best = max((s for s in (best, reached) if s is not None), default=None)
    return found
