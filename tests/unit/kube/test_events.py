import asyncio
from typing import Any

from aiohttp import web

from footplate.kube.events import Recorder, Regarding, stopped
from tests.unit.kube.server import serving, until

DEMO = Regarding("footplate.dev/v1alpha1", "Workspace", "team-a", "demo", "uid-1")


async def test_like_events_are_one_object_with_a_count() -> None:
    written: list[tuple[str, str, dict[str, Any]]] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        written.append((request.method, request.path, body))
        return web.json_response(body)

    now = 100.0
    async with serving(handler) as client:
        recorder = Recorder(client, "footplate.dev/workspace", "test", clock=lambda: now)
        running = asyncio.create_task(recorder.run())
        recorder.record(DEMO, "Warning", "PodLost", "Start", "Its pod was deleted.")
        recorder.record(DEMO, "Warning", "PodLost", "Start", "Its pod was deleted again.")
        recorder.record(DEMO, "Normal", "Stopped", "Stop", "x" * 5000)
        await stopped(recorder, running, 2.0)
    assert [(method, path) for method, path, _ in written] == [
        ("POST", "/apis/events.k8s.io/v1/namespaces/team-a/events"),
        ("POST", "/apis/events.k8s.io/v1/namespaces/team-a/events"),
    ]
    first, second = written[0][2], written[1][2]
    assert first["regarding"]["uid"] == "uid-1"
    assert (first["reason"], first["note"]) == ("PodLost", "Its pod was deleted.")
    assert first["metadata"]["name"].startswith("demo.")
    assert len(second["note"]) == 1024


async def test_the_count_follows_after_a_pause_and_a_lost_event_is_made_anew() -> None:
    written: list[tuple[str, dict[str, Any]]] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        body = await request.json()
        written.append((request.method, body))
        if request.method == "PATCH":
            return web.json_response({"kind": "Status", "reason": "NotFound", "code": 404}, status=404)
        return web.json_response(body)

    async with serving(handler) as client:
        recorder = Recorder(client, "footplate.dev/workspace", "test", pause=0.02)
        running = asyncio.create_task(recorder.run())
        recorder.record(DEMO, "Warning", "PodLost", "Start", "first")
        await until(lambda: len(written) == 1)
        recorder.record(DEMO, "Warning", "PodLost", "Start", "second")
        recorder.record(DEMO, "Warning", "PodLost", "Start", "third")
        await until(lambda: len(written) == 3)
        await stopped(recorder, running, 2.0)
    assert [method for method, _ in written] == ["POST", "PATCH", "POST"]
    assert written[1][1]["series"]["count"] == 3
