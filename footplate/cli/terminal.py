"""This process's terminal, or its pipes, as those of a command that runs in a pod."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import termios
import threading
import tty
from collections.abc import Generator
from contextlib import contextmanager

from footplate.kube.errors import KubeError
from footplate.kube.streams import Exec, Output

_CHUNK = 32 * 1024


def interactive() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


async def attach(process: Exec, *, terminal: bool, stdin: bool) -> int:
    """Until the command ends; its exit code. Bytes pass unchanged."""
    with _raw() if terminal else _as_is():
        if terminal:
            await _follow_size(process)
        if stdin:
            _Stdin(process, asyncio.get_running_loop()).start()
        try:
            async for channel, chunk in process.output():
                descriptor = sys.stderr.fileno() if channel is Output.STDERR else sys.stdout.fileno()
                # In a thread: a slow reader (`| less`) must not keep the connection from being looked after.
                await asyncio.to_thread(_write, descriptor, chunk)
        finally:
            if terminal:
                asyncio.get_running_loop().remove_signal_handler(signal.SIGWINCH)
    return process.exit_code


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


async def _follow_size(process: Exec) -> None:
    pending: set[asyncio.Task[None]] = set()

    def resize() -> None:
        size = shutil.get_terminal_size()
        task = asyncio.ensure_future(process.resize(size.columns, size.lines))
        pending.add(task)
        task.add_done_callback(pending.discard)

    asyncio.get_running_loop().add_signal_handler(signal.SIGWINCH, resize)
    size = shutil.get_terminal_size()
    await process.resize(size.columns, size.lines)


@contextmanager
def _raw() -> Generator[None]:
    """Keys go to the command, Ctrl-C too."""
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setraw(descriptor)
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


@contextmanager
def _as_is() -> Generator[None]:
    yield


class _Stdin(threading.Thread):
    """Reads in a thread of its own: a file cannot be polled. A daemon: a read that never returns keeps nothing alive."""

    def __init__(self, process: Exec, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(name="stdin", daemon=True)
        self._process = process
        self._loop = loop

    def run(self) -> None:
        try:
            while data := os.read(sys.stdin.fileno(), _CHUNK):
                asyncio.run_coroutine_threadsafe(self._process.write(data), self._loop).result()
            asyncio.run_coroutine_threadsafe(self._process.close_stdin(), self._loop).result()
        except (OSError, KubeError, RuntimeError):
            pass  # The command has ended: it reads no more.
