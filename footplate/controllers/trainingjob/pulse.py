"""What the agents of an attempt's pods last said of its ranks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from footplate.api.reports import HeartbeatReport, RankBeat


@dataclass(frozen=True)
class NodePulse:
    """Of one pod. `age`: seconds since its report came."""

    rank: int
    """Of the node."""
    node: str
    """Its name."""
    age: float
    report: HeartbeatReport


@dataclass(frozen=True)
class Pulse:
    nodes: tuple[NodePulse, ...] = ()
    asked: float | None = None
    """Seconds since the agents were asked for stacks."""
    request: str = ""
    """What they were asked by."""
    every: float = 0.0
    """Seconds between the reports of a pod."""

    def beats(self) -> Iterator[tuple[str, RankBeat]]:
        """Each with the name of its node."""
        for node in self.nodes:
            for beat in node.report.ranks:
                yield node.node, beat

    @property
    def dumped(self) -> bool:
        """All have answered with stacks."""
        return bool(self.request) and all(node.report.dumped == self.request for node in self.nodes)

    def stacks(self) -> dict[int, str]:
        """By rank."""
        told = [node.report for node in self.nodes if self.request and node.report.dumped == self.request]
        return {stack.rank: stack.text for report in told for stack in report.stacks}


SILENT = Pulse()
