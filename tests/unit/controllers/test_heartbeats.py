"""What is kept of heartbeats, how often they come, and what of them is written to the status."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec

from footplate.api import TrainingJob
from footplate.api.reports import HeartbeatReport, RankBeat
from footplate.api.trainingjob import Progress
from footplate.controllers.collector.heartbeats import Heartbeats, Source
from footplate.controllers.trainingjob.observed import Observed
from footplate.controllers.trainingjob.progress import progress
from footplate.controllers.trainingjob.pulse import NodePulse, Pulse
from tests.unit.controllers.build import NOW, job
from tests.unit.controllers.test_job_decisions import after, rank, seen


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def source(node: int = 0, attempt: str = "a1") -> Source:
    return Source(attempt, f"{attempt}-pod-{node}", node, f"n{node}")


def report(sequence: int, calls: int = 1, agent: str = "x", **more: Any) -> HeartbeatReport:
    return HeartbeatReport(agent, sequence, (RankBeat(0, "S", calls=calls, step=calls, silent=0.0),), **more)


def test_one_that_comes_late_or_twice_is_passed_over() -> None:
    heartbeats = Heartbeats(Clock())
    heartbeats.take(source(), report(7, calls=70))
    assert not heartbeats.take(source(), report(7, calls=1))
    assert not heartbeats.take(source(), report(3, calls=1))
    assert heartbeats.heard("a1").nodes[0].report.ranks[0].calls == 70
    heartbeats.take(source(), report(1, calls=1, agent="another"))
    assert heartbeats.heard("a1").nodes[0].report.ranks[0].calls == 1


def test_the_controller_is_told_of_steps_now_and_then_and_of_silence_always() -> None:
    clock = Clock()
    heartbeats = Heartbeats(clock)
    told = []
    for second in range(20):
        clock.now = float(second)
        told.append(heartbeats.take(source(), report(second, calls=second)))
    assert [second for second, one in enumerate(told) if one] == [0, 10]
    assert heartbeats.take(source(), report(20, calls=19)), "no step since"
    assert heartbeats.take(source(), report(21, calls=20, dumped="r1"))


def test_reports_come_four_times_within_the_timeout_and_the_more_pods_the_more_seldom() -> None:
    clock = Clock()
    heartbeats = Heartbeats(clock)
    assert heartbeats.answer(job(), "a1").every == 15.0
    assert heartbeats.answer(job(hangTimeout="10m"), "a1").every == 10.0
    assert heartbeats.answer(job(hangTimeout="8s"), "a1").every == 2.0
    assert heartbeats.answer(job(hangTimeout="0s"), "a1").every == 15.0
    for number in range(8000):
        heartbeats.take(source(number % 8, f"a{number // 8}"), report(1))
    clock.now = 5.0
    assert heartbeats.answer(job(hangTimeout="10m"), "a1").every == 80.0
    assert heartbeats.heard("a1").every == 80.0
    for number in range(7000):
        heartbeats.forget(f"a{number // 8}", source(number % 8, f"a{number // 8}").pod)
    clock.now = 10.0
    assert (heartbeats.load.attempts, heartbeats.load.pods) == (125, 1000)
    assert heartbeats.answer(job(hangTimeout="10m"), "a900").every == 10.0
    clock.now = 100.0
    heartbeats.take(source(0, "a950"), report(2))
    assert (heartbeats.load.attempts, heartbeats.load.pods) == (1, 1), "the others' pods have ended"


def test_stacks_are_asked_for_once_and_fast() -> None:
    clock = Clock()
    heartbeats = Heartbeats(clock)
    heartbeats.ask("a1")
    assert heartbeats.answer(job(), "a1").dump == "", "nothing has been heard of it"
    heartbeats.take(source(), report(1))
    heartbeats.ask("a1")
    first = heartbeats.answer(job(), "a1")
    clock.now = 5.0
    heartbeats.ask("a1")
    assert heartbeats.answer(job(), "a1") == first
    assert (first.every, heartbeats.heard("a1").asked, heartbeats.heard("a1").request) == (1.0, 5.0, first.dump)
    heartbeats.withdraw("a1")
    assert heartbeats.answer(job(), "a1").dump == ""
    heartbeats.ask("a1")
    assert heartbeats.answer(job(), "a1").dump not in ("", first.dump)


def observed(step: int, checkpoint: int | None = None, reporting: int = 1) -> Observed:
    told = HeartbeatReport(
        "x", 1, (RankBeat(0, "S", step=step, calls=step),), 1000, checkpoint_step=checkpoint, checkpoint_age=20.0
    )
    return replace(seen(rank(0)), pulse=Pulse((NodePulse(0, "n0", 1.0, told),)), reporting=reporting)


def test_progress_is_written_at_once_and_then_every_half_minute() -> None:
    running = after(job(), observed(5))
    assert running.status.progress == Progress(5, 1000, None, NOW)

    def at(seconds: int, found: Observed, before: TrainingJob = running) -> Progress | None:
        return progress(before, found, NOW + timedelta(seconds=seconds))

    assert at(29, observed(50, 40)) == running.status.progress
    assert at(30, observed(50, 40)) == Progress(50, 1000, 40, NOW + timedelta(seconds=30))
    assert at(3000, observed(5)) == running.status.progress, "nothing is new"
    assert at(99, observed(50, reporting=1000)) == running.status.progress, "a thousand jobs write less often"
    assert at(100, observed(50, reporting=1000)) != running.status.progress
    last = progress(running, observed(50), NOW + timedelta(seconds=3), goes_on=False)
    assert last == Progress(50, 1000, None, NOW + timedelta(seconds=3))
    silent = replace(observed(50), pulse=Pulse())
    assert at(3000, silent) == running.status.progress


def test_a_checkpoint_that_an_agent_tells_of_is_the_attempts() -> None:
    running = after(job(), observed(5, 4))
    attempt = running.status.attempts[0]
    assert (attempt.checkpoint_step, attempt.checkpoint_at) == (4, NOW - timedelta(seconds=21))


def test_a_report_of_a_large_node_fits() -> None:
    from footplate.api.reports import EXCERPT, LARGEST, RankStack

    beats = tuple(
        RankBeat(n, "S", "futex_wait_queue", 1e6, 1e6, 99.99, 10**12, 1e5, 10**9, 10**9, 1e5, 0.123456, 0.123456)
        for n in range(256)
    )
    stacks = tuple(RankStack(n, "x" * EXCERPT) for n in range(256))
    body = msgspec.json.encode(HeartbeatReport("a" * 32, 10**9, beats, 10**9, True, 1e5, 10**9, 1e5, stacks, "r" * 64))
    assert len(body) < LARGEST
