"""A de-duplicating, rate-limited queue of keys, with client-go's guarantees:

- a key that waits is held once, however often it is added;
- a key is never given to two workers at once: added while it is processed, it comes again when that worker is done;
- a failing key comes back after an exponentially growing delay of its own, until `forget`.

Of several delays for one key the earliest holds, and a run of the key satisfies it: who runs decides anew.
`Keys` holds the rules without time or I/O; `WorkQueue` adds the clock and the waiting.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True)
class Backoff:
    """Seconds. The n-th failure in a row waits `first * 2**(n-1)`, at most `longest`."""

    first: float = 0.05
    longest: float = 300.0

    def delay(self, failures: int) -> float:
        return min(self.first * 2 ** min(failures - 1, 40), self.longest)


class Keys(Generic[K]):
    """Every key is at most once in `ready`, in `running`, and in `later`; all times are the caller's clock."""

    def __init__(self) -> None:
        self._ready: deque[K] = deque()
        self._added: dict[K, float] = {}
        """Keys that wait to run (in `_ready`, or for their running worker), and since when."""
        self._running: set[K] = set()
        self._due: dict[K, float] = {}
        self._heap: list[tuple[float, int, K]] = []
        self._order = itertools.count()

    def add(self, key: K, now: float) -> bool:
        """False where the key waits already."""
        if key in self._added:
            return False
        self._added[key] = now
        if key not in self._running:
            self._ready.append(key)
        return True

    def add_at(self, key: K, due: float) -> None:
        if due < self._due.get(key, float("inf")):
            self._due[key] = due
            heapq.heappush(self._heap, (due, next(self._order), key))

    def promote(self, now: float) -> int:
        """Makes keys whose delay is over ready; the number of those that did not wait already."""
        promoted = 0
        while self._heap and self._heap[0][0] <= now:
            due, _, key = heapq.heappop(self._heap)
            if self._due.get(key) == due:
                del self._due[key]
                promoted += self.add(key, now)
        return promoted

    def next_due(self) -> float | None:
        while self._heap and self._due.get(self._heap[0][2]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def take(self) -> tuple[K, float] | None:
        """The next key and since when it waited; it runs until `done`."""
        if not self._ready:
            return None
        key = self._ready.popleft()
        self._running.add(key)
        self._due.pop(key, None)
        return key, self._added.pop(key)

    def done(self, key: K) -> bool:
        """True where the key was added meanwhile and is ready again."""
        self._running.remove(key)
        if key in self._added:
            self._ready.append(key)
            return True
        return False

    def __len__(self) -> int:
        return len(self._ready)

    @property
    def running(self) -> frozenset[K]:
        return frozenset(self._running)


class QueueObserver(Protocol):
    """What a queue tells its metrics."""

    def added(self) -> None: ...
    def retried(self) -> None: ...
    def depth(self, keys: int) -> None: ...
    def waited(self, seconds: float) -> None: ...
    def worked(self, seconds: float) -> None: ...


class ShutDown(Exception):  # noqa: N818 (a state, not an error)
    """The queue was shut down and holds nothing more to do."""


class WorkQueue(Generic[K]):
    def __init__(
        self,
        *,
        backoff: Backoff | None = None,
        clock: Callable[[], float] = time.monotonic,
        observer: QueueObserver | None = None,
    ) -> None:
        self._keys: Keys[K] = Keys()
        self._backoff = backoff or Backoff()
        self._clock = clock
        self._observer = observer
        self._failures: dict[K, int] = {}
        self._started: dict[K, float] = {}
        self._waiters: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = float("inf")
        self._shut_down = False

    def add(self, key: K) -> None:
        if not self._shut_down and self._keys.add(key, self._clock()):
            self._count_added(1)
            self._wake()

    def add_after(self, key: K, delay: float) -> None:
        """`delay` in seconds."""
        if delay <= 0:
            self.add(key)
        elif not self._shut_down:
            self._keys.add_at(key, self._clock() + delay)
            self._arm()

    def add_rate_limited(self, key: K) -> float:
        """After a failure: comes back after its back-off, the seconds of which are returned."""
        self._failures[key] = self._failures.get(key, 0) + 1
        delay = self._backoff.delay(self._failures[key])
        if self._observer:
            self._observer.retried()
        self.add_after(key, delay)
        return delay

    def forget(self, key: K) -> None:
        """After a success: the next failure is the first again."""
        self._failures.pop(key, None)

    def failures(self, key: K) -> int:
        return self._failures.get(key, 0)

    async def get(self) -> K:
        """The next key; call `done` with it. Raises ShutDown once nothing is left after `shut_down`."""
        while True:
            taken = self._keys.take()
            if taken is not None:
                key, since = taken
                self._started[key] = now = self._clock()
                if self._observer:
                    self._observer.waited(now - since)
                    self._observer.depth(len(self._keys))
                return key
            if self._shut_down:
                raise ShutDown
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                # A wake-up that this waiter no longer uses is another's.
                if waiter in self._waiters:
                    self._waiters.remove(waiter)
                elif len(self._keys):
                    self._wake()
                raise

    def done(self, key: K) -> None:
        started = self._started.pop(key)
        again = self._keys.done(key)
        if self._observer:
            self._observer.worked(self._clock() - started)
            self._observer.depth(len(self._keys))
        if again:
            self._wake()

    def shut_down(self) -> None:
        """No more adds; what is ready is still given out, what is delayed is dropped."""
        self._shut_down = True
        if self._timer is not None:
            self._timer.cancel()
        while self._waiters:
            _release(self._waiters.popleft())

    def ages(self) -> list[float]:
        """Seconds since each key under work was taken."""
        now = self._clock()
        return [now - started for started in self._started.values()]

    def __len__(self) -> int:
        """Keys that are ready; neither running nor delayed ones."""
        return len(self._keys)

    def _count_added(self, keys: int) -> None:
        if self._observer:
            for _ in range(keys):
                self._observer.added()
            self._observer.depth(len(self._keys))

    def _wake(self) -> None:
        while self._waiters:
            if _release(self._waiters.popleft()):
                return

    def _arm(self) -> None:
        due = self._keys.next_due()
        if due is None or (self._timer is not None and self._timer_due <= due):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer_due = due
        self._timer = asyncio.get_running_loop().call_later(max(due - self._clock(), 0.0), self._ring)

    def _ring(self) -> None:
        self._timer, self._timer_due = None, float("inf")
        promoted = self._keys.promote(self._clock())
        self._count_added(promoted)
        for _ in range(promoted):
            self._wake()
        self._arm()


def _release(waiter: asyncio.Future[None]) -> bool:
    if waiter.done():
        return False
    waiter.set_result(None)
    return True
