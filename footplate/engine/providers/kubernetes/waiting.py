"""Waits until an object is ready, or gone, and says meanwhile what is missing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from typing import Any, TypeAlias, cast

from footplate.engine.providers.contract import Say
from footplate.engine.providers.kubernetes import readiness
from footplate.engine.providers.kubernetes.readiness import Failed, Judgement, Object, Ready, Related, Waiting
from footplate.kube import Client, Resource
from footplate.kube.errors import ApiError, Gone, KubeError, UnknownKind, Unreachable
from footplate.kube.resource import POD

FIRST_LOOK, LAST_LOOK = 0.25, 4.0
"""Seconds between looks at what the object's own watch does not show (pods, events, endpoints): more each time."""

Judge: TypeAlias = Callable[[Object, Related], Judgement]


class Unready(Exception):  # noqa: N818 (a state, not an error)
    """`message` as the rest of a sentence; `latest` is the object as last seen."""

    def __init__(self, message: str, latest: Object) -> None:
        super().__init__(message)
        self.message = message
        self.latest = latest


class Watched:
    """One object, kept current by a watch."""

    def __init__(self, client: Client, res: Resource, name: str, namespace: str | None) -> None:
        self._client, self._res, self._name, self._namespace = client, res, name, namespace
        self.latest: Object | None = None
        self.known = False
        """Whether `latest` is what the server said."""
        self.changed = asyncio.Event()

    def _saw(self, latest: Object | None) -> None:
        self.latest, self.known = latest, True
        self.changed.set()

    def seen(self) -> Object | None:
        return self.latest

    async def follow(self) -> None:
        """Until cancelled."""
        while True:
            try:
                async with aclosing(self._events()) as events:
                    async for latest in events:
                        self._saw(latest)
            except (Gone, Unreachable):
                pass
            except UnknownKind:
                self._saw(None)
            await asyncio.sleep(0.5)

    async def _events(self) -> AsyncGenerator[Object | None]:
        only = {"metadata.name": self._name}
        listing = await self._client.list(self._res, self._namespace, fields=only)
        yield listing.items[0] if listing.items else None
        watch = self._client.watch(self._res, self._namespace, fields=only, resource_version=listing.resource_version)
        async with aclosing(watch) as events:
            async for event in events:
                if event.type != "BOOKMARK":
                    yield None if event.type == "DELETED" else event.object


async def until_ready(
    client: Client,
    res: Resource,
    obj: Object,
    judge: Judge,
    *,
    timeout: float,
    stopping: asyncio.Event,
    say: Say,
) -> Object:
    """The object as it became ready. Raises Unready: it failed, time ran out, or the run is being stopped."""
    related = await _related(client, obj, Related())
    verdict = judge(obj, related)
    if isinstance(verdict, Ready):
        return obj
    metadata = cast(Object, obj["metadata"])
    watched = Watched(client, res, metadata["name"], metadata.get("namespace"))
    watched.latest = obj
    following = asyncio.create_task(watched.follow())
    explained, pause = "", FIRST_LOOK
    try:
        async with asyncio.timeout(timeout):
            while True:
                seen = watched.seen()
                if seen is None:
                    raise Unready("was deleted while it was waited for", obj)
                obj = seen
                related = await _related(client, obj, related)
                verdict = judge(obj, related)
                if isinstance(verdict, Ready):
                    return obj
                explained = await _explain(client, obj, verdict)
                if isinstance(verdict, Failed):
                    raise Unready(explained, obj)
                say(explained)
                if stopping.is_set():
                    raise Unready(f"{explained}; stopped waiting", obj)
                pause = await _pulse(watched, following, stopping, pause)
    except TimeoutError:
        raise Unready(f"{explained or 'is not ready'}; gave up after {timeout:g} s", obj) from None
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError, KubeError):
            await following


async def until_gone(
    client: Client,
    res: Resource,
    name: str,
    namespace: str | None,
    *,
    uid: str | None,
    timeout: float,
    stopping: asyncio.Event,
    say: Say,
) -> None:
    """Also when an object of the same name but another uid is there. Raises Unready."""
    watched = Watched(client, res, name, namespace)
    following = asyncio.create_task(watched.follow())
    trouble, pause = "is being deleted", FIRST_LOOK
    latest: Object = {}
    try:
        async with asyncio.timeout(timeout):
            while True:
                seen = watched.seen()
                if watched.known:
                    if seen is None or (uid and _uid(seen) != uid):
                        return
                    latest = seen
                    trouble = f"is being deleted; {readiness.deletion_trouble(latest)}"
                say(trouble)
                if stopping.is_set():
                    raise Unready(f"{trouble}; stopped waiting", latest)
                pause = await _pulse(watched, following, stopping, pause)
    except TimeoutError:
        raise Unready(f"{trouble}; gave up after {timeout:g} s", latest) from None
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError, KubeError):
            await following


