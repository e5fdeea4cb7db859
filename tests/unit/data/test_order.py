"""The order of an epoch is one, whatever the ranks; restarts with other numbers of them read each sample once."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from footplate.data.order import Epoch, Order, permutation, steps

Sample = tuple[int, int]

counts = st.lists(st.integers(1, 9), min_size=1, max_size=30)
orders = st.builds(Order, counts, st.integers(0, 2**63), st.integers(1, 12), st.booleans())


def samples(epoch: Epoch, start: int, end: int, rank: int = 0, world: int = 1) -> list[Sample]:
    pieces = epoch.share(start, end, rank, world)
    return [(piece.block, number) for piece in pieces for number in range(piece.first, piece.end)]


@settings(deadline=None)
@given(orders, st.integers(0, 3))
def test_an_epoch_has_each_sample_once(order: Order, number: int) -> None:
    epoch = Epoch(order, number)
    everything = [(block, at) for block, count in enumerate(order.counts) for at in range(count)]
    assert sorted(samples(epoch, 0, epoch.samples)) == everything
    one_by_one = [sample for at in range(epoch.samples) for sample in samples(epoch, at, at + 1)]
    assert sorted(one_by_one) == everything


@settings(deadline=None)
@given(orders, st.data())
def test_the_ranks_of_a_step_divide_what_one_rank_would_read(order: Order, data: st.DataObject) -> None:
    epoch = Epoch(order, 0)
    start = data.draw(st.integers(0, epoch.samples))
    end = data.draw(st.integers(start, epoch.samples))
    world = data.draw(st.integers(1, 8))
    shares = [samples(epoch, start, end, rank, world) for rank in range(world)]
    assert [sample for share in shares for sample in share] == samples(epoch, start, end)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@settings(deadline=None)
@given(orders, st.data())
def test_interruptions_and_other_numbers_of_ranks_lose_nothing_and_repeat_nothing(
    order: Order, data: st.DataObject
) -> None:
    epoch = Epoch(order, 1)
    one_by_one = [sample for at in range(epoch.samples) for sample in samples(epoch, at, at + 1)]
    read: list[Sample] = []
    consumed = 0
    while consumed < epoch.samples:
        world, batch = data.draw(st.integers(1, 6)), data.draw(st.integers(1, 5))
        taken = data.draw(st.integers(1, 6))
        for _, (start, end) in zip(
            range(taken), steps(epoch.samples, consumed, world * batch, world, False), strict=False
        ):
            assert start == consumed
            for rank in range(world):
                read += samples(epoch, start, end, rank, world)
            # The same prefix of the one global order, whoever reads it.
            assert set(read) == set(one_by_one[:end])
            consumed = end
    assert len(read) == len(set(read)) == epoch.samples


@settings(deadline=None)
@given(st.integers(1, 500), st.integers(1, 7), st.integers(1, 7), st.data())
def test_all_ranks_have_as_many_batches(total: int, world: int, batch: int, data: st.DataObject) -> None:
    consumed = data.draw(st.integers(0, total))
    found = list(steps(total, consumed, world * batch, world, False))
    assert [start for start, _ in found] == [consumed, *(end for _, end in found[:-1])][: len(found)]
    assert not found or found[-1][1] == total
    if total - consumed >= world:
        assert all(end - start >= world for start, end in found)
    whole = list(steps(total, consumed, world * batch, world, True))
    assert all(end - start == world * batch for start, end in whole)
    assert len(whole) == (total - consumed) // (world * batch)


@pytest.mark.parametrize("world", [1, 2, 4, 8, 16])
def test_a_block_is_read_by_one_rank_where_blocks_divide_evenly(world: int) -> None:
    order = Order([80] * 64, 3, 16)
    epoch = Epoch(order, 0)
    readers: dict[int, set[int]] = {}
    for start, end in steps(epoch.samples, 0, 16 * world, world, False):
        for rank in range(world):
            for block, _ in samples(epoch, start, end, rank, world):
                readers.setdefault(block, set()).add(rank)
    assert {len(ranks) for ranks in readers.values()} == {1}


def test_with_other_numbers_few_blocks_are_read_twice() -> None:
    order = Order([80 + number % 3 for number in range(256)], 3, 64)
    epoch = Epoch(order, 0)
    readers: set[tuple[int, int]] = set()
    for start, end in steps(epoch.samples, 0, 32 * 6, 6, False):
        readers |= {(block, rank) for rank in range(6) for block, _ in samples(epoch, start, end, rank, 6)}
    assert len(readers) <= 1.25 * 256


def test_a_window_is_read_before_the_next() -> None:
    order = Order([5, 3, 8, 2, 7, 4], 0, 2)
    epoch = Epoch(order, 0)
    windows = [piece.window for at in range(epoch.samples) for piece in epoch.share(at, at + 1, 0, 1)]
    assert windows == sorted(windows)
    assert set(windows) == {0, 1, 2}


def test_seed_and_epoch_make_the_order_and_nothing_else_does() -> None:
    def read(seed: int, epoch: int) -> list[Sample]:
        return samples(Epoch(Order([7] * 9, seed, 3), epoch), 0, 63)

    assert read(1, 0) == read(1, 0)
    assert len({tuple(read(seed, epoch)) for seed in range(3) for epoch in range(3)}) == 9


def test_permutations_are_those_of_every_version() -> None:
    """Golden: a checkpoint's place means the same after an upgrade of Python or of this package."""
    assert permutation(10, 1, 2, 3) == [7, 1, 3, 8, 2, 5, 9, 6, 0, 4]


def test_without_shuffling_the_samples_come_as_they_lie() -> None:
    order = Order([3, 1, 4], 5, 64, shuffle=False)
    read = [
        (block, order.within(0, block)[number])
        for at in range(8)
        for block, number in samples(Epoch(order, 0), at, at + 1)
    ]
    assert all(a < b for a, b in pairwise(read))
