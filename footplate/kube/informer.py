"""Keeps a local copy of a collection in step with the server and tells handlers what changed.

It asks for the present objects and all changes in one stream (WatchList, KEP-3157), or, where the server refuses
that, lists in pages and then watches. A stream that ends is resumed at the last resource version; one whose version
is too old (410) is begun anew. Failures and streams that end at once wait, with jitter, so that a server that is
away or restarts is not met by a busy loop. There is no periodic resync: the copy is right, or the server is away.

All of it runs in one task. Handlers are called in it, in order, and must not block: they add keys to a queue.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from footplate.kube.client import Client, Selector
from footplate.kube.decoding import Object
from footplate.kube.errors import ApiError, BadRequest, Gone, Invalid, KubeError, Unreachable
from footplate.kube.resource import Resource
from footplate.kube.store import Indexer, Key, Store, key_of

T = TypeVar("T")

Handler = Callable[[Key, T | None, T | None], None]
"""(key, old, new): old None means added, new None means deleted."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reconnect:
    """Seconds before the n-th attempt in a row: half fixed, half random, doubling."""

    first: float = 0.2
    longest: float = 10.0
    steady: float = 5.0
    """A stream that lived this long was a good one."""

    def delay(self, attempt: int, chance: float) -> float:
        full = min(self.first * 2 ** min(attempt, 30), self.longest)
        return full / 2 + full / 2 * chance


class Informer(Generic[T]):
    def __init__(
        self,
        client: Client,
        resource: Resource,
        *,
        type: type[T] = Object,
        namespace: str | None = None,
        labels: Selector = None,
        fields: Selector = None,
        indexers: Mapping[str, Indexer[T]] | None = None,
        watch_list: bool = True,
        reconnect: Reconnect | None = None,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`type`: a Struct with `metadata.name`, `.namespace` and `.uid`; only the fields it declares are kept."""
        self.resource = resource
        self.store: Store[T] = Store(indexers)
        self.synced = asyncio.Event()
        self.error: KubeError | None = None
        """Why the copy may be stale just now; None while a stream is open."""
        self._client = client
        self.type: Any = type
        self._scope: dict[str, Any] = {"namespace": namespace, "labels": labels, "fields": fields}
        self._watch_list = watch_list
        self._reconnect = reconnect or Reconnect()
        self._clock = clock
        self._chance = chance
        self._handlers: list[Handler[T]] = []
        self._version: str | None = None

    def add_handler(self, handler: Handler[T]) -> None:
        """Called for every change, and first for what is already there."""
        self._handlers.append(handler)
        for key in self.store.all_keys():
            _call(handler, key, None, self.store.get(key))

    def learn(self, obj: T) -> None:
        """Takes in the server's answer to a write of our own, so that the writer sees it before the watch brings it.

        No handler is told: the writer knows. Passed over where the watch is past it already (it may be gone by now),
        or where versions cannot be compared.
        """
        version = _number(_version(obj))
        if version is None or self._version is None or version <= (_number(self._version) or version):
            return
        key = key_of(obj)
        present = self.store.get(key)
        if present is None or (_number(_version(present)) or 0) < version:
            self.store.put(key, obj)

    async def run(self) -> None:
        """Until cancelled."""
        attempt = 0
        while True:
            started = self._clock()
            wait = 0.0
            try:
                progressed = await self._stream()
                self.error = None
            except KubeError as error:
                progressed = False
                wait = self._failed(error)
            if progressed or self._clock() - started >= self._reconnect.steady:
                attempt = 0
            if not progressed:
                await asyncio.sleep(max(wait, self._reconnect.delay(attempt, self._chance())))
                attempt += 1

    def _failed(self, error: KubeError) -> float:
        """Decides whether the next stream resumes; the seconds that the server asked to wait."""
        if isinstance(error, Gone):
            log.info("%s: the watch fell behind, starting anew: %s", self.resource.plural, error)
            self._version = None
            return 0.0
        self.error = error
        log.warning("%s: watch failed: %s", self.resource.plural, error)
        if isinstance(error, Unreachable):
            return 0.0
        if isinstance(error, ApiError):
            if _ahead(error) or not (error.status == 429 or error.status >= 500):
                self._version = None
            return error.retry_after or 0.0
        return 0.0

    async def _stream(self) -> bool:
        """One stream until its end; whether it brought anything."""
        if self._version is not None:
            return await self._follow(self._version)
        if self._watch_list:
            try:
                return await self._sync_by_watch()
            except (Invalid, BadRequest) as error:
                log.info("%s: no streaming lists here, listing in pages: %s", self.resource.plural, error)
                self._watch_list = False
        listing = await self._client.list(self.resource, type=self.type, **self._scope)
        self._replace({key_of(item): item for item in listing.items})
        self._version = listing.resource_version
        self.error = None
        return await self._follow(listing.resource_version) or True

    async def _sync_by_watch(self) -> bool:
        present: dict[Key, T] | None = {}
        events = self._client.watch(self.resource, type=self.type, initial_events=True, **self._scope)
        async with aclosing(events):
            async for event in events:
                if present is None:
                    self._take(event.type, event.object, event.resource_version)
                elif event.type == "BOOKMARK":
                    if event.initial_events_end:
                        self._replace(present)
                        present = None
                        self._version = event.resource_version
                        self.error = None
                elif event.type == "DELETED":
                    present.pop(key_of(event.object), None)
                else:
                    present[key_of(event.object)] = event.object
        return present is None

    async def _follow(self, version: str) -> bool:
        progressed = False
        events = self._client.watch(self.resource, type=self.type, resource_version=version, **self._scope)
        async with aclosing(events):
            async for event in events:
                self.error = None
                progressed = True
                self._take(event.type, event.object, event.resource_version)
        return progressed

    def _take(self, kind: str, obj: T, version: str) -> None:
        self._version = version
        if kind == "BOOKMARK":
            return
        key = key_of(obj)
        if kind == "DELETED":
            old = self.store.remove(key)
            self._tell(key, old if old is not None else obj, None)
            return
        present = self.store.get(key)
        if present is not None and (_number(_version(present)) or 0) > (_number(version) or 0):
            return  # learned from a later answer
        old = self.store.put(key, obj)
        if old != obj:
            self._tell(key, old, obj)

    def _replace(self, present: dict[Key, T]) -> None:
        """The whole collection as it now is: tells only the differences."""
        for key in self.store.all_keys():
            if key not in present:
                self._tell(key, self.store.remove(key), None)
        for key, obj in present.items():
            old = self.store.put(key, obj)
            if old != obj:
                self._tell(key, old, obj)
        self.synced.set()

    def _tell(self, key: Key, old: T | None, new: T | None) -> None:
        for handler in self._handlers:
            _call(handler, key, old, new)


def _call(handler: Handler[T], key: Key, old: T | None, new: T | None) -> None:
    try:
        handler(key, old, new)
    except Exception:
        log.exception("a handler failed on %s", key)


def _version(obj: Any) -> str:
    if isinstance(obj, dict):
        return cast(dict[str, str], obj["metadata"]).get("resourceVersion", "")
    return obj.metadata.resource_version


def _number(version: str) -> int | None:
    """Versions of one collection may be compared as numbers (KEP-5504)."""
    return int(version) if version.isdecimal() else None


def _ahead(error: ApiError) -> bool:
    """The server knows no version as new as ours: its storage was restored, so start anew."""
    causes: list[dict[str, str]] = error.details.get("causes") or []
    return any(cause.get("reason") == "ResourceVersionTooLarge" for cause in causes)
