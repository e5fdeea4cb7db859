import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from footplate.kube.workqueue import Backoff, Keys, ShutDown, WorkQueue


def test_a_waiting_key_is_held_once() -> None:
    keys: Keys[str] = Keys()
    assert keys.add("a", 1.0)
    assert not keys.add("a", 2.0)
    assert keys.take() == ("a", 1.0)
    assert keys.take() is None


def test_a_key_added_while_it_runs_comes_again_after_it_is_done() -> None:
    keys: Keys[str] = Keys()
    keys.add("a", 0.0)
    keys.take()
    keys.add("a", 1.0)
    assert keys.take() is None
    assert keys.done("a")
    assert keys.take() == ("a", 1.0)


def test_the_earliest_of_several_delays_holds_and_a_run_satisfies_the_rest() -> None:
    keys: Keys[str] = Keys()
    keys.add_at("a", 5.0)
    keys.add_at("a", 3.0)
    keys.add_at("a", 9.0)
    assert keys.next_due() == 3.0
    assert keys.promote(3.0) == 1
    keys.add_at("a", 4.0)
    assert keys.take() == ("a", 3.0)
    assert keys.next_due() is None


@given(st.lists(st.tuples(st.sampled_from("atd"), st.sampled_from("xyz")), max_size=60))
def test_no_key_is_ever_given_out_twice_at_once_nor_lost(steps: list[tuple[str, str]]) -> None:
    keys: Keys[str] = Keys()
    running: set[str] = set()
    owed: set[str] = set()
    for kind, key in steps:
        if kind == "a":
            keys.add(key, 0.0)
            owed.add(key)
        elif kind == "t" and (taken := keys.take()):
            assert taken[0] not in running
            assert taken[0] in owed
            running.add(taken[0])
            owed.discard(taken[0])
        elif kind == "d" and key in running:
            keys.done(key)
            running.discard(key)
    for key in list(running):
        keys.done(key)
    left = {taken[0] for taken in iter(keys.take, None)}
    assert left == owed


def test_back_off_doubles_up_to_its_bound() -> None:
    backoff = Backoff(first=1.0, longest=10.0)
    assert [backoff.delay(n) for n in (1, 2, 3, 4, 5, 500)] == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


async def test_a_failing_key_comes_back_later_each_time_until_it_is_forgotten() -> None:
    queue: WorkQueue[str] = WorkQueue(backoff=Backoff(first=0.01, longest=1.0))
    assert queue.add_rate_limited("a") == 0.01
    assert await asyncio.wait_for(queue.get(), 1.0) == "a"
    queue.done("a")
    assert queue.add_rate_limited("a") == 0.02
    queue.forget("a")
    assert queue.failures("a") == 0


async def test_workers_that_wait_are_woken_one_by_one_and_by_the_shut_down() -> None:
    queue: WorkQueue[str] = WorkQueue()
    first, second = asyncio.create_task(queue.get()), asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.add("a")
    assert await asyncio.wait_for(first, 1.0) == "a"
    assert not second.done()
    queue.shut_down()
    with pytest.raises(ShutDown):
        await asyncio.wait_for(second, 1.0)


async def test_a_cancelled_worker_passes_its_wake_up_on() -> None:
    queue: WorkQueue[str] = WorkQueue()
    first, second = asyncio.create_task(queue.get()), asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    queue.add("a")
    first.cancel()
    assert await asyncio.wait_for(second, 1.0) == "a"
