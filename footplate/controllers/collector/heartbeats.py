"""What was last heard of each attempt of a job, pod by pod. In memory only: the next reports say it all again."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from footplate.api import TrainingJob
from footplate.api.reports import Answer, HeartbeatReport
from footplate.controllers.trainingjob.hanging import timeout_of
from footplate.controllers.trainingjob.pulse import SILENT, NodePulse, Pulse

UNHURRIED = 15.0
"""Seconds between the reports of a pod whose job has no hangTimeout."""
SHORTEST, LONGEST = 1.0, 10.0
"""Between those of one that has, which come four times within it."""
MOST = 100.0
"""Reports a second of all pods together, which takes a fiftieth of a core."""
AWAITED = 1.0
"""Between reports while stacks are awaited."""
TOLD_EVERY = 10.0
"""Seconds between two words to the controller about steps that advance; longer with many attempts."""
TOLD_EACH = 0.1


RECENT = 60.0
MEASURED = 5.0
"""Seconds for which the load is not measured again."""


@dataclass(frozen=True)
class Load:
    """What reports now."""

    attempts: int = 0
    pods: int = 0


@dataclass(frozen=True)
class Source:
    """The pod that reports, as the cluster knows it. `attempt`: the UID of its Kubernetes Job."""

    attempt: str
    pod: str
    rank: int
    node: str


@dataclass
class _Last:
    source: Source
    report: HeartbeatReport
    at: float


@dataclass
class _Attempt:
    every: float = UNHURRIED
    pods: dict[str, _Last] = field(default_factory=dict[str, _Last])
    told: float = float("-inf")
    request: str = ""
    asked: float | None = None


class Heartbeats:
    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock`: monotonic seconds."""
        self._clock = clock
        self._attempts: dict[str, _Attempt] = {}
        self._load = Load()
        self._measured = float("-inf")

    @property
    def load(self) -> Load:
        """Pods that have ended are kept until they are deleted: only what has reported lately counts."""
        now = self._clock()
        if now >= self._measured + MEASURED:
            live = [
                sum(now - last.at < max(RECENT, 3 * attempt.every) for last in attempt.pods.values())
                for attempt in self._attempts.values()
            ]
            self._load, self._measured = Load(sum(count > 0 for count in live), sum(live)), now
        return self._load

    def take(self, source: Source, report: HeartbeatReport) -> bool:
        """Whether the controller should look at the job. One that comes late or twice is passed over."""
        attempt = self._attempts.setdefault(source.attempt, _Attempt())
        before = attempt.pods.get(source.pod)
        if before is not None and before.report.agent == report.agent and before.report.sequence >= report.sequence:
            return False
        now = self._clock()
        attempt.pods[source.pod] = _Last(source, report, now)
        if (
            before is not None
            and _advanced(before.report, report)
            and now < attempt.told + max(TOLD_EVERY, TOLD_EACH * self.load.attempts)
        ):
            return False
        attempt.told = now
        return True

    def heard(self, attempt: str) -> Pulse:
        found = self._attempts.get(attempt)
        if found is None:
            return SILENT
        now = self._clock()
        nodes = [
            NodePulse(last.source.rank, last.source.node, now - last.at, last.report) for last in found.pods.values()
        ]
        asked = now - found.asked if found.asked is not None else None
        return Pulse(tuple(sorted(nodes, key=lambda node: node.rank)), asked, found.request, found.every)

    def ask(self, attempt: str) -> None:
        """For stacks, with the answers to the next reports."""
        found = self._attempts.get(attempt)
        if found is not None and not found.request:
            found.request, found.asked = secrets.token_hex(4), self._clock()

    def withdraw(self, attempt: str) -> None:
        """It goes on: the stacks are not awaited any more."""
        found = self._attempts.get(attempt)
        if found is not None:
            found.request, found.asked = "", None

    def answer(self, job: TrainingJob, attempt: str) -> Answer:
        found = self._attempts.get(attempt)
        request = found.request if found is not None else ""
        timeout = timeout_of(job)
        every = min(max(timeout.total_seconds() / 4, SHORTEST), LONGEST) if timeout else UNHURRIED
        every = max(every, self.load.pods / MOST)
        if found is not None:
            found.every = every
        if request:
            every = min(every, AWAITED)
        return Answer(round(every, 1), round(min(max(every / 5, 0.5), 5.0), 1), dump=request)

    def forget(self, attempt: str, pod: str) -> None:
        found = self._attempts.get(attempt)
        if found is None:
            return
        found.pods.pop(pod, None)
        if not found.pods:
            del self._attempts[attempt]


def _advanced(before: HeartbeatReport, now: HeartbeatReport) -> bool:
    """A rank has, and nothing else is new that people would see."""
    steps = {beat.rank: beat.calls for beat in before.ranks}
    states = [[(beat.rank, beat.state in "Tt") for beat in report.ranks] for report in (before, now)]
    return (
        any(beat.calls > steps.get(beat.rank, 0) for beat in now.ranks)
        and states[0] == states[1]
        and before.dumped == now.dumped
    )
