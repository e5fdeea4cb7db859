"""The state file of a stack: read once, then written whole, atomically and durably, after every change.

A write is a new file beside the old one, fsynced and renamed over it; the version before the run stays as `.bak`.
Changes that come while a write is under way share the next one.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from footplate.engine.state.codec import Codec
from footplate.engine.state.model import Deployment


class StateFile:
    def __init__(self, path: Path, codec: Codec) -> None:
        self.path = path
        self.codec = codec

    def load(self) -> Deployment | None:
        """None where the stack has no state yet."""
        try:
            content = self.path.read_bytes()
        except FileNotFoundError:
            return None
        return self.codec.decode(content, self.path)

    def back_up(self) -> None:
        if self.path.exists():
            backup = self.path.with_name(self.path.name + ".bak")
            write_durably(backup, self.path.read_bytes())

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)


def write_durably(path: Path, content: bytes) -> None:
    temporary = path.with_name(path.name + ".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    directory = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


class Writer:
    """Serializes writes; `commit` returns when the content, as it is then or later, is on disk."""

    def __init__(self, path: Path, content: Callable[[], bytes]) -> None:
        self._path = path
        self._content = content
        self._waiting: list[asyncio.Future[None]] = []
        self._task: asyncio.Task[None] | None = None
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)

    async def commit(self) -> None:
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write())
        # A cancelled operation must not cancel the write that others wait for.
        await asyncio.shield(future)

    async def _write(self) -> None:
        while self._waiting:
            waiting, self._waiting = self._waiting, []
            try:
                # Encoded here, where nothing changes meanwhile; only the disk is waited for in a thread.
                content = self._content()
                await asyncio.to_thread(write_durably, self._path, content)
            except BaseException as error:
                for future in waiting:
                    if not future.done():
                        future.set_exception(error)
                if not isinstance(error, Exception):
                    raise
            else:
                for future in waiting:
                    if not future.done():
                        future.set_result(None)
