"""Runs an iterator in a thread, so many items ahead of whoever takes them."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import TypeVar

T = TypeVar("T")
_Item = tuple[bool, "T | BaseException | None"]


@contextmanager
def ahead(
    read: Callable[[], Iterator[T]], depth: int, stop: Callable[[], None] | None
) -> Generator[Iterator[T], None, None]:
    """``stop`` ends what ``read`` may be waiting for. ``depth`` 0: no thread."""
    if depth == 0:
        yield read()
        return
    queue: Queue[_Item[T]] = Queue(depth)
    stopped = Event()

    def put(item: _Item[T]) -> bool:
        while not stopped.is_set():
            try:
                queue.put(item, timeout=0.1)
                return True
            except Full:
                continue
        return False

    def run() -> None:
        items = read()
        try:
            for item in items:
                if not put((True, item)):
                    break
            else:
                put((False, None))
        except BaseException as error:
            put((False, error))
        finally:
            close = getattr(items, "close", None)
            if close:
                close()

    def taken() -> Iterator[T]:
        while True:
            more, item = queue.get()
            if more:
                yield item  # type: ignore[misc]
            elif isinstance(item, BaseException):
                raise item
            else:
                return

    thread = Thread(target=run, name="footplate-data-ahead", daemon=True)
    thread.start()
    try:
        yield taken()
    finally:
        stopped.set()
        if stop is not None:
            stop()
        with suppress(Empty):  # room for what waits to be put
            while True:
                queue.get_nowait()
        thread.join()
