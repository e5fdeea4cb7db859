"""Brings the blocks that one rank will read into the cache, ahead of it, while it trains.

It goes through the rank's steps in their order and holds each block from some time before its first step until its last
one has been taken. What it holds stays within the rank's part of the cache, so that no rank can starve another.
"""

from __future__ import annotations

import itertools
import json
import os
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Condition, Event, Thread, main_thread

from footplate.data import errors
from footplate.data.cache import Cache
from footplate.data.errors import DataError
from footplate.data.order import Piece

#: Blocks fetched at once; each is in memory until it is on the disk.
THREADS = 8
#: Seconds. Ranks that keep to their parts of the cache leave room for each other.
STARVED = 60.0

_numbers = itertools.count()


class Failure:
    """Tells the processes that read from the cache that what they wait for will not come: a file beside the blocks."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / f"failed.{os.getpid()}.{next(_numbers)}"
        self._parent = os.getpid()

    def write(self, error: Exception) -> None:
        partial = self._path.with_name(f"{self._path.name}.writing")
        with suppress(OSError):
            partial.write_text(json.dumps([type(error).__name__, str(error)]))
            partial.replace(self._path)

    def check(self) -> None:
        """Raises what was written."""
        try:
            os.kill(self._parent, 0)
        except ProcessLookupError as error:
            raise DataError("The process that fetches the data has ended.") from error
        try:
            kind, message = json.loads(self._path.read_text())
        except FileNotFoundError:
            return
        raise getattr(errors, kind, DataError)(message)

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)


class Fetcher:
    """``steps``: what the rank reads in each. ``share``: bytes that it may hold. ``interrupt`` ends a ``fetch`` that waits."""

    def __init__(
        self,
        cache: Cache,
        share: int,
        steps: Iterable[list[Piece]],
        size: Callable[[int], int],
        fetch: Callable[[int], memoryview],
        interrupt: Event,
    ) -> None:
        self.failure = Failure(cache.directory)
        self._cache = cache
        self._share = share
        self._steps = steps
        self._size = size
        self._fetch = fetch
        self._interrupt = interrupt
        self._changed = Condition()
        self._stopped = False
        self._taken = 0
        self._window = -1
        #: Of each block that is held: the last step found so far that reads it, and its window.
        self._last: dict[int, tuple[int, int]] = {}
        self._held: dict[int, Future[int | None]] = {}
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="footplate-data")
        self._thread = Thread(target=self._run, name="footplate-data", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def took(self, steps: int) -> None:
        """So many steps' batches are in memory."""
        with self._changed:
            self._taken = steps
            self._changed.notify_all()

    def stop(self) -> None:
        """Whoever waits for a block is told."""
        self.failure.write(DataError("Reading has ended."))
        self._interrupt.set()
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()
        self._pool.shutdown(cancel_futures=True)
        for block in list(self._held):
            self._release(block)

    def _run(self) -> None:
        try:
            for step, pieces in enumerate(self._steps):
                self._window = min((piece.window for piece in pieces), default=self._window)
                for piece in pieces:
                    if not self._want(step, piece):
                        return
        except Exception as error:
            self._fail(error)

    def _want(self, step: int, piece: Piece) -> bool:
        """False when it is over."""
        size = self._size(piece.block)
        with self._changed:
            while not self._stopped:
                if piece.block in self._held:
                    self._last[piece.block] = step, piece.window
                    return True
                settling = self._release_used()
                held = sum(self._size(block) for block in self._held)
                if held + size <= self._share:
                    self._last[piece.block] = step, piece.window
                    self._held[piece.block] = self._pool.submit(self._hold, step, piece.block, size)
                    return True
                if step <= self._taken and not settling:
                    raise DataError(
                        f"The cache is too small: the next step needs {held + size} bytes of blocks on this rank, and its "
                        f"part of cache_limit is {self._share}. Give a larger cache_limit or a smaller window."
                    )
                self._changed.wait(0.01 if settling else None)
            return False

    def _release_used(self) -> bool:
        """True where one is of no more use whose fetching is about to end: a block is read from its last byte on."""
        settling = False
        for block, (step, window) in list(self._last.items()):
            if step < self._taken and window < self._window:
                if self._held[block].done():
                    self._release(block)
                else:
                    settling = True
        return settling

    def _release(self, block: int) -> None:
        self._last.pop(block, None)
        future = self._held.pop(block)
        descriptor = None if future.cancelled() or future.exception() else future.result()
        if descriptor is not None:
            self._cache.release(descriptor)

    def _hold(self, step: int, block: int, size: int) -> int | None:
        starved_since = time.monotonic()
        try:
            while not self._stopped and main_thread().is_alive():
                descriptor = self._cache.hold(block, size, lambda: self._fetch(block))
                if descriptor is not None:
                    return descriptor
                # The other processes of this node hold the rest; each lets go as it advances.
                if step > self._taken:
                    starved_since = time.monotonic()
                elif time.monotonic() > starved_since + STARVED:
                    raise DataError(
                        f"The cache in {self._cache.directory} has had no room for a block that the next step needs for "
                        f"{STARVED:.0f} s: more processes use it than LOCAL_WORLD_SIZE or NPROC_PER_NODE says."
                    )
                with self._changed:
                    self._changed.wait(0.05)
        except Exception as error:
            self._fail(error)
        return None

    def _fail(self, error: Exception) -> None:
        if isinstance(error, OSError):
            error = DataError(f"The cache in {self._cache.directory} cannot be written: {error}.")
        self.failure.write(error)
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
