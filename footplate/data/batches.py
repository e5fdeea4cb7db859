"""The batches of one rank in one epoch, read from this machine's disk. It goes to the worker processes of a loader."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from footplate.data.blocks import Disk, Opened, Sample
from footplate.data.order import Epoch, Order, Piece, steps

Decode = Callable[[Sample], Any]
Collate = Callable[[list[Any]], Any]


@dataclass(frozen=True)
class Plan:
    """Which positions of the epoch are left, in steps of ``batch_size`` samples a rank."""

    order: Order
    epoch: int
    consumed: int
    batch_size: int
    rank: int
    world: int
    drop_last: bool

    def steps(self) -> Iterator[tuple[int, int]]:
        samples = sum(self.order.counts)
        return steps(samples, self.consumed, self.batch_size * self.world, self.world, self.drop_last)

    def pieces(self) -> Iterator[list[Piece]]:
        """Of this rank, step by step."""
        epoch = Epoch(self.order, self.epoch)
        for start, end in self.steps():
            yield epoch.share(start, end, self.rank, self.world)


@dataclass(frozen=True)
class Batches:
    plan: Plan
    disk: Disk
    decode: Decode | None
    collate: Collate | None

    def read(self, worker: int = 0, workers: int = 1) -> Iterator[Any]:
        """Each ``workers``-th batch, from the ``worker``-th on."""
        opened: dict[int, tuple[int, Opened, list[int]]] = {}
        try:
            for number, pieces in enumerate(self.plan.pieces()):
                if number % workers != worker or not pieces:
                    continue
                now = min(piece.window for piece in pieces)
                for block in [block for block, (window, _, _) in opened.items() if window < now]:
                    opened.pop(block)[1].close()
                samples = [sample for piece in pieces for sample in self._samples(piece, opened)]
                yield self.collate(samples) if self.collate else samples
        finally:
            for _, block, _ in opened.values():
                block.close()

    def _samples(self, piece: Piece, opened: dict[int, tuple[int, Opened, list[int]]]) -> Iterator[Any]:
        if piece.block not in opened:
            order = self.plan.order.within(self.plan.epoch, piece.block)
            opened[piece.block] = piece.window, self.disk.open(piece.block), order
        _, block, order = opened[piece.block]
        for number in order[piece.first : piece.end]:
            sample = block.sample(number)
            yield self.decode(sample) if self.decode else sample
