"""Brings objects to files: in chunks and several at once, going on where a connection broke, at their full size or not at all."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from footplate.agent.ending import AgentError, AtFault, disk_full, say
from footplate.agent.store import CHUNK, Changed, Missing, Object, Patience, Store

THREADS = 8
#: Seconds between lines of progress.
WORD_EVERY = 10.0
_PARTIAL = ".footplate-partial"


@dataclass(frozen=True)
class Wanted:
    item: Object
    destination: Path


def chunks(size: int) -> list[tuple[int, int]]:
    """Ranges (start, end) that cover ``size`` bytes."""
    return [(start, min(start + CHUNK, size)) for start in range(0, size, CHUNK)]


def size_text(size: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            break
        size /= 1024
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"


def fetch(store: Store, files: Sequence[Wanted], patience: Patience, what: str) -> None:
    """Raises AgentError. Files that are there at their size are taken as they are."""
    missing = [file for file in files if not _there(file)]
    progress = _Progress(what, sum(file.item.size for file in missing))
    try:
        for directory in {file.destination.parent for file in missing}:
            directory.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(THREADS) as pool:
            run_all(pool, [task for file in missing for task in _Copy(store, file, patience, progress).tasks()])
    except OSError as error:
        if full := disk_full(error, what):
            raise full from error
        raise AtFault(f"{what[:1].upper()}{what[1:]} cannot be written: {error}.") from error


def _there(file: Wanted) -> bool:
    try:
        return file.destination.stat().st_size == file.item.size
    except OSError:
        return False


def run_all(pool: ThreadPoolExecutor, tasks: Sequence[Callable[[], None]]) -> None:
    """The first failure ends the rest."""
    futures: list[Future[None]] = [pool.submit(task) for task in tasks]
    done, waiting = wait(futures, return_when=FIRST_EXCEPTION)
    for future in waiting:
        future.cancel()
    for future in done:
        future.result()


class _Copy:
    """One file, its chunks in any order; the last one to be done puts the file in its place."""

    def __init__(self, store: Store, file: Wanted, patience: Patience, progress: _Progress) -> None:
        self._store = store
        self._item = file.item
        self._destination = file.destination
        self._partial = file.destination.with_name(file.destination.name + _PARTIAL)
        self._patience = patience
        self._progress = progress
        self._ranges = chunks(file.item.size)
        self._lock = Lock()
        self._missing = len(self._ranges)

    def tasks(self) -> list[Callable[[], None]]:
        self._partial.unlink(missing_ok=True)
        if not self._ranges:
            return [self._finish_empty]
        return [lambda start=start, end=end: self._fetch(start, end) for start, end in self._ranges]

    def _fetch(self, start: int, end: int) -> None:
        try:
            content = self._patience.call(lambda: self._store.read_range(self._item, start, end))
        except Missing as error:
            raise AgentError(f"{error} was deleted while it was being copied.") from error
        except Changed as error:
            raise AgentError(f"{error} was changed while it was being copied.") from error
        descriptor = os.open(self._partial, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            position = start
            while content:
                written = os.pwrite(descriptor, content, position)
                content, position = content[written:], position + written
        finally:
            os.close(descriptor)
        self._progress.add(end - start)
        with self._lock:
            self._missing -= 1
            last = self._missing == 0
        if last:
            self._partial.replace(self._destination)

    def _finish_empty(self) -> None:
        self._destination.write_bytes(b"")


class _Progress:
    def __init__(self, what: str, total: int) -> None:
        self._what = what
        self._total = total
        self._done = 0
        self._next = time.monotonic() + WORD_EVERY

    def add(self, size: int) -> None:
        self._done += size  # A lost update of two threads only makes a line of progress a little less exact.
        if self._total and time.monotonic() > self._next:
            self._next = time.monotonic() + WORD_EVERY
            say(f"{self._what}: {size_text(self._done)} of {size_text(self._total)}")
