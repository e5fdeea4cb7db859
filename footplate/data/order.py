"""In which order the samples of an epoch are read, and which rank reads which: pure functions.

The blocks of the data set are permuted by (seed, epoch). Windows of so many blocks follow each other; within a window
the order goes round its blocks, a sample of each in turn, and each block's samples come in an order permuted by (seed,
epoch, block). A step takes the next samples of this order; its ranks divide it by blocks, so that each block is read
by one rank, or by two where the blocks of a window cannot be divided evenly. A block that has fewer samples than others
drops out of the last rounds.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from itertools import accumulate
from typing import NamedTuple

_GOLDEN = 2654435769  # 2**32 divided by the golden ratio


class Piece(NamedTuple):
    """Samples of one block: those at ``first`` … ``end`` - 1 of its own order."""

    window: int
    block: int
    first: int
    end: int


class _Segment(NamedTuple):
    """Rounds in which the same blocks take part; from position ``start`` of the epoch to ``end``."""

    start: int
    end: int
    blocks: list[tuple[float, int]]
    """With their place in the window, from 0 to 1."""
    round: int


def permutation(count: int, *key: int) -> list[int]:
    """The same on every machine and in every version of Python, which guarantees ``random()`` and not ``shuffle()``."""
    seed = blake2b(repr(key).encode(), digest_size=16).digest()
    number = random.Random(int.from_bytes(seed, "big")).random
    order = list(range(count))
    for last in range(count - 1, 0, -1):
        other = int(number() * (last + 1))
        order[last], order[other] = order[other], order[last]
    return order


def steps(samples: int, consumed: int, size: int, world: int, drop_last: bool) -> Iterator[tuple[int, int]]:
    """Positions (start, end) of the steps that are left of an epoch; each has something for every rank where it can.

    The last one has fewer samples, or up to ``world`` - 1 more where what is left over is not one for each rank.
    """
    count, rest = divmod(samples - consumed, size)
    if rest and not drop_last and (rest >= world or not count):
        count, rest = count + 1, 0
    for number in range(count):
        start = consumed + number * size
        end = min(start + size, samples)
        yield start, samples if rest and not drop_last and number == count - 1 else end


class Order:
    """``counts``: samples of each block, at least 1. ``window``: in blocks."""

    def __init__(self, counts: Sequence[int], seed: int, window: int, shuffle: bool = True) -> None:
        self.counts = counts
        self.seed = seed
        self.window = window
        self.shuffle = shuffle

    def within(self, epoch: int, block: int) -> list[int]:
        """The order of a block's samples."""
        count = self.counts[block]
        return permutation(count, self.seed, epoch, block) if self.shuffle else list(range(count))


class Epoch:
    def __init__(self, order: Order, number: int) -> None:
        blocks = permutation(len(order.counts), order.seed, number) if order.shuffle else range(len(order.counts))
        # Without shuffling the samples come as they lie.
        size = order.window if order.shuffle else 1
        self._counts = order.counts
        self._windows = [tuple(blocks[at : at + size]) for at in range(0, len(blocks), size)]
        sizes = (sum(order.counts[block] for block in window) for window in self._windows)
        self._starts = list(accumulate(sizes, initial=0))
        self.samples = self._starts[-1]
        self._last: tuple[int, list[_Segment]] = (-1, [])

    def share(self, start: int, end: int, rank: int, world: int) -> list[Piece]:
        """What ``rank`` of ``world`` reads of positions ``start`` … ``end`` - 1."""
        total = end - start
        low, high = total * rank // world, total * (rank + 1) // world
        found: list[Piece] = []
        passed = 0
        # A step at the end of a window has pieces of the next one too: each rank gets those at its own place in both.
        for _, piece in sorted(self._pieces(start, end), key=lambda placed: placed[0]):
            count = piece.end - piece.first
            first, last = max(low - passed, 0), min(high - passed, count)
            if first < last:
                found.append(piece._replace(first=piece.first + first, end=piece.first + last))
            passed += count
            if passed >= high:
                break
        return found

    def _pieces(self, start: int, end: int) -> Iterator[tuple[float, Piece]]:
        window = bisect_right(self._starts, start) - 1
        while start < end:
            for segment in self._segments_of(window):
                if segment.end <= start:
                    continue
                low, high = start - segment.start, min(end, segment.end) - segment.start
                width = len(segment.blocks)
                for at, (place, block) in enumerate(segment.blocks):
                    first, last = -((at - low) // width), -((at - high) // width)
                    if first < last:
                        yield place, Piece(window, block, segment.round + first, segment.round + last)
                start = segment.start + high
                if start >= end:
                    return
            window += 1

    def _segments_of(self, window: int) -> list[_Segment]:
        if self._last[0] != window:
            self._last = window, _segments(self._starts[window], self._windows[window], self._counts)
        return self._last[1]


def _segments(start: int, blocks: tuple[int, ...], counts: Sequence[int]) -> list[_Segment]:
    found: list[_Segment] = []
    # Neighbours in a round are far from each other in the window (a Weyl sequence): a short step too has blocks from all
    # of it, so that each rank finds its own.
    scattered = sorted(range(len(blocks)), key=lambda at: at * _GOLDEN % (1 << 32))
    places = [(at / len(blocks), blocks[at]) for at in scattered]
    done = 0
    for level in sorted({counts[block] for block in blocks}):
        alive = [(place, block) for place, block in places if counts[block] >= level]
        end = start + len(alive) * (level - done)
        found.append(_Segment(start, end, alive, done))
        start, done = end, level
    return found
