"""What all parts of one run share: what may be done at once, what was done, what went wrong, when to stop."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

from footplate.engine.errors import ResourceFailed
from footplate.engine.events import Observer, Op, Said, Severity, Step, StepDone, StepStarted, StepWaiting, Totals
from footplate.engine.providers.contract import Say
from footplate.engine.state.model import Operation, Resource
from footplate.engine.state.snapshot import Snapshot
from footplate.errors import ClusterAccess, FootplateError

T = TypeVar("T")


class Stopped(Exception):  # noqa: N818 (a state, not an error)
    """Nothing more is started: something failed, or the person interrupted."""


class Run:
    def __init__(
        self,
        *,
        snapshot: Snapshot,
        commit: Callable[[], Awaitable[None]],
        observe: Observer,
        preview: bool,
        parallel: int,
    ) -> None:
        self.snapshot = snapshot
        self.preview = preview
        self.observe = observe
        self.stopping = asyncio.Event()
        """Set: waits for readiness end early, and nothing more is started."""
        self.failed: list[str] = []
        """URNs, or names, of what failed."""
        self.fatal: FootplateError | None = None
        """What no resource could do better: the cluster is not reachable, the program asks for the unsupported."""
        self.replaced: set[str] = set()
        """URNs of what is replaced in this run."""
        self.state_differs = False
        """What is to be remembered of some resource changed, if nothing else about it did."""
        self._commit = commit
        self._slots = asyncio.Semaphore(parallel)
        self._counts: Counter[Op] = Counter()
        self._started = time.monotonic()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def detached(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs on when its caller goes: a program that ends must not cut short what is being done for it."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # seen: nobody may be left to whom it is raised

    async def settle(self) -> None:
        """Until nothing is under way."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def cancel(self) -> None:
        for task in self._tasks:
            task.cancel()

    def admit(self, *, after_failure: bool = False) -> None:
        """Raises Stopped where nothing more may be started. A preview goes on after a failure, to show all of them;
        so do deletions: one that fails keeps what it needs, not the rest."""
        if self.stopping.is_set() or self.fatal is not None:
            raise Stopped
        if self.failed and not self.preview and not after_failure:
            raise Stopped

    async def commit(self) -> None:
        if not self.preview:
            await self._commit()

    def count(self, step: Step) -> None:
        if not step.leftover:
            self._counts[step.op] += 1

    def same(self, step: Step) -> None:
        self.count(step)
        self.observe(StepDone(step, 0.0))

    def say(self, message: str, urn: str = "", severity: Severity = Severity.INFO) -> None:
        self.observe(Said(severity, message, urn))

    def totals(self) -> Totals:
        return Totals(dict(self._counts), time.monotonic() - self._started)

    @asynccontextmanager
    async def step(self, step: Step, *, after_failure: bool = False) -> AsyncGenerator[Say]:
        """Around the doing of it: one of `parallel` slots, events, and failures noted. Raises Stopped after a failure."""
        async with self._slots:
            self.admit(after_failure=after_failure)
            began = time.monotonic()
            self.observe(StepStarted(step))
            latest = ""

            def say(message: str) -> None:
                nonlocal latest
                if message != latest:
                    latest = message
                    self.observe(StepWaiting(step, message))

            try:
                yield say
            except FootplateError as error:
                self.fail(step.urn, error)
                self.observe(StepDone(step, time.monotonic() - began, explanation(error, step.declared)))
                raise Stopped from error
            self.count(step)
            self.observe(StepDone(step, time.monotonic() - began))

    def fail(self, what: str, error: FootplateError) -> None:
        self.failed.append(what)
        if isinstance(error, ClusterAccess) and self.fatal is None:
            self.fatal = error

    @asynccontextmanager
    async def journaled(self, resource: Resource, operation: Operation) -> AsyncGenerator[None]:
        """The attempt is on disk before it is made. What comes of it is the caller's to put and `commit`."""
        if self.preview:
            yield
            return
        token = self.snapshot.begin(resource, operation)
        await self.commit()
        try:
            yield
        except FootplateError as error:
            if not _uncertain(error):
                self.snapshot.end(token)
                await self.commit()
            raise
        self.snapshot.end(token)


def _uncertain(error: FootplateError) -> bool:
    """No answer came, so that the next run has to look what became of the request."""
    return isinstance(error, ClusterAccess) or (isinstance(error, ResourceFailed) and error.uncertain)


def explanation(error: FootplateError, declared: str = "") -> str:
    where = f" (declared at {declared})" if declared else ""
    return f"{error.message}{where}" + (f"\n{error.remedy}" if error.remedy else "")


def now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")
