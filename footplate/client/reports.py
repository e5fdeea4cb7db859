"""What became of the time and of the GPUs of jobs: by team, owner or job. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from footplate.api import TrainingJob
from footplate.api.meta import Wire
from footplate.api.trainingjob import Attempt, JobPhase
from footplate.client.teams import team_of

BY: dict[str, Callable[[TrainingJob], str]] = {
    "team": lambda job: team_of(job.metadata.namespace),
    "owner": lambda job: job.spec.owner or "-",
    "job": lambda job: f"{team_of(job.metadata.namespace)}/{job.metadata.name}",
    "priority": lambda job: job.spec.priority,
}


class GoodputRow(Wire, frozen=True):
    """`open_seconds`: of attempts that still run, of which it is not known yet what is kept."""

    name: str
    jobs: int
    attempts: int
    productive_seconds: int
    lost_seconds: dict[str, int]
    open_seconds: int = 0

    @property
    def share(self) -> float | None:
        """Productive, of what is known."""
        whole = self.productive_seconds + sum(self.lost_seconds.values())
        return self.productive_seconds / whole if whole else None


class UsageRow(Wire, frozen=True):
    name: str
    jobs: int
    gpu_hours: float
    node_hours: float
    running: int = 0


def since(jobs: Iterable[TrainingJob], start: datetime | None) -> list[TrainingJob]:
    """Those that had not ended before `start`."""
    return [job for job in jobs if start is None or job.status.finished_at is None or job.status.finished_at >= start]


def goodput(jobs: Iterable[TrainingJob], by: str, now: datetime) -> list[GoodputRow]:
    rows: list[GoodputRow] = []
    for name, members in groups(jobs, by):
        lost: Counter[str] = Counter()
        for job in members:
            lost.update(job.status.goodput.lost_seconds if job.status.goodput else {})
        rows.append(
            GoodputRow(
                name,
                len(members),
                sum(len(job.status.attempts) for job in members),
                sum(job.status.goodput.productive_seconds if job.status.goodput else 0 for job in members),
                dict(sorted(lost.items())),
                sum(_open(job, now) for job in members),
            )
        )
    return rows


def usage(jobs: Iterable[TrainingJob], by: str, start: datetime | None, now: datetime) -> list[UsageRow]:
    """Of the time since `start`, from each attempt's being made to its end."""
    rows: list[UsageRow] = []
    for name, members in groups(jobs, by):
        gpu_hours, node_hours = 0.0, 0.0
        for job in members:
            gpus = job.spec.resources.gpu.count if job.spec.resources.gpu else 0
            for attempt in job.status.attempts:
                hours = attempt_hours(attempt, start, now) * attempt.nodes
                node_hours, gpu_hours = node_hours + hours, gpu_hours + hours * gpus
        running = sum(job.status.phase is JobPhase.RUNNING for job in members)
        rows.append(UsageRow(name, len(members), round(gpu_hours, 2), round(node_hours, 2), running))
    return sorted(rows, key=lambda row: (-row.gpu_hours, -row.node_hours, row.name))


def attempt_hours(attempt: Attempt, start: datetime | None, now: datetime) -> float:
    """Of each of its nodes, since `start`; 0 where it has not run."""
    if attempt.start is None or (attempt.running is None and attempt.end is None):
        return 0.0
    span = (attempt.end or now) - max(attempt.running or attempt.start, start or attempt.start)
    return max(span, timedelta(0)).total_seconds() / 3600


def groups(jobs: Iterable[TrainingJob], by: str) -> list[tuple[str, list[TrainingJob]]]:
    found: dict[str, list[TrainingJob]] = {}
    for job in jobs:
        found.setdefault(BY[by](job), []).append(job)
    return sorted(found.items())


def _open(job: TrainingJob, now: datetime) -> int:
    last = job.status.attempts[-1] if job.status.attempts else None
    if last is None or last.end is not None or last.start is None:
        return 0
    return int((now - last.start).total_seconds())
