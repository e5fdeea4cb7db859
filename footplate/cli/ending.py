"""How a job ended, as a sentence and as an exit code."""

from __future__ import annotations

from footplate.api import TrainingJob
from footplate.api.trainingjob import JobPhase
from footplate.cli.exit_codes import ExitCode


def told(job: TrainingJob) -> str:
    said = job.status.message
    return f"Job {job.metadata.name}: {said}" if said else f"Job {job.metadata.name} ended: {job.status.phase}."


def code(job: TrainingJob) -> ExitCode:
    match job.status.phase:
        case JobPhase.SUCCEEDED:
            return ExitCode.OK
        case JobPhase.CANCELLED:
            return ExitCode.CANCELLED
        case _:
            return ExitCode.FAILED
