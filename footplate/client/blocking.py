"""The asynchronous client for code that is not: one event loop in a thread of this process, shared by all.

It works where an event loop runs already, as in a notebook.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, Coroutine, Iterator
from concurrent.futures import CancelledError
from typing import Any, TypeVar

T = TypeVar("T")

_lock = threading.Lock()
_running: tuple[int, asyncio.AbstractEventLoop] | None = None


def loop() -> asyncio.AbstractEventLoop:
    """A process that was forked from this one gets its own: threads are not inherited."""
    global _running
    with _lock:
        if _running is None or _running[0] != os.getpid():
            fresh = asyncio.new_event_loop()
            threading.Thread(target=fresh.run_forever, name="footplate", daemon=True).start()
            _running = (os.getpid(), fresh)
        return _running[1]


def run(work: Coroutine[Any, Any, T]) -> T:
    """An interrupt (Ctrl-C, a notebook's stop button) ends `work`, too."""
    future = asyncio.run_coroutine_threadsafe(work, loop())
    try:
        return future.result()
    except BaseException as error:
        if not future.done():
            future.cancel()
        if isinstance(error, CancelledError):
            raise KeyboardInterrupt from error
        raise


def iterate(source: AsyncGenerator[T]) -> Iterator[T]:
    """Ends `source` when the iteration is given up."""
    try:
        while True:
            try:
                item = run(_next(source))
            except StopAsyncIteration:
                return
            yield item
    finally:
        run(source.aclose())


async def _next(source: AsyncGenerator[T]) -> T:
    return await anext(source)


def finish(work: Coroutine[Any, Any, None], patience: float = 2.0) -> None:
    """At the end of something's life: never fails; waits a little, but not in the loop's own thread."""
    current = loop()
    future = asyncio.run_coroutine_threadsafe(work, current)
    try:
        running = asyncio.get_running_loop()
    except RuntimeError:
        running = None
    if running is not current:
        try:
            future.result(patience)
        except Exception:
            future.cancel()
