"""Workers that take keys from a queue and reconcile them: what failed comes back later, what succeeded is forgotten."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Hashable
from typing import Protocol, TypeVar

from footplate.kube.errors import Conflict, KubeError
from footplate.kube.workqueue import ShutDown, WorkQueue

K = TypeVar("K", bound=Hashable)

Reconcile = Callable[[K], Awaitable[float | None]]
"""Brings the world to what the key's object says. Returns seconds after which to look again, None for only on change."""

log = logging.getLogger(__name__)


class ReconcileObserver(Protocol):
    def reconciled(self, result: str, seconds: float) -> None:
        """`result`: success, requeue_after or error."""
        ...


async def run_workers(
    queue: WorkQueue[K],
    reconcile: Reconcile[K],
    *,
    workers: int = 4,
    timeout: float = 120.0,
    observer: ReconcileObserver | None = None,
) -> None:
    """Runs until the queue is shut down and empty. One key's reconcile is bounded by `timeout` seconds."""
    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(_work(queue, reconcile, timeout, observer))


async def _work(
    queue: WorkQueue[K], reconcile: Reconcile[K], timeout: float, observer: ReconcileObserver | None
) -> None:
    while True:
        try:
            key = await queue.get()
        except ShutDown:
            return
        started = time.perf_counter()
        try:
            result = await _once(queue, reconcile, key, timeout)
        finally:
            queue.done(key)
        if observer:
            observer.reconciled(result, time.perf_counter() - started)


async def _once(queue: WorkQueue[K], reconcile: Reconcile[K], key: K, timeout: float) -> str:
    try:
        async with asyncio.timeout(timeout):
            again = await reconcile(key)
    except Exception as error:
        delay = queue.add_rate_limited(key)
        _report(key, error, delay, timeout)
        return "error"
    queue.forget(key)
    if again is None:
        return "success"
    queue.add_after(key, again)
    return "requeue_after"


def _report(key: object, error: Exception, delay: float, timeout: float) -> None:
    again = f"again in {delay:.2f} s"
    match error:
        case Conflict():
            log.debug("%s changed meanwhile, %s: %s", key, again, error)
        case TimeoutError():
            log.warning("%s took longer than %.0f s, %s", key, timeout, again)
        case KubeError():
            log.warning("%s failed, %s: %s", key, again, error)
        case _:
            log.exception("%s failed, %s", key, again, exc_info=error)
