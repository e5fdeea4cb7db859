import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from aiohttp import web

from footplate.kube.informer import Informer, Reconnect
from footplate.kube.resource import POD
from footplate.kube.store import Key
from tests.unit.kube.server import serving, until

Told = list[tuple[str, str | None, str | None]]


class Meta(msgspec.Struct, rename="camel"):
    name: str
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    labels: dict[str, str] = {}


class Pod(msgspec.Struct):
    metadata: Meta


def pod(name: str, version: int, mark: str = "") -> dict[str, Any]:
    metadata = {"name": name, "namespace": "a", "resourceVersion": str(version), "labels": {"mark": mark}}
    return {"metadata": metadata, "spec": {"containers": []}}


def bookmark(version: int, end: bool = False) -> dict[str, Any]:
    annotations = {"k8s.io/initial-events-end": "true"} if end else {}
    return {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(version), "annotations": annotations}}}


def event(kind: str, obj: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "object": obj}


def gone() -> dict[str, Any]:
    return {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}}


class Script:
    """Answers each request with the next of `streams`; the last one is held open."""

    def __init__(self, *streams: list[dict[str, Any]] | web.Response) -> None:
        self.streams = list(streams)
        self.asked: list[dict[str, str]] = []

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(dict(request.query))
        if not self.streams:
            return web.json_response({"kind": "Status", "code": 503, "message": "the script is over"}, status=503)
        stream = self.streams.pop(0)
        if isinstance(stream, web.Response):
            return stream
        response = web.StreamResponse()
        await response.prepare(request)
        for item in stream:
            await response.write(msgspec.json.encode(item) + b"\n")
        if not self.streams:
            await asyncio.sleep(30)
        return response


@asynccontextmanager
async def watching(script: Script) -> AsyncGenerator[tuple[Informer[Pod], Told]]:
    told: Told = []

    def handler(key: Key, old: Pod | None, new: Pod | None) -> None:
        told.append((key.name, old and old.metadata.labels["mark"], new and new.metadata.labels["mark"]))

    async with serving(script.__call__) as client:
        informer = Informer(client, POD, type=Pod, reconnect=Reconnect(first=0.005, longest=0.02))
        informer.add_handler(handler)
        task = asyncio.create_task(informer.run())
        try:
            yield informer, told
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_a_streamed_list_is_synced_at_its_bookmark_and_then_followed() -> None:
    script = Script(
        [
            event("ADDED", pod("x", 1)),
            event("ADDED", pod("y", 2)),
            bookmark(5, end=True),
            event("MODIFIED", pod("x", 6, "new")),
            event("DELETED", pod("y", 7)),
        ]
    )
    async with watching(script) as (informer, told):
        await until(lambda: len(told) == 4)
        assert informer.synced.is_set()
        assert told == [("x", None, ""), ("y", None, ""), ("x", "", "new"), ("y", "", None)]
    assert script.asked[0]["sendInitialEvents"] == "true"
    assert script.asked[0]["resourceVersionMatch"] == "NotOlderThan"


async def test_nothing_is_told_before_the_copy_is_whole() -> None:
    async with watching(Script([event("ADDED", pod("x", 1))])) as (informer, told):
        await asyncio.sleep(0.1)
        assert (told, len(informer.store), informer.synced.is_set()) == ([], 0, False)


async def test_a_server_without_streamed_lists_is_listed_and_watched() -> None:
    refusal = web.json_response({"kind": "Status", "code": 422, "reason": "Invalid", "message": "no"}, status=422)
    listing = web.json_response({"metadata": {"resourceVersion": "9"}, "items": [pod("x", 3)]})
    script = Script(refusal, listing, [event("MODIFIED", pod("x", 10, "new"))])
    async with watching(script) as (_, told):
        await until(lambda: len(told) == 2)
    assert told == [("x", None, ""), ("x", "", "new")]
    assert script.asked[2]["resourceVersion"] == "9"
    assert "sendInitialEvents" not in script.asked[2]


async def test_a_stream_that_ends_is_resumed_where_it_ended() -> None:
    script = Script(
        [event("ADDED", pod("x", 1)), bookmark(5, end=True), bookmark(8)],
        [event("MODIFIED", pod("x", 9, "new"))],
    )
    async with watching(script) as (_, told):
        await until(lambda: len(told) == 2)
    assert script.asked[1]["resourceVersion"] == "8"


async def test_a_watch_that_fell_behind_begins_anew_and_tells_the_differences_only() -> None:
    script = Script(
        [event("ADDED", pod("x", 1)), event("ADDED", pod("y", 2)), bookmark(5, end=True), gone()],
        [event("ADDED", pod("y", 2)), event("ADDED", pod("z", 20)), bookmark(30, end=True)],
    )
    async with watching(script) as (informer, told):
        await until(lambda: len(told) == 4)
        assert told[2:] == [("x", "", None), ("z", None, "")]
        assert [key.name for key in informer.store.all_keys()] == ["y", "z"]


async def test_a_failing_server_is_tried_again_without_a_busy_loop() -> None:
    away = [web.json_response({"kind": "Status", "code": 503}, status=503) for _ in range(3)]
    script = Script(*away, [event("ADDED", pod("x", 1)), bookmark(5, end=True)])
    async with watching(script) as (informer, told):
        await until(lambda: bool(told))
        assert informer.error is None
    assert len(script.asked) == 4


async def test_an_answer_of_our_own_is_seen_before_its_event_and_told_no_second_time() -> None:
    go = asyncio.Event()

    class Held(Script):
        async def __call__(self, request: web.Request) -> web.StreamResponse:
            if len(self.streams) == 1:
                await go.wait()
            return await super().__call__(request)

    script = Held(
        [event("ADDED", pod("x", 1)), bookmark(5, end=True)],
        [
            event("MODIFIED", pod("x", 6, "between")),
            event("MODIFIED", pod("x", 7, "ours")),
            event("ADDED", pod("y", 8)),
        ],
    )
    async with watching(script) as (informer, told):
        await informer.synced.wait()
        informer.learn(msgspec.convert(pod("x", 7, "ours"), Pod))
        informer.learn(msgspec.convert(pod("old", 4), Pod))
        assert Key("a", "old") not in informer.store
        x = informer.store.get(Key("a", "x"))
        assert x is not None
        assert x.metadata.labels["mark"] == "ours"
        go.set()
        await until(lambda: Key("a", "y") in informer.store)
    assert told == [("x", None, ""), ("y", None, "")]
