"""How a job ended, as a sentence and as an exit code."""

from __future__ import annotations

from footplate.api import TrainingJob
from footplate.api.trainingjob import JobPhase
from footplate.cli.exit_codes import ExitCode


def told(job: TrainingJob) -> str:
    """`Job train succeeded.`"""
    name, said = job.metadata.name, job.status.message
    if not said:
        return f"Job {name} ended: {job.status.phase}."
    return f"Job {name} {said.removeprefix('It ')}" if said.startswith("It ") else f"Job {name}: {said}"


def code(job: TrainingJob) -> ExitCode:
    match job.status.phase:
        case JobPhase.SUCCEEDED:
            return ExitCode.OK
        case JobPhase.CANCELLED:
            return ExitCode.CANCELLED
        case _:
            return ExitCode.FAILED
