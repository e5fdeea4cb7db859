"""How a job's program ended."""

from __future__ import annotations

from datetime import UTC, datetime

from footplate.api import TrainingJob
from footplate.api.trainingjob import JobPhase
from footplate.client import pods
from footplate.client.session import Session
from footplate.errors import FootplateError, JobCancelled

_LATE = datetime.max.replace(tzinfo=UTC)


async def exit_code(session: Session, job: TrainingJob) -> int:
    """That of the program which failed first in the last attempt; 1 where none is known. Raises JobCancelled."""
    if job.status.phase is JobPhase.SUCCEEDED:
        return 0
    if job.status.phase is JobPhase.CANCELLED:
        raise JobCancelled(f"Job {job.metadata.name} was cancelled.")
    attempts = job.status.attempts
    try:
        found = await pods.of_job(session, job.metadata.name, attempts[-1].number if attempts else None)
    except FootplateError:
        return 1
    ended = [pod.terminated for pod in found if pod.terminated is not None and pod.terminated.exit_code]
    first = min(ended, key=lambda state: state.finished_at or _LATE, default=None)
    return first.exit_code if first is not None else 1
