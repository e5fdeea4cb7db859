"""What was last heard of each workspace's pod. In memory only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from footplate.api.reports import ActivityReport
from footplate.controllers.workspace.activity import Heard
from footplate.controllers.workspace.storage import nearly_full

SHORT_GAP = 60.0
"""Seconds without an agent that are not taken for activity: it was killed and is back."""


@dataclass(frozen=True)
class _Last:
    report: ActivityReport
    at: float
    idle: float
    """Seconds since the last activity, when it came."""


class Reports:
    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock`: monotonic seconds."""
        self._clock = clock
        self._last: dict[str, _Last] = {}
        self._began: float | None = None

    def begin(self) -> None:
        """This replica leads: pods can reach it from now on."""
        self._began = self._clock()

    @property
    def listening(self) -> timedelta:
        return timedelta(seconds=self._clock() - self._began if self._began is not None else 0.0)

    def take(self, uid: str, report: ActivityReport) -> bool:
        """Whether it says something else than the one before. One that comes late or twice is passed over."""
        before = self._last.get(uid)
        if before is not None and before.report.agent == report.agent and before.report.sequence >= report.sequence:
            return False
        self._last[uid] = _Last(report, self._clock(), self._idle(before, report))
        return before is None or _says(before.report) != _says(report)

    def _idle(self, before: _Last | None, report: ActivityReport) -> float:
        if report.idle is not None:
            return report.idle
        if before is not None:
            since = self._clock() - before.at
            if before.report.agent == report.agent or since - report.age <= SHORT_GAP:
                return before.idle + since
        return report.age  # what was before it began, nobody saw

    def heard(self, uid: str) -> Heard | None:
        last = self._last.get(uid)
        if last is None:
            return None
        age = self._clock() - last.at
        report = last.report
        return Heard(
            timedelta(seconds=age),
            timedelta(seconds=last.idle + age),
            report.reasons,
            report.passive,
            report.blind,
            report.home,
        )

    def forget(self, uid: str) -> None:
        self._last.pop(uid, None)


def _says(report: ActivityReport) -> tuple[object, ...]:
    return report.agent, report.reasons, report.blind, nearly_full(report.home)
