"""Which ranks are slow, since when, and which nodes are blamed for it."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from footplate.api import TrainingJobStatus
from footplate.api.reports import HeartbeatReport, RankBeat
from footplate.api.stragglers import outliers, stragglers
from footplate.api.trainingjob import Attempt, Cause, CauseClass, JobPhase, Progress, Straggler
from footplate.controllers.bounds import Bounds
from footplate.controllers.nodehealth import suspicion
from footplate.controllers.trainingjob.pulse import NodePulse, Pulse
from footplate.controllers.trainingjob.straggling import blamed, seen, slow_ranks
from tests.unit.controllers.build import NOW, job


def beat(rank: int, seconds: float, own: float | None = None) -> RankBeat:
    return RankBeat(rank=rank, state="S", step=9, calls=9, step_seconds=seconds, own_seconds=own)


@pytest.mark.parametrize(
    ("seconds", "slow"),
    [
        ((1.0, 1.01, 0.99, 2.0), {3}),
        ((1.0, 1.01, 0.99, 1.2), set()),
        ((1.0, 1.0, 1.0, 1.0), set()),
        ((1.0, 3.0), set()),
        ((1.0, 1.3, 0.7, 1.5), set()),
        ((0.1,) * 6 + (0.2, 0.3), {6, 7}),
        ((), set()),
    ],
)
def test_a_rank_is_slow_by_the_scatter_of_the_others_and_by_a_good_part(
    seconds: tuple[float, ...], slow: set[int]
) -> None:
    assert set(outliers(dict(enumerate(seconds)))) == slow


@given(st.lists(st.floats(0.001, 100), min_size=3, max_size=40), st.integers(0, 39))
def test_fewer_than_half_are_slow_and_each_of_them_slower_than_the_median(times: list[float], at: int) -> None:
    found = outliers(dict(enumerate(times)))
    assert 2 * len(found) <= len(times)
    assert all(slow.times >= 1.25 for slow in found.values())
    times[at % len(times)] *= 1.0
    assert outliers(dict(enumerate(times))) == found


def test_own_work_is_what_counts_where_all_ranks_say_it() -> None:
    together = [(f"n{n // 2}", beat(n, 1.0, 0.9 if n == 5 else 0.4)) for n in range(8)]
    assert set(stragglers(together).ranks) == {5}
    assert stragglers([(node, beat(b.rank, 1.0)) for node, b in together]).ranks == {}
    by_node = [(f"n{n // 2}", beat(n, 1.0, 0.9 if n // 2 == 2 else 0.4)) for n in range(8)]
    assert set(stragglers(by_node).nodes) == {"n2"}
    assert stragglers(by_node).ranks.keys() == {4, 5}


def pulse(*seconds: float) -> Pulse:
    return Pulse(
        tuple(NodePulse(n, f"n{n}", 0.0, HeartbeatReport("a", 1, (beat(n, one),))) for n, one in enumerate(seconds))
    )


def test_a_straggler_keeps_its_time_and_its_node_is_blamed_after_long() -> None:
    first = slow_ranks((), pulse(1.0, 1.0, 2.04, 1.0), NOW)
    assert first == (Straggler(2, "n2", 2.0, NOW),)
    later = NOW + timedelta(minutes=10)
    again = slow_ranks(first, pulse(1.0, 3.0, 2.5, 1.0, 1.0), later)
    assert again == (Straggler(1, "n1", 3.0, later), Straggler(2, "n2", 2.5, NOW))
    assert blamed(Attempt(1), first, Bounds(), NOW).slow_nodes == ()
    assert blamed(Attempt(1), again, Bounds(), later).slow_nodes == ("n2",)
    assert slow_ranks(again, pulse(1.0, 1.0, 1.0), later) == ()


def test_it_is_looked_at_only_when_progress_is_written() -> None:
    status = TrainingJobStatus(stragglers=(Straggler(2, "n2", 2.0, NOW),), progress=Progress(step=9))
    found = job(status={})
    running = type(found)(found.metadata, found.spec, status)
    fast = pulse(1.0, 1.0, 1.0, 1.0)
    assert seen(running, fast, JobPhase.RUNNING, Progress(step=9), NOW) == status.stragglers
    assert seen(running, fast, JobPhase.RUNNING, Progress(step=10), NOW) == ()
    assert seen(running, fast, JobPhase.RECOVERING, Progress(step=9), NOW) == ()


def test_blamed_nodes_are_handed_to_suspicion_when_the_attempt_ends() -> None:
    lost = Cause(class_=CauseClass.APP, evidence="x", reason="ProgramFailed")
    attempt: Any = Attempt(1, end=NOW, cause=lost, slow_nodes=("n2",))
    found = job()
    over = type(found)(found.metadata, found.spec, TrainingJobStatus(attempts=(attempt,)))
    assert suspicion.suspects_of(over) == ("n2",)
    assert [incident.reason for incident in suspicion.of_job(over, "n2")] == ["Slow"]
    going = type(found)(found.metadata, found.spec, TrainingJobStatus(attempts=(Attempt(1, slow_nodes=("n2",)),)))
    assert suspicion.suspects_of(going) == ()
