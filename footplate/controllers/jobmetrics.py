"""Goodput and losses of all jobs that are there, for Prometheus: counted from their statuses at each scrape."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from footplate.api import TrainingJob
from footplate.controllers.children import team_of


class JobMetrics(Collector):
    """`footplate_job_seconds{team, kind}`: kind is `productive` or what time was lost to; ended attempts only."""

    def __init__(self, jobs: Iterable[TrainingJob]) -> None:
        self._jobs = jobs

    def collect(self) -> Iterable[GaugeMetricFamily]:
        seconds: Counter[tuple[str, str]] = Counter()
        phases: Counter[tuple[str, str]] = Counter()
        lost: Counter[tuple[str, str, str]] = Counter()
        for job in self._jobs:
            team = team_of(job.metadata.namespace)
            phases[team, job.status.phase or "New"] += 1
            goodput = job.status.goodput
            if goodput is not None:
                seconds[team, "productive"] += goodput.productive_seconds
                for kind, spent in goodput.lost_seconds.items():
                    seconds[team, kind] += spent
            for attempt in job.status.attempts:
                if attempt.end is not None and attempt.cause is not None:
                    lost[team, attempt.cause.class_, attempt.cause.reason] += 1
        yield _family("footplate_job_seconds", "Time of jobs' ended attempts.", ("team", "kind"), seconds)
        yield _family("footplate_jobs", "Training jobs.", ("team", "phase"), phases)
        yield _family("footplate_lost_attempts", "Attempts that were lost.", ("team", "class", "reason"), lost)


def _family(name: str, text: str, labels: tuple[str, ...], counts: Counter[tuple[str, ...]]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, count in sorted(counts.items()):
        family.add_metric(values, count)
    return family
