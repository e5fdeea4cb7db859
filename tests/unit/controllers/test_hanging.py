"""When an attempt hangs, and what is said of it."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from footplate.api.reports import HeartbeatReport, RankBeat, RankStack
from footplate.api.trainingjob import Attempt
from footplate.controllers.bounds import Bounds
from footplate.controllers.trainingjob.hanging import Vital, examine, hang
from footplate.controllers.trainingjob.pulse import NodePulse, Pulse
from tests.unit.controllers.build import NOW, job

TIMEOUT = timedelta(minutes=10)
BOUNDS = Bounds()


def rank(number: int, silent: float | None, **more: Any) -> RankBeat:
    values: dict[str, Any] = {"state": "S", "age": 7200.0, "calls": 100, "step": 40, **more}
    if silent is None:
        values |= {"calls": 0, "step": None}
    return RankBeat(rank=number, silent=silent, **values)


def node(number: int, *ranks: RankBeat, age: float = 1.0, **more: Any) -> NodePulse:
    return NodePulse(number, f"n{number}", age, HeartbeatReport("a", 1, ranks, **more))


def vital(*nodes: NodePulse, timeout: timedelta | None = TIMEOUT, expected: int = 2) -> Vital:
    return examine(Pulse(nodes), expected, timeout, BOUNDS).vital


@pytest.mark.parametrize(
    ("found", "nodes"),
    [
        (Vital.HUNG, (node(0, rank(0, 700.0)), node(1, rank(1, 601.0)))),
        (Vital.ALIVE, (node(0, rank(0, 700.0)), node(1, rank(1, 599.0)))),
        (Vital.UNKNOWN, (node(0, rank(0, 700.0)),)),
        (Vital.UNKNOWN, (node(0, rank(0, 700.0)), node(1, rank(1, 700.0), age=400.0))),
        (Vital.UNKNOWN, (node(0, rank(0, 700.0)), node(1))),
        (Vital.UNKNOWN, (node(0, rank(0, 700.0, state="")), node(1, rank(1, 700.0, state="")))),
        (Vital.HUNG, (node(0, rank(0, 5.0, state="")), node(1, rank(1, 700.0)))),
        # Only rank 0 says its steps.
        (Vital.HUNG, (node(0, rank(0, 700.0)), node(1, rank(1, None, quiet=0.0)))),
        (Vital.ALIVE, (node(0, rank(0, 5.0)), node(1, rank(1, None, quiet=9999.0)))),
        # The first steps compile; a checkpoint is being written, or grows.
        (Vital.ALIVE, (node(0, rank(0, 700.0, calls=1)), node(1, rank(1, 700.0, calls=2)))),
        (Vital.HUNG, (node(0, rank(0, 1801.0, calls=1)), node(1, rank(1, 1801.0, calls=2)))),
        (Vital.ALIVE, (node(0, rank(0, 700.0), saving=True), node(1, rank(1, 700.0)))),
        (Vital.HUNG, (node(0, rank(0, 1801.0), saving=True), node(1, rank(1, 1801.0)))),
        (Vital.ALIVE, (node(0, rank(0, 700.0), written=30.0), node(1, rank(1, 700.0)))),
        (Vital.HUNG, (node(0, rank(0, 700.0), written=650.0), node(1, rank(1, 700.0)))),
        # No steps at all: CPU and output, after the start.
        (Vital.HUNG, (node(0, rank(0, None, quiet=700.0)), node(1, rank(1, None, quiet=700.0)))),
        (Vital.ALIVE, (node(0, rank(0, None, quiet=700.0)), node(1, rank(1, None, quiet=3.0)))),
        (Vital.ALIVE, (node(0, rank(0, None, quiet=700.0, age=1700.0)), node(1, rank(1, None, quiet=700.0)))),
    ],
)
def test_an_attempt_hangs_where_nothing_advances_and_all_is_known(found: Vital, nodes: tuple[NodePulse, ...]) -> None:
    assert vital(*nodes) is found
    assert vital(*nodes, timeout=None) is Vital.OFF


def test_reports_that_come_seldom_are_not_late() -> None:
    nodes = (node(0, rank(0, 700.0), age=150.0), node(1, rank(1, 700.0), age=400.0))
    assert examine(Pulse(nodes), 2, TIMEOUT, BOUNDS).vital is Vital.UNKNOWN
    assert examine(Pulse(nodes, every=200.0), 2, TIMEOUT, BOUNDS).vital is Vital.HUNG


def ended(pulse: Pulse, timeout: str = "10m") -> Any:
    return hang(job(nodes=2, hangTimeout=timeout), Attempt(1, nodes=2), pulse, BOUNDS, NOW)


STUCK = (node(0, rank(0, 700.0)), node(1, rank(1, 700.0)))


def test_it_is_ended_when_its_stacks_are_there_or_have_been_waited_for() -> None:
    told = tuple(replace(one, report=HeartbeatReport("a", 2, one.report.ranks, dumped="r1")) for one in STUCK)
    assert ended(Pulse(STUCK)) is None, "nobody has asked yet"
    assert ended(Pulse((told[0], STUCK[1]), 5.0, "r1")) is None
    assert ended(Pulse(told, 5.0, "r0")) is None, "those of another time"
    assert ended(Pulse(told, 5.0, "r1")).reason == "NoProgress"
    assert ended(Pulse((told[0], STUCK[1]), 61.0, "r1")).class_ == "Hang"
    assert ended(Pulse(told, 5.0, "r1"), "0s") is None


def stacked(*texts: str, **more: Any) -> Pulse:
    """One rank a node; `more`: state and step by rank, as `state1="T"`."""
    nodes: list[NodePulse] = []
    for number, text in enumerate(texts):
        own = {key[:-1]: value for key, value in more.items() if key[-1] == str(number)}
        beat = rank(number, 605.4, **own)
        stack = (RankStack(number, text),) if text else ()
        nodes.append(node(number, beat, stacks=stack, dumped="r1"))
    return Pulse(tuple(nodes), 5.0, "r1")


WAITS = "all_reduce (comm.py:9) < step (train.py:7)"


@pytest.mark.parametrize(
    ("pulse", "says"),
    [
        (
            stacked(WAITS, "load (data.py:3) < step (train.py:5)", state1="T"),
            "no rank reported a step for 10m5s (after step 40): rank 1 on n1 is stopped by a signal, in load (data.py:3) < "
            f"step (train.py:5); the others are in {WAITS}",
        ),
        (
            stacked(WAITS, "", state1="D", waits1="nfs_wait"),
            "no rank reported a step for 10m5s (after step 40): rank 1 on n1 waits in the kernel (nfs_wait); "
            f"the others are in {WAITS}",
        ),
        (
            stacked(WAITS, "save (train.py:9)", step1=39),
            "no rank reported a step for 10m5s (after step 40): rank 1 on n1 is at step 39, in save (train.py:9); "
            f"the others are in {WAITS}",
        ),
        (
            stacked(WAITS, WAITS, "read (io.py:1) < load (train.py:2)"),
            "no rank reported a step for 10m5s (after step 40): rank 2 on n2 is in read (io.py:1) < load (train.py:2); "
            f"the others are in {WAITS}",
        ),
        (stacked(WAITS, WAITS), f"no rank reported a step for 10m5s (after step 40): all ranks are in {WAITS}"),
        (stacked("", ""), "no rank reported a step for 10m5s (after step 40)"),
    ],
)
def test_the_evidence_names_who_differs(pulse: Pulse, says: str) -> None:
    found = hang(job(nodes=len(pulse.nodes), hangTimeout="10m"), Attempt(1, nodes=len(pulse.nodes)), pulse, BOUNDS, NOW)
    assert found is not None
    assert found.evidence == says


def test_a_node_is_suspect_where_a_rank_waits_in_the_kernel_and_not_where_the_program_waits() -> None:
    assert ended(stacked(WAITS, "", state1="D")).suspects == ("n1",)
    assert ended(stacked(WAITS, "load (a.py:1)", state1="T")).suspects == ()


@dataclass
class Simulated:
    """Two ranks whose agents report every five seconds; what is true is known here, and not only what is heard."""

    now: float = 7200.0
    last_step: list[float] = field(default_factory=lambda: [7200.0, 7200.0])
    heard: dict[int, tuple[float, float]] = field(default_factory=dict[int, tuple[float, float]])
    """By rank: when it came, and the silence that it told of."""

    def passes(self, seconds: float, stepping: tuple[bool, bool], heard: tuple[bool, bool]) -> None:
        ends = self.now + seconds
        while self.now < ends:
            self.now += 5.0
            for number in (0, 1):
                if stepping[number]:
                    self.last_step[number] = self.now
                if heard[number]:
                    self.heard[number] = (self.now, self.now - self.last_step[number])

    def pulse(self) -> Pulse:
        return Pulse(
            tuple(node(n, rank(n, silent), age=self.now - came) for n, (came, silent) in sorted(self.heard.items())),
            every=5.0,
        )

    def vital(self) -> Vital:
        return examine(self.pulse(), 2, TIMEOUT, BOUNDS).vital


BOTH = st.tuples(st.booleans(), st.booleans())


@settings(max_examples=300)
@given(st.lists(st.tuples(st.integers(5, 1500), BOTH, BOTH), min_size=1, max_size=12))
def test_never_hung_while_a_rank_advances_nor_while_unknown_and_always_after_the_bound(
    history: list[tuple[int, tuple[bool, bool], tuple[bool, bool]]],
) -> None:
    world = Simulated()
    for seconds, stepping, heard in history:
        world.passes(float(seconds), stepping, heard)
        found = world.vital()
        newest = max(world.last_step)
        came = [world.heard[n][0] if n in world.heard else 0.0 for n in (0, 1)]
        if world.now - newest < TIMEOUT.total_seconds() and min(came) == world.now:
            assert found is not Vital.HUNG, "one of its ranks advanced within the bound"
        if world.now - min(came) > TIMEOUT.total_seconds() / 2:
            assert found is Vital.UNKNOWN, "nobody has heard of one of its nodes for long"
        if found is Vital.HUNG:
            assert all(silent >= TIMEOUT.total_seconds() for _, silent in world.heard.values())
    world.passes(TIMEOUT.total_seconds() + 10.0, (False, False), (True, True))
    assert world.vital() is Vital.HUNG, "nothing has advanced for longer than the bound, and all was heard"
    world.passes(5.0, (True, False), (True, True))
    assert world.vital() is Vital.ALIVE
