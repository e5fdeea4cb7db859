"""The cache of blocks: never over its limit, shared by processes, with no half-written block in it."""

import multiprocessing
import os
from pathlib import Path

import pytest

from footplate.data.cache import Cache, await_block
from tests.unit.data.sets import used


def content(block: int) -> memoryview:
    return memoryview(bytes([block]) * 100)


def held(cache: Cache, block: int) -> int:
    descriptor = cache.hold(block, 100, lambda: content(block))
    assert descriptor is not None
    return descriptor


def test_a_block_is_fetched_once(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 1000)
    first = held(cache, 1)
    again = cache.hold(1, 100, lambda: pytest.fail("fetched again"))
    assert again is not None
    cache.release(first)
    cache.release(again)
    assert cache.path(1, 100).read_bytes() == content(1)


def test_the_block_not_used_for_longest_makes_room(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 250)
    for block in (1, 2):
        cache.release(held(cache, block))
        os.utime(cache.path(block, 100), (block, block))
    cache.release(held(cache, 1))  # used again
    held(cache, 3)
    assert [cache.path(block, 100).exists() for block in (1, 2, 3)] == [True, False, True]
    assert used(tmp_path) <= 250


def test_what_is_held_stays_and_there_is_no_room_beside_it(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 250)
    first, _ = held(cache, 1), held(cache, 2)
    assert cache.hold(3, 100, lambda: pytest.fail("no room for it")) is None
    cache.release(first)
    assert cache.hold(3, 100, lambda: content(3)) is not None
    assert not cache.path(1, 100).exists()


def test_a_lock_ends_with_its_reader_even_where_that_has_forked(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 150)
    descriptor = held(cache, 1)
    ready, done = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=done.recv)
    child.start()
    cache.release(descriptor)
    assert cache.hold(2, 100, lambda: content(2)) is not None
    ready.send(None)
    child.join()


def _killed_while_fetching(directory: Path) -> None:
    def fetch() -> memoryview:
        path = next(path for path in directory.iterdir() if path.name.endswith("-100"))
        path.write_bytes(b"half")
        os._exit(9)

    Cache(directory, 1000).hold(1, 100, fetch)


def test_what_a_killed_process_left_is_fetched_anew(tmp_path: Path) -> None:
    child = multiprocessing.get_context("fork").Process(target=_killed_while_fetching, args=(tmp_path,))
    child.start()
    child.join()
    cache = Cache(tmp_path, 1000)
    assert cache.path(1, 100).read_bytes() == b"half"
    cache.release(held(cache, 1))
    assert cache.path(1, 100).read_bytes() == content(1)


def test_a_failed_fetch_leaves_the_block_to_the_next(tmp_path: Path) -> None:
    cache = Cache(tmp_path, 1000)

    def fail() -> memoryview:
        raise ArithmeticError

    with pytest.raises(ArithmeticError):
        cache.hold(1, 100, fail)
    assert held(cache, 1)


def _holds_and_lets_go(directory: Path, number: int) -> None:
    cache = Cache(directory, 450)
    for turn in range(40):
        block = (turn * (number + 1)) % 9
        descriptor = cache.hold(block, 100, lambda block=block: content(block))
        if descriptor is None:
            continue
        if os.pread(descriptor, 100, 0) != content(block) or used(directory) > 450:
            os._exit(1)
        cache.release(descriptor)


def test_processes_share_it(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=_holds_and_lets_go, args=(tmp_path, number)) for number in range(4)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0, 0, 0, 0]


def test_a_reader_waits_for_the_whole_block(tmp_path: Path) -> None:
    path = tmp_path / "1-100"
    calls = 0

    def check() -> None:
        nonlocal calls
        calls += 1
        path.write_bytes(bytes(50 * calls))

    descriptor = await_block(path, 100, check)
    assert (os.fstat(descriptor).st_size, calls) == (100, 2)
