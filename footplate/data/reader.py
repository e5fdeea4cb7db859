"""Reads a data set batch by batch; its place in it is a few numbers that go into the checkpoint."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

from footplate.data import layout
from footplate.data.ahead import ahead
from footplate.data.batches import Batches, Collate, Decode, Plan
from footplate.data.blocks import Cached, Local, fetch
from footplate.data.cache import Cache
from footplate.data.errors import DataError
from footplate.data.fetching import Fetcher
from footplate.data.layout import Index
from footplate.data.order import Order
from footplate.data.places import PATIENCE, Place, place

if TYPE_CHECKING:
    from collections.abc import Generator

WINDOW = 64
CACHE_LIMIT = 4 << 30


@dataclass(frozen=True)
class Ranks:
    rank: int
    world: int
    local: int
    """Ranks on this node; they share the cache."""


class Reader:
    """Batches of one rank; iterating goes to the end of the epoch, from wherever the reader is.

    ``batch_size``: samples of a batch of this rank. ``window``: blocks that are read at a time, over all ranks; the
    larger, the better the shuffling, and the more of the cache it takes. ``decode`` is called with each sample,
    ``{"__key__": "…", "jpg": b"…"}``, ``collate`` with the list of a batch. ``drop_last``: leave out the samples at the end
    of an epoch that do not fill a step. ``rank`` and ``world``: by default what the launcher says. ``cache`` and
    ``cache_limit``: the directory for blocks of object stores, and the bytes it may hold, for all ranks of a node.
    ``prefetch``: batches read ahead. ``patience``: seconds without any answer of the store before reading fails.
    Raises DataError, ValueError.
    """

    def __init__(
        self,
        uri: str | os.PathLike[str],
        *,
        batch_size: int,
        seed: int = 0,
        shuffle: bool = True,
        window: int = WINDOW,
        decode: Decode | None = None,
        collate: Collate | None = None,
        drop_last: bool = False,
        rank: int | None = None,
        world: int | None = None,
        cache: str | os.PathLike[str] | None = None,
        cache_limit: int = CACHE_LIMIT,
        prefetch: int = 2,
        patience: float = PATIENCE,
    ) -> None:
        for name, number, least in (
            ("batch_size", batch_size, 1),
            ("window", window, 1),
            ("cache_limit", cache_limit, 1),
            ("prefetch", prefetch, 0),
        ):
            if number < least:
                raise ValueError(f"{name} is {number}, and at least {least} is needed")
        self._interrupt = Event()
        self._place: Place = place(uri, os.environ, patience, self._interrupt)
        self._ranks = ranks(os.environ, rank, world)
        self._batch_size, self._seed, self._shuffle, self._window = batch_size, seed, shuffle, window
        self._decode, self._collate, self._drop_last, self._prefetch = decode, collate, drop_last, prefetch
        self._cache_directory = Path(cache) if cache is not None else cache_directory(os.environ)
        self._cache_limit = cache_limit
        self._epoch = 0
        self._consumed = 0

    @property
    def epoch(self) -> int:
        """From 0; the next one once all batches of one have been taken."""
        return self._epoch

    @property
    def consumed(self) -> int:
        """Samples of this epoch that all ranks together have read."""
        return self._consumed

    @property
    def samples(self) -> int:
        """Of an epoch."""
        return self._index.samples

    def state_dict(self) -> dict[str, Any]:
        """The same on all ranks, where each has taken as many batches."""
        return {"epoch": self._epoch, "consumed": self._consumed, "order": self._fingerprint()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Raises ValueError where the state is of another order: other data, another seed, another window."""
        try:
            epoch, consumed, saved = int(state["epoch"]), int(state["consumed"]), dict(state["order"])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"this is no state of a reader ({type(error).__name__}: {error})") from error
        for name, value in self._fingerprint().items():
            if saved.get(name) != value:
                raise ValueError(
                    f"the state was saved with {name} {saved.get(name)!r}, and this reader has {value!r}: the order of "
                    "samples would be another one"
                )
        if not (epoch >= 0 and 0 <= consumed <= self.samples):
            raise ValueError(f"the state is of epoch {epoch}, sample {consumed} of {self.samples}: there is none such")
        self._epoch, self._consumed = epoch, consumed

    def __iter__(self) -> Iterator[Any]:
        with self._reading() as (batches, fetcher):
            if fetcher is not None:
                fetcher.start()
            with ahead(batches.read, self._prefetch, fetcher.stop if fetcher else None) as found:
                yield from self._counted(batches.plan, found, fetcher)

    def loader(self, num_workers: int = 0, **options: Any) -> Loader:
        """Iterates like the reader, through a ``torch.utils.data.DataLoader`` with these options and worker processes.

        The state stays that of the batches taken here, however far the workers are ahead.
        """
        for name in (
            "batch_size",
            "shuffle",
            "sampler",
            "batch_sampler",
            "drop_last",
            "collate_fn",
            "persistent_workers",
        ):
            if options.get(name):
                raise ValueError(f"{name} is not for the loader of a reader: the reader makes the batches")
        return Loader(self, {"num_workers": num_workers, **options})

    def iterate(self, options: dict[str, Any]) -> Iterator[Any]:
        """For ``Loader``."""
        from footplate.data.loading import started

        with self._reading() as (batches, fetcher):
            # Its processes first, as they may be forked, then our threads.
            found = started(batches, options)
            if fetcher is not None:
                fetcher.start()
            try:
                yield from self._counted(batches.plan, found, fetcher)
            finally:
                if fetcher is not None:
                    fetcher.stop()
                del found

    @cached_property
    def _index(self) -> Index:
        content = self._place.read(layout.INDEX)
        if content is None:
            raise DataError(
                f"{self._place.uri} has no {layout.INDEX}: `footplate dataset index {self._place.uri}` makes it, "
                "and footplate.data.write writes it."
            )
        return layout.decode(content, f"{self._place.uri}/{layout.INDEX}")

    @cached_property
    def _order(self) -> Order:
        return Order([block.samples for block in self._index.blocks], self._seed, self._window, self._shuffle)

    def _fingerprint(self) -> dict[str, Any]:
        return {"data": self._index.digest, "seed": self._seed, "window": self._window, "shuffle": self._shuffle}

    @contextmanager
    def _reading(self) -> Generator[tuple[Batches, Fetcher | None], None, None]:
        index, where = self._index, self._ranks
        plan = Plan(
            self._order, self._epoch, self._consumed, self._batch_size, where.rank, where.world, self._drop_last
        )
        root = self._place.path("")
        if root is not None:
            yield Batches(plan, Local(index, root), self._decode, self._collate), None
            return
        cache = Cache(self._cache_directory / index.digest, self._cache_limit)
        self._interrupt.clear()
        fetcher = Fetcher(
            cache,
            self._cache_limit // where.local,
            plan.pieces(),
            lambda number: index.blocks[number].size,
            lambda number: fetch(self._place, index.blocks[number]),
            self._interrupt,
        )
        disk = Cached(index, cache.path, self._place.uri, fetcher.failure.check)
        try:
            yield Batches(plan, disk, self._decode, self._collate), fetcher
        finally:
            fetcher.stop()
            fetcher.failure.remove()

    def _counted(self, plan: Plan, found: Iterator[Any], fetcher: Fetcher | None) -> Iterator[Any]:
        """A batch counts as read when it is handed out: the state is right while it is trained on, and after it."""
        for number, ((_, end), batch) in enumerate(zip(plan.steps(), found), start=1):  # noqa: B905 (Python 3.9)
            self._consumed = end
            if fetcher is not None:
                fetcher.took(number)
            yield batch
        self._epoch, self._consumed = plan.epoch + 1, 0


class Loader:
    def __init__(self, reader: Reader, options: dict[str, Any]) -> None:
        self._reader = reader
        self._options = options

    def __iter__(self) -> Iterator[Any]:
        return self._reader.iterate(self._options)


def ranks(environment: Mapping[str, str], rank: int | None, world: int | None) -> Ranks:
    """Given, or from the launcher's variables, or one. Raises ValueError."""
    if (rank is None) != (world is None):
        raise ValueError("rank and world are given together or not at all")
    if rank is None or world is None:
        names = ("RANK", "WORLD_SIZE") if environment.get("RANK") else ("NODE_RANK", "NNODES")
        rank, world = int(environment.get(names[0]) or 0), int(environment.get(names[1]) or 1)
    if not 0 <= rank < world:
        raise ValueError(f"rank is {rank}, and there are {world} ranks")
    local = int(environment.get("LOCAL_WORLD_SIZE") or environment.get("NPROC_PER_NODE") or 1)
    return Ranks(rank, world, max(1, min(local, world)))


def cache_directory(environment: Mapping[str, str]) -> Path:
    named = environment.get("FOOTPLATE_CACHE_DIR")
    return Path(named) if named else Path(tempfile.gettempdir()) / f"footplate-data-{os.getuid()}"
