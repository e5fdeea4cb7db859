"""Blocks of a data set on this machine's disk, up to a number of bytes, shared by the processes of a node.

A file holds one block; it is created empty, under the lock of the directory, which reserves its place, and filled in one
go, so that it is there when it has its full size. Whoever needs a block holds a shared lock (flock) on its file, which
ends with its process; a file without one may be deleted to make room, the one not used for longest first.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

_LOCK = ".lock"


class Cache:
    def __init__(self, directory: Path, limit: int) -> None:
        self.directory = directory
        self._limit = limit
        directory.mkdir(parents=True, exist_ok=True)

    def path(self, block: int, size: int) -> Path:
        return self.directory / f"{block:08d}-{size}"

    def hold(self, block: int, size: int, fetch: Callable[[], memoryview]) -> int | None:
        """Brings the block here and keeps it until the descriptor is released; None where there is no room at present."""
        path = self.path(block, size)
        while True:
            with self._locked():
                if not path.exists() and not self._make_room(size):
                    return None
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                whole = os.fstat(descriptor).st_size == size
                locked = _lock(descriptor, fcntl.LOCK_SH if whole else fcntl.LOCK_EX)
            if locked and whole:
                return descriptor
            try:
                if locked:
                    _fill(descriptor, fetch())
                    with self._locked():  # to change a lock is to let go of it, and who evicts is shut out here
                        fcntl.flock(descriptor, fcntl.LOCK_SH)
                    return descriptor
                fcntl.flock(descriptor, fcntl.LOCK_SH)  # until whoever fetches it is done
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)

    def release(self, descriptor: int) -> None:
        os.utime(descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # also for processes forked meanwhile, which share the lock
        os.close(descriptor)

    def _make_room(self, size: int) -> bool:
        entries: list[tuple[float, int, str]] = []
        for entry in os.scandir(self.directory):
            _, _, its_size = entry.name.partition("-")
            if its_size.isdigit():
                entries.append((entry.stat().st_mtime, int(its_size), entry.path))
        used = sum(its_size for _, its_size, _ in entries)
        for _, its_size, path in sorted(entries):
            if used + size <= self._limit:
                break
            if _evict(path):
                used -= its_size
        return used + size <= self._limit

    @contextmanager
    def _locked(self) -> Generator[None, None, None]:
        descriptor = os.open(self.directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def await_block(path: Path, size: int, check: Callable[[], None]) -> int:
    """A descriptor of the block's file once it is whole. ``check`` is called while waiting, and may raise."""
    pause = 0.001
    while True:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            pass
        else:
            if os.fstat(descriptor).st_size == size:
                return descriptor
            os.close(descriptor)
        check()
        time.sleep(pause)
        pause = min(2 * pause, 0.05)


def _lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False


def _fill(descriptor: int, content: memoryview) -> None:
    """What a process that was killed has left is written over; the file has its full size with the last byte."""
    os.ftruncate(descriptor, 0)
    at = 0
    while at < len(content):
        at += os.pwrite(descriptor, content[at:], at)


def _evict(path: str) -> bool:
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        free = _lock(descriptor, fcntl.LOCK_EX)
        if free:
            Path(path).unlink()
        return free
    finally:
        os.close(descriptor)