def _uid(obj: Object) -> str:
    return str(cast(Object, obj.get("metadata") or {}).get("uid") or "")


async def _pulse(watched: Watched, following: asyncio.Task[None], stopping: asyncio.Event, pause: float) -> float:
    """Until the object changes, the run is being stopped, or `pause` has passed; the pause to make next."""
    watched.changed.clear()
    waits = {asyncio.create_task(watched.changed.wait()), asyncio.create_task(stopping.wait())}
    try:
        await asyncio.wait({*waits, following}, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
    if following.done():
        following.result()  # an error that the watch cannot go on from (credentials, permissions)
    return min(pause * 1.5, LAST_LOOK)


async def _related(client: Client, obj: Object, known: Related) -> Related:
    kind, metadata = obj.get("kind"), cast(Object, obj["metadata"])
    if kind == "PersistentVolumeClaim" and not known.binding_mode:
        name = cast(Object, obj.get("spec") or {}).get("storageClassName")
        if name:
            with suppress(ApiError):
                storage_class = await client.get(await client.resource("storage.k8s.io/v1", "StorageClass"), name)
                return Related(binding_mode=str(storage_class.get("volumeBindingMode") or "Immediate"))
    if kind == "Service" and readiness.needs_endpoints(obj):
        slices = await client.list(
            await client.resource("discovery.k8s.io/v1", "EndpointSlice"),
            metadata["namespace"],
            labels={"kubernetes.io/service-name": metadata["name"]},
        )
        endpoints = [e for s in slices.items for e in cast(list[Object], s.get("endpoints") or [])]
        ready = [e for e in endpoints if cast(Object, e.get("conditions") or {}).get("ready", True)]
        return Related(endpoints=len(ready))
    return known


async def _explain(client: Client, obj: Object, verdict: Waiting | Failed) -> str:
    """The judgement, with what its pods or its events say of the cause."""
    try:
        cause = await _pod_cause(client, obj) or await _last_event(client, obj)
    except ApiError:
        cause = ""  # not allowed to look: the judgement has to do
    return f"{verdict.message} ({cause})" if cause and cause not in verdict.message else verdict.message


async def _pod_cause(client: Client, obj: Object) -> str:
    selector = cast(Object, cast(Object, obj.get("spec") or {}).get("selector") or {})
    labels = cast(dict[str, str], selector.get("matchLabels") or {})
    if obj.get("kind") not in ("Deployment", "StatefulSet", "DaemonSet", "Job") or not labels:
        return ""
    pods = await client.list(POD, cast(Object, obj["metadata"])["namespace"], labels=labels)
    unready = [pod for pod in pods.items if not isinstance(readiness.judge(pod, Related()), Ready)]
    for pod in unready:
        trouble = readiness.pod_trouble(pod)
        if trouble:
            return f"pod {cast(Object, pod['metadata'])['name']} {trouble}"
    if unready:
        event = await _last_event(client, unready[0])
        return f"pod {cast(Object, unready[0]['metadata'])['name']}: {event}" if event else ""
    return ""


async def _last_event(client: Client, obj: Object) -> str:
    """The newest warning, else the newest of all: `Pulling: Pulling image "x"` is an answer too."""
    metadata = cast(Object, obj["metadata"])
    if not metadata.get("namespace"):
        return ""
    events = await client.list(
        await client.resource("v1", "Event"),
        metadata["namespace"],
        fields={"involvedObject.uid": str(metadata.get("uid"))},
    )
    warnings = [event for event in events.items if event.get("type") == "Warning"]
    newest = max(warnings or events.items, key=_event_time, default=None)
    return f"{newest.get('reason')}: {newest.get('message')}" if newest else ""


def _event_time(event: dict[str, Any]) -> str:
    created = cast(Object, event["metadata"]).get("creationTimestamp")
    return str(event.get("lastTimestamp") or event.get("eventTime") or created or "")
