"""Which lines of which pods are asked for."""

from __future__ import annotations

import re
from dataclasses import dataclass

from footplate.api import TrainingJob
from footplate.client.logs.container import Line
from footplate.client.pods import Pod
from footplate.errors import BadUsage


@dataclass(frozen=True)
class Selection:
    """None: any. `rank` is one process of `node`, told by the prefix that the launcher gives its lines."""

    node: int | None = None
    rank: int | None = None
    attempt: int | None = None
    since_attempt: int = 0
    """Earlier attempts are not looked at."""

    def takes_pod(self, pod: Pod) -> bool:
        if self.attempt is not None and pod.attempt != self.attempt:
            return False
        return pod.attempt >= self.since_attempt and self.node in (None, pod.node_rank)

    def takes_line(self, line: Line) -> bool:
        return self.rank is None or re.match(rb"\[ *%d\] " % self.rank, line.text) is not None


def select(job: TrainingJob, node: int | None, rank: int | None, attempt: int | None) -> Selection:
    """Raises BadUsage where the job has no such node, rank or attempt."""
    nodes, processes = job.spec.nodes, job.spec.processes
    _within("--node", node, nodes, f"job {job.metadata.name} has {nodes}", 0)
    _within("--rank", rank, nodes * processes, f"job {job.metadata.name} has {nodes} × {processes} processes", 0)
    attempts = len(job.status.attempts)
    if job.status.phase is not None and job.status.phase.ended:
        _within("--attempt", attempt, attempts, f"job {job.metadata.name} had {attempts}", 1)
    if rank is None:
        return Selection(node=node, attempt=attempt)
    if node is not None and rank // processes != node:
        raise BadUsage(f"Rank {rank} runs on node {rank // processes}, not {node}.", "leave --node out")
    return Selection(rank // processes, rank if processes > 1 else None, attempt)


def _within(flag: str, value: int | None, count: int, said: str, first: int) -> None:
    if value is not None and not first <= value < first + count:
        allowed = f"{first} to {first + count - 1}" if count else "none yet"
        raise BadUsage(f"There is no {flag} {value}: {said}.", f"there are: {allowed}")
