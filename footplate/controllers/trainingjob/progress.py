"""How far an attempt came, by what the platform's containers in its pods said as they ended."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from footplate.api import TrainingJob
from footplate.api.podreport import PodReport, parse
from footplate.api.trainingjob import Attempt, JobPhase
from footplate.controllers.cluster import Pod


def reports(pods: Iterable[Pod]) -> list[PodReport]:
    found: list[PodReport] = []
    for pod in pods:
        for name in ("prepare", "agent"):
            container = pod.container(name)
            states = (container.state, container.last_state) if container else ()
            found += [parse(state.terminated.message) for state in states if state.terminated]
    return found


def noted(job: TrainingJob, attempt: Attempt, pods: Iterable[Pod], phase: JobPhase, now: datetime) -> Attempt:
    """With what is known now of its start and its checkpoints."""
    if attempt.end is not None and attempt in job.status.attempts:
        return attempt
    said = reports(pods)
    start = max((r.restored_step for r in said if r.restored_step is not None), default=attempt.start_step)
    step, at = attempt.checkpoint_step, attempt.checkpoint_at
    newest = max(said, key=lambda r: -1 if r.checkpoint_step is None else r.checkpoint_step, default=PodReport())
    if newest.checkpoint_step is not None and (step is None or newest.checkpoint_step > step):
        step, at = newest.checkpoint_step, newest.checkpoint_at
    known = job.status.progress.checkpoint_step if job.status.progress else None
    if known is not None and (step is None or known > step):
        step, at = known, job.status.progress.updated_at if job.status.progress else None
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
