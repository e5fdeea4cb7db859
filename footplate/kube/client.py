"""Requests on objects: what to send and how to read the answer. The wire is `transport`'s, streams are `streams`'.

`type` says how an object is decoded: `dict` keeps everything; a msgspec Struct keeps only its declared fields.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, overload

import msgspec

from footplate.kube.connection import Connection
from footplate.kube.decoding import Event, Listing, Object, decode, decode_list, watch_events
from footplate.kube.errors import Gone, Unreachable
from footplate.kube.lines import lines
from footplate.kube.resource import POD, Discovery, Resource, selector
from footplate.kube.streams import EXEC_PROTOCOLS, FORWARD_PROTOCOLS, Completed, Exec, Output, PodConnection
from footplate.kube.transport import Observer, Query, RetryPolicy, Timeouts, Transport

T = TypeVar("T")
Selector = Mapping[str, str] | str | None

APPLY = "application/apply-patch+yaml"
PATCHES = {
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
    "strategic": "application/strategic-merge-patch+json",
}
PAGE = 500
WATCH_SILENCE = 150.0
"""Seconds. The server sends a bookmark about every minute; longer silence is a connection that died unnoticed."""


class Client:
    def __init__(
        self,
        connection: Connection,
        *,
        user_agent: str = "footplate",
        retry: RetryPolicy | None = None,
        timeouts: Timeouts | None = None,
        connections: int = 64,
        observe: Observer | None = None,
    ) -> None:
        self.connection = connection
        self.transport = Transport(
            connection, user_agent, retry=retry, timeouts=timeouts, connections=connections, observe=observe
        )
        self._discovery = Discovery(lambda path: self.transport.request("GET", path), connection.server)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self.transport.close()

    async def version(self) -> Object:
        return decode(await self.transport.request("GET", "/version"), Object)

    async def resource(self, api_version: str, kind: str) -> Resource:
        """Raises UnknownKind where the server serves no such kind (now)."""
        return await self._discovery.resource(api_version, kind)

    async def resources(self, api_version: str) -> list[Resource]:
        """All kinds of an API version; empty where the server does not serve it."""
        return await self._discovery.resources(api_version)

    async def request(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        body: object = None,
        content_type: str = "application/json",
    ) -> Any:
        """Any path of the API; the body is sent as JSON and the answer decoded from it."""
        data = None if body is None else msgspec.json.encode(body)
        answer = await self.transport.request(method, path, query, data, content_type)
        return decode(answer, Object) if answer else None

    @overload
    async def get(self, res: Resource, name: str, namespace: str | None = None) -> Object: ...
    @overload
    async def get(self, res: Resource, name: str, namespace: str | None = None, *, type: type[T]) -> T: ...
    async def get(self, res: Resource, name: str, namespace: str | None = None, *, type: type[Any] = Object) -> Any:
        return decode(await self.transport.request("GET", res.path(namespace, name)), type)

    @overload
    async def list(
        self, res: Resource, namespace: str | None = None, *, labels: Selector = None, fields: Selector = None
    ) -> Listing[Object]: ...
    @overload
    async def list(
        self,
        res: Resource,
        namespace: str | None = None,
        *,
        labels: Selector = None,
        fields: Selector = None,
        type: type[T],
    ) -> Listing[T]: ...
    async def list(
        self,
        res: Resource,
        namespace: str | None = None,
        *,
        labels: Selector = None,
        fields: Selector = None,
        type: type[Any] = Object,
    ) -> Listing[Any]:
        """The whole collection, fetched in pages. A page token that expires on the way starts over, once."""
        query = {"labelSelector": selector(labels), "fieldSelector": selector(fields)}
        try:
            return await self._pages(res, namespace, {**query, "limit": PAGE}, type)
        except Gone:
            return await self._pages(res, namespace, query, type)

    async def _pages(self, res: Resource, namespace: str | None, query: Query, type: type[Any]) -> Listing[Any]:
        items: list[Any] = []
        token: str | None = None
        while True:
            body = await self.transport.request("GET", res.path(namespace), {**query, "continue": token})
            page = decode_list(body, type, res)
            items += page.items
            token = page.token
            if not token:
                return Listing(items, page.resource_version)

    @overload
    async def create(
        self, res: Resource, obj: Any, namespace: str | None = None, *, dry_run: bool = False, strict: bool = False
    ) -> Object: ...
    @overload
    async def create(
        self, res: Resource, obj: Any, namespace: str | None = None, *, dry_run: bool = False, type: type[T]
    ) -> T: ...
    async def create(
        self,
        res: Resource,
        obj: Any,
        namespace: str | None = None,
        *,
        dry_run: bool = False,
        strict: bool = False,
        type: type[Any] = Object,
    ) -> Any:
        """`strict`: fields that the kind does not have are refused (BadRequest names them) instead of dropped."""
        body = _builtins(obj, res)
        namespace = namespace or _metadata(body).get("namespace")
        query = {"dryRun": _all(dry_run), "fieldValidation": "Strict" if strict else None}
        path = res.path(_placed(res, namespace))
        return decode(await self.transport.request("POST", path, query, msgspec.json.encode(body)), type)

    @overload
    async def replace(
        self, res: Resource, obj: Any, namespace: str | None = None, *, subresource: str | None = None
    ) -> Object: ...
    @overload
    async def replace(
        self,
        res: Resource,
        obj: Any,
        namespace: str | None = None,
        *,
        subresource: str | None = None,
        type: type[T],
    ) -> T: ...
    async def replace(
        self,
        res: Resource,
        obj: Any,
        namespace: str | None = None,
        *,
        subresource: str | None = None,
        type: type[Any] = Object,
    ) -> Any:
        """PUT. With `metadata.resourceVersion` set it fails with Conflict if the object changed since."""
        body = _builtins(obj, res)
        metadata = _metadata(body)
        path = res.path(namespace or metadata.get("namespace"), metadata.get("name", ""), subresource)
        versioned = bool(metadata.get("resourceVersion"))
        answer = await self.transport.request("PUT", path, body=msgspec.json.encode(body), idempotent=not versioned)
        return decode(answer, type)

    async def apply(
        self,
        res: Resource,
        obj: Any,
        *,
        namespace: str | None = None,
        manager: str = "footplate",
        force: bool = True,
        dry_run: bool = False,
        subresource: str | None = None,
    ) -> Object:
        """Server-side apply: creates or changes the fields `obj` names. Without `force`, another manager's field is a Conflict."""
        body = _builtins(obj, res)
        metadata = _metadata(body)
        body["metadata"] = {key: value for key, value in metadata.items() if key != "managedFields"}
        path = res.path(namespace or metadata.get("namespace"), metadata.get("name", ""), subresource)
        query = {"fieldManager": manager, "force": force, "dryRun": _all(dry_run)}
        data = msgspec.json.encode(body)
        return decode(await self.transport.request("PATCH", path, query, data, APPLY, idempotent=True), Object)

    async def patch(
        self,
        res: Resource,
        name: str,
        patch: object,
        namespace: str | None = None,
        *,
        kind: Literal["merge", "json", "strategic"] = "merge",
        subresource: str | None = None,
        dry_run: bool = False,
        manager: str | None = None,
    ) -> Object:
        query = {"dryRun": _all(dry_run), "fieldManager": manager}
        answer = await self.transport.request(
            "PATCH",
            res.path(namespace, name, subresource),
            query,
            msgspec.json.encode(patch),
            PATCHES[kind],
            idempotent=kind == "merge",
        )
        return decode(answer, Object)

    async def delete(
        self,
        res: Resource,
        name: str,
        namespace: str | None = None,
        *,
        propagation: Literal["Background", "Foreground", "Orphan"] = "Background",
        grace_seconds: int | None = None,
        uid: str | None = None,
        dry_run: bool = False,
    ) -> None:
        """Asks for deletion; finalizers may keep the object for a while. `uid`: only that very object, else Conflict."""
        options: Object = {"propagationPolicy": propagation}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        if dry_run:
            options["dryRun"] = ["All"]
        await self.transport.request("DELETE", res.path(namespace, name), body=msgspec.json.encode(options))

    @overload
    def watch(
        self,
        res: Resource,
        namespace: str | None = None,
        *,
        labels: Selector = None,
        fields: Selector = None,
        resource_version: str | None = None,
        initial_events: bool = False,
    ) -> AsyncGenerator[Event[Object]]: ...
    @overload
    def watch(
        self,
        res: Resource,
        namespace: str | None = None,
        *,
        labels: Selector = None,
        fields: Selector = None,
        resource_version: str | None = None,
        initial_events: bool = False,
        type: type[T],
    ) -> AsyncGenerator[Event[T]]: ...
    async def watch(
        self,
        res: Resource,
        namespace: str | None = None,
        *,
        labels: Selector = None,
        fields: Selector = None,
        resource_version: str | None = None,
        initial_events: bool = False,
        type: type[Any] = Object,
    ) -> AsyncGenerator[Event[Any]]:
        """One connection's events; it ends when the server ends it (minutes), raises Gone when the version is too old.

        `initial_events` (WatchList, KEP-3157): first the present objects as ADDED, then a BOOKMARK whose event says
        `initial_events_end`. Bookmarks carry a resource version and no object.
        """
        query: dict[str, Any] = {
            "watch": True,
            "allowWatchBookmarks": True,
            "labelSelector": selector(labels),
            "fieldSelector": selector(fields),
            "resourceVersion": resource_version,
        }
        if initial_events:
            query |= {"sendInitialEvents": True, "resourceVersionMatch": "NotOlderThan"}
        stream = self.transport.open("GET", res.path(namespace), query, stream=True, idle=WATCH_SILENCE)
        async with stream as response, aclosing(lines(response, self.transport)) as received:
            async for event in watch_events(received, type):
                yield event

    async def wait(
        self,
        res: Resource,
        name: str,
        namespace: str | None,
        predicate: Callable[[Object | None], bool],
        timeout: float,
    ) -> Object | None:
        """The object (None: absent) as it first satisfies `predicate`. Raises TimeoutError after `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                while True:
                    found, done = await self._observe_until(res, name, namespace, predicate)
                    if done:
                        return found
                    await asyncio.sleep(0.2)
        except TimeoutError:
            where = f"{namespace}/{name}" if namespace else name
            raise TimeoutError(f"{res.kind} {where} was not as expected within {timeout:g} s") from None

    async def _observe_until(
        self, res: Resource, name: str, namespace: str | None, predicate: Callable[[Object | None], bool]
    ) -> tuple[Object | None, bool]:
        """One list and one watch; (…, False) when the watch ended first."""
        only = {"metadata.name": name}
        try:
            listing = await self.list(res, namespace, fields=only)
            found = listing.items[0] if listing.items else None
            if predicate(found):
                return found, True
            events = self.watch(res, namespace, fields=only, resource_version=listing.resource_version)
            async with aclosing(events):
                async for event in events:
                    if event.type == "BOOKMARK":
                        continue
                    found = None if event.type == "DELETED" else event.object
                    if predicate(found):
                        return found, True
        except (Gone, Unreachable):
            pass
        return None, False

    async def logs(
        self,
        namespace: str,
        pod: str,
        container: str | None = None,
        *,
        follow: bool = False,
        tail: int | None = None,
        previous: bool = False,
        timestamps: bool = False,
        since_time: str | None = None,
    ) -> AsyncGenerator[bytes]:
        """Lines without their newline; a carriage return within a line stays.

        `since_time`: RFC 3339; the server drops its fraction, so that lines of that very second come (again).
        """
        query: Query = {
            "container": container,
            "follow": follow or None,
            "tailLines": tail,
            "previous": previous or None,
            "timestamps": timestamps or None,
            "sinceTime": since_time,
        }
        idle = None if follow else 65.0
        stream = self.transport.open(
            "GET", POD.path(namespace, pod, "log"), query, accept="*/*", stream=True, idle=idle
        )
        async with stream as response, aclosing(lines(response, self.transport)) as received:
            async for line in received:
                yield line

    @asynccontextmanager
    async def exec(
        self,
        namespace: str,
        pod: str,
        command: Sequence[str],
        *,
        container: str | None = None,
        stdin: bool = False,
        tty: bool = False,
    ) -> AsyncGenerator[Exec]:
        """Runs `command` in a container, with `stdin` and a terminal where asked for (then stderr comes as stdout).

            async with client.exec("team-a", "demo", ["sh"], stdin=True, tty=True) as shell:
                async for channel, chunk in shell.output(): ...
            code = shell.exit_code

        Leaving the block closes the connection; whether the command then ends is its own affair.
        """
        query = [("command", word) for word in command]
        query += [("container", container)] if container else []
        query += [("stdin", _flag(stdin)), ("stdout", "true"), ("stderr", _flag(not tty)), ("tty", _flag(tty))]
        path = POD.path(namespace, pod, "exec")
        async with self.transport.websocket(path, query, EXEC_PROTOCOLS) as socket:
            yield Exec(socket, self.transport.unreachable)

    async def run(
        self, namespace: str, pod: str, command: Sequence[str], *, container: str | None = None, stdin: bytes = b""
    ) -> Completed:
        """Runs `command` to its end and keeps its output; never raises for an exit code other than 0."""
        out: dict[Output, list[bytes]] = {Output.STDOUT: [], Output.STDERR: []}
        async with self.exec(namespace, pod, command, container=container, stdin=bool(stdin)) as process:
            if stdin:
                await process.write(stdin)
                await process.close_stdin()
            async for channel, chunk in process.output():
                out[channel].append(chunk)
        return Completed(process.exit_code, b"".join(out[Output.STDOUT]), b"".join(out[Output.STDERR]))

    @asynccontextmanager
    async def port_forward(self, namespace: str, pod: str, port: int) -> AsyncGenerator[PodConnection]:
        """One connection to a pod's port, by way of the API server. Open one for each connection that is accepted."""
        path = POD.path(namespace, pod, "portforward")
        async with self.transport.websocket(path, [("ports", str(port))], FORWARD_PROTOCOLS) as socket:
            yield PodConnection(socket, self.transport.unreachable)


def _builtins(obj: Any, res: Resource) -> Object:
    """A shallow copy as a dict, with apiVersion and kind."""
    body: Object = msgspec.to_builtins(obj) if isinstance(obj, msgspec.Struct) else obj
    return {"apiVersion": res.api_version, "kind": res.kind, **body}


def _metadata(body: Object) -> Object:
    return body.get("metadata") or {}


def _placed(res: Resource, namespace: str | None) -> str | None:
    if res.namespaced and not namespace:
        raise ValueError(f"a {res.kind} needs a namespace")
    return namespace


def _all(dry_run: bool) -> str | None:
    return "All" if dry_run else None


def _flag(value: bool) -> str:
    return str(value).lower()
