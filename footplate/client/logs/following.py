"""The logs of all pods of a job or a workspace as they come: pods that are not there yet are waited for.

One task watches the object, one its pods; each selected pod whose container has started gets a task that follows it.
Lines go through a bounded queue, so that a slow reader slows the reading and not this process's memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic

from footplate.client.kinds import POD
from footplate.client.logs import container
from footplate.client.logs.container import Line
from footplate.client.observing import RESOURCES, Report, W, observe, read, said
from footplate.client.pods import Pod
from footplate.client.session import Session
from footplate.kube.errors import Gone, Unreachable

_QUEUED = 1000
_PAUSE = 1.0
#: Seconds that the last lines may take after everything has ended.
_LAST = 45.0


@dataclass(frozen=True)
class Subject(Generic[W]):
    kind: type[W]
    name: str
    labels: dict[str, str]
    """Of its pods."""
    over: Callable[[W], bool]
    """Whether no more pods will come."""
    takes: Callable[[Pod], bool]
    rest: Callable[[W, Pod, Line | None], AsyncGenerator[Line]] | None = None
    """What a pod that was deleted while it ran printed after a line."""


class Following(Generic[W]):
    """`report` gets what the object waits for, as long as there are no lines."""

    def __init__(
        self,
        session: Session,
        subject: Subject[W],
        *,
        tail: int | None,
        since: datetime | None = None,
        report: Report,
    ) -> None:
        self._session = session
        self._subject = subject
        self._tail = tail
        self._since = since
        self._report = report
        self._queue: asyncio.Queue[Line | None] = asyncio.Queue(_QUEUED)
        self._pods: dict[str, Pod] = {}
        self._followers: dict[str, asyncio.Task[None]] = {}
        self._over = asyncio.Event()
        self.state: W | None = None
        """As last seen; None: it is gone, or was never there."""

    async def lines(self) -> AsyncGenerator[Line]:
        """Ends when the object has ended and every log of it has been read to its end."""
        namespace = await self._session.namespace()
        tasks = [
            asyncio.create_task(self._run(work))
            for work in (self._watch_object(namespace), self._watch_pods(namespace), self._finish(namespace))
        ]
        try:
            while (line := await self._queue.get()) is not None:
                yield line
            for task in [*tasks, *self._followers.values()]:
                if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                    raise error
        finally:
            for task in [*tasks, *self._followers.values()]:
                task.cancel()
            await asyncio.gather(*tasks, *self._followers.values(), return_exceptions=True)

    async def _run(self, work: Coroutine[Any, Any, None]) -> None:
        """Whatever goes wrong ends `lines`."""
        try:
            with self._session.doing(f"follow {self._subject.name}"):
                await work
        except Exception:
            await self._queue.put(None)
            raise

    async def _watch_object(self, namespace: str) -> None:
        states = observe(self._session, RESOURCES[self._subject.kind], self._subject.name, namespace)
        async with aclosing(states):
            async for raw in states:
                self.state = read(raw, self._subject.kind) if raw else None
                if not self._followers:
                    self._report(said(self.state))
                if self.state is None or self._subject.over(self.state):
                    self._over.set()
                    return

    async def _watch_pods(self, namespace: str) -> None:
        kube, selector = self._session.kube, self._subject.labels
        while True:
            try:
                listing = await kube.list(POD, namespace, labels=selector, type=Pod)
                self._take_all(listing.items)
                version = listing.resource_version
                watch = kube.watch(POD, namespace, labels=selector, resource_version=version, type=Pod)
                async with aclosing(watch) as events:
                    async for event in events:
                        if event.type == "DELETED":
                            self._pods.pop(event.object.metadata.uid, None)
                        elif event.type != "BOOKMARK":
                            self._take(event.object)
            except Gone:
                continue
            except Unreachable:
                await asyncio.sleep(_PAUSE)

    def _take_all(self, pods: list[Pod]) -> None:
        self._pods = {}
        for pod in pods:
            self._take(pod)

    def _take(self, pod: Pod) -> None:
        uid = pod.metadata.uid
        self._pods[uid] = pod
        if pod.state != "waiting" and uid not in self._followers and self._subject.takes(pod):
            self._followers[uid] = asyncio.create_task(self._run(self._follow(pod)))

    async def _follow(self, pod: Pod) -> None:
        def ended() -> bool:
            now = self._pods.get(pod.metadata.uid)
            return now is None or now.state == "ended"

        last: Line | None = None
        source = container.follow(self._session, pod, tail=self._tail, since=self._since, ended=ended)
        async with aclosing(source) as lines:
            async for line in lines:
                last = line
                await self._queue.put(line)
        rest, state = self._subject.rest, self.state
        if rest is not None and state is not None and pod.metadata.uid not in self._pods:
            async with aclosing(rest(state, pod, last)) as lines:
                async for line in lines:
                    await self._queue.put(line)

    async def _finish(self, namespace: str) -> None:
        await self._over.wait()
        # The watch of pods may lag behind that of the object: those that ended in between have logs too.
        listing = await self._session.kube.list(POD, namespace, labels=self._subject.labels, type=Pod)
        self._take_all(listing.items)
        if self._followers:
            await asyncio.wait(self._followers.values(), timeout=_LAST)
        await self._queue.put(None)
