"""Tunnels through the API server to a server that stands in for JupyterLab."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic, sleep

import aiohttp
import psutil
import pytest
from aiohttp import web

from tests.conftest import ApiCluster
from tests.integration.cli.conftest import Footplate
from tests.integration.cli.platform import Kubelet, Platform, installed
from tests.integration.cli.played import PlayedWorkspace


@pytest.fixture(scope="module")
def platform(api_cluster: ApiCluster, object_store: tuple[str, Path]) -> Iterator[Platform]:
    with installed(api_cluster, object_store) as made:
        yield made


@pytest.fixture(scope="module", autouse=True)
def jupyter(kubelet: Kubelet) -> Iterator[None]:
    async def hello(request: web.Request) -> web.Response:
        return web.Response(text=f"{request.method} {request.path_qs}", headers={"Set-Cookie": "a=b"})

    async def large(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    async def echo(request: web.Request) -> web.WebSocketResponse:
        answer = web.WebSocketResponse()
        await answer.prepare(request)
        async for message in answer:
            if message.type is aiohttp.WSMsgType.BINARY:
                await answer.send_bytes(message.data)
        return answer

    async def serve(started: threading.Event, ended: asyncio.Event) -> None:
        app = web.Application(client_max_size=1 << 30)
        app.add_routes(
            [web.get("/api", hello), web.get("/lab", hello), web.get("/ws", echo), web.post("/large", large)]
        )
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", kubelet.backend).start()
        started.set()
        await ended.wait()
        await runner.cleanup()

    loop, started, ended = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(serve(started, ended)))
    thread.start()
    assert started.wait(10)
    yield
    loop.call_soon_threadsafe(ended.set)
    thread.join(20)


@pytest.fixture
def workspace(kubelet: Kubelet, footplate: Footplate) -> Iterator[PlayedWorkspace]:
    made = PlayedWorkspace(kubelet)
    made.run()
    yield made
    footplate("workspace", "close", "--all")


def get(url: str) -> tuple[int, str]:
    async def ask() -> tuple[int, str]:
        timeout = aiohttp.ClientTimeout(total=30)
        async with aiohttp.ClientSession(timeout=timeout) as http, http.get(url) as response:
            return response.status, await response.text()

    return asyncio.run(ask())


def opened(footplate: Footplate, workspace: PlayedWorkspace) -> str:
    result = footplate("workspace", "open", workspace.name)
    assert result.code == 0, result.err
    return result.out.strip()


def record(tmp_path: Path) -> dict[str, object]:
    (file,) = (tmp_path / "data" / "tunnels").glob("*.json")
    return json.loads(file.read_text())


def until(condition: Callable[[], bool], bound: float = 15.0) -> None:
    end = monotonic() + bound
    while not condition():
        assert monotonic() < end
        sleep(0.05)


def gone(pid: int) -> bool:
    """This process is the parent of those that commands start here: they stay as zombies."""
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_the_address_works_from_here_with_the_token_in_it(
    footplate: Footplate, workspace: PlayedWorkspace, tmp_path: Path
) -> None:
    url = opened(footplate, workspace)
    assert get(url) == (200, "GET /lab?token=t0ken")
    port, pid = record(tmp_path)["port"], record(tmp_path)["pid"]
    assert url == f"http://127.0.0.1:{port}/lab?token=t0ken"
    listening = [c.laddr for c in psutil.Process(int(str(pid))).net_connections() if c.status == psutil.CONN_LISTEN]
    assert [(address.ip, address.port) for address in listening] == [("127.0.0.1", port)]
    data = json.loads(footplate("workspace", "open", workspace.name, "-o", "json").out)
    assert data == {"name": workspace.name, "url": url, "port": port, "token": "t0ken"}
    assert f"http://127.0.0.1:{port} (tunnel open)" in footplate("workspace", "show", workspace.name).out


def test_websockets_and_large_bodies_pass_unchanged(footplate: Footplate, workspace: PlayedWorkspace) -> None:
    base = opened(footplate, workspace).partition("/lab")[0]
    body = os.urandom(5 << 20)

    async def talk() -> None:
        async with aiohttp.ClientSession() as http:
            async with http.ws_connect(f"{base}/ws") as socket_:
                for size in (1, 1000, 300_000):
                    await socket_.send_bytes(body[:size])
                    assert (await socket_.receive(timeout=20)).data == body[:size]
            async with http.post(f"{base}/large", data=body) as response:
                assert await response.read() == body
            answers = await asyncio.gather(*(_ask(http, f"{base}/api?n={n}") for n in range(30)))
            assert answers == [f"GET /api?n={n}" for n in range(30)]

    asyncio.run(talk())


async def _ask(http: aiohttp.ClientSession, url: str) -> str:
    async with http.get(url) as response:
        return await response.text()


def test_it_is_reused_and_its_port_stays(footplate: Footplate, workspace: PlayedWorkspace, tmp_path: Path) -> None:
    first = opened(footplate, workspace)
    pid = record(tmp_path)["pid"]
    assert opened(footplate, workspace) == first
    assert record(tmp_path)["pid"] == pid
    assert (
        footplate("workspace", "close", workspace.name).err == f"The tunnel to workspace {workspace.name} is closed.\n"
    )
    assert gone(int(str(pid)))
    assert "No tunnel" in footplate("workspace", "close", workspace.name).err
    assert opened(footplate, workspace) == first


def test_one_that_was_killed_leaves_a_record_that_the_next_replaces(
    footplate: Footplate, workspace: PlayedWorkspace, tmp_path: Path
) -> None:
    first = opened(footplate, workspace)
    pid = int(str(record(tmp_path)["pid"]))
    os.kill(pid, signal.SIGKILL)
    until(lambda: gone(pid))
    assert "tunnel open" not in footplate("workspace", "show", workspace.name).out
    assert opened(footplate, workspace) == first
    assert record(tmp_path)["pid"] != pid
    assert get(first)[0] == 200


def test_one_whose_record_was_cut_off_is_replaced_at_once(
    footplate: Footplate, workspace: PlayedWorkspace, tmp_path: Path
) -> None:
    first = opened(footplate, workspace)
    pid = int(str(record(tmp_path)["pid"]))
    (file,) = (tmp_path / "data" / "tunnels").glob("*.json")
    cut = file.read_bytes()[:20]
    os.truncate(file, 20)
    assert opened(footplate, workspace) == first
    assert gone(pid)
    pid = int(str(record(tmp_path)["pid"]))
    file.write_bytes(cut)
    assert footplate("workspace", "close", workspace.name).code == 0
    assert gone(pid)


def test_one_that_hangs_is_replaced(footplate: Footplate, workspace: PlayedWorkspace, tmp_path: Path) -> None:
    first = opened(footplate, workspace)
    pid = int(str(record(tmp_path)["pid"]))
    os.kill(pid, signal.SIGSTOP)
    assert opened(footplate, workspace) == first
    assert record(tmp_path)["pid"] != pid


def test_it_outlives_the_pod(footplate: Footplate, kubelet: Kubelet, workspace: PlayedWorkspace) -> None:
    url = opened(footplate, workspace)
    kubelet.delete_pod(f"{workspace.name}-1")
    workspace.status("Starting", "Waits for its image.", podName="")
    page = threading.Thread(target=lambda: (sleep(2), workspace.run(2)))
    page.start()
    assert get(url) == (200, "GET /lab?token=t0ken")
    page.join()


def test_while_it_is_stopped_the_browser_gets_a_page_that_says_so(
    footplate: Footplate, kubelet: Kubelet, workspace: PlayedWorkspace
) -> None:
    from footplate.client.kinds import WORKSPACE

    url = opened(footplate, workspace)
    namespace, patch = kubelet.platform.namespace, {"spec": {"desiredState": "Stopped"}}
    kubelet.platform.kube(lambda client: client.patch(WORKSPACE, workspace.name, patch, namespace))
    workspace.status("Stopped", "It was stopped <by you>.")
    until(lambda: get(url)[0] == 503)
    assert "It was stopped &lt;by you&gt;." in get(url)[1]

    starting = threading.Thread(
        target=lambda: (until(lambda: workspace.spec()["desiredState"] == "Running"), workspace.run(3))
    )
    starting.start()
    again = footplate("workspace", "open", workspace.name)
    starting.join()
    assert again.out.strip() == url
    assert f"Workspace {workspace.name} is stopped: starting it." in again.err
    assert get(url)[0] == 200


def test_it_ends_by_itself_when_the_workspace_is_gone(
    footplate: Footplate, workspace: PlayedWorkspace, tmp_path: Path
) -> None:
    opened(footplate, workspace)
    pid = int(str(record(tmp_path)["pid"]))
    workspace.delete()
    until(lambda: gone(pid))
    (log,) = (tmp_path / "data" / "tunnels").glob("*.log")
    assert f"ends: workspace {workspace.name} is gone" in log.read_text()


def test_deleting_a_workspace_takes_its_tunnel_along(
    footplate: Footplate, workspace: PlayedWorkspace, tmp_path: Path
) -> None:
    opened(footplate, workspace)
    pid = int(str(record(tmp_path)["pid"]))
    assert footplate("workspace", "delete", workspace.name, "--yes", "--timeout", "20s").code == 0
    assert gone(pid)
    assert list((tmp_path / "data" / "tunnels").iterdir()) == []


def test_a_port_that_is_taken_gives_way_to_another(
    footplate: Footplate, workspace: PlayedWorkspace, tmp_path: Path
) -> None:
    first = opened(footplate, workspace)
    footplate("workspace", "close", workspace.name)
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", int(str(record(tmp_path)["port"]))))
        other.listen()
        second = opened(footplate, workspace)
    assert second != first
    assert get(second)[0] == 200


def test_two_at_once_share_one(footplate: Footplate, workspace: PlayedWorkspace, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "footplate.cli.main", "workspace", "open", workspace.name, "-o", "json"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    urls = {json.loads(each.communicate(timeout=60)[0])["url"] for each in both}
    assert len(urls) == 1
    tunnels = [p for p in psutil.process_iter(["cmdline"]) if str(tmp_path) in " ".join(p.info["cmdline"] or ())]
    assert len(tunnels) == 1


def test_in_the_foreground_it_ends_with_the_command(workspace: PlayedWorkspace) -> None:
    command = [sys.executable, "-m", "footplate.cli.main", "workspace", "open", workspace.name, "--foreground"]
    serving = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert serving.stdout is not None
    url = serving.stdout.readline().strip()
    assert get(url)[0] == 200
    serving.send_signal(signal.SIGINT)
    _, said = serving.communicate(timeout=20)
    assert serving.returncode == 130
    assert "goes on" in said
    with pytest.raises(aiohttp.ClientConnectorError):
        get(url)


def test_a_stranger_gets_no_token(footplate: Footplate, kubelet: Kubelet, workspace: PlayedWorkspace) -> None:
    from footplate.api.workspace import token_secret
    from footplate.client.kinds import SECRET

    namespace = kubelet.platform.namespace
    kubelet.platform.kube(lambda client: client.delete(SECRET, token_secret("ada"), namespace))
    refused = footplate("workspace", "open", workspace.name)
    assert refused.code == 3
    assert "has no token" in refused.err
    assert refused.out == ""


def test_one_that_failed_is_not_waited_for(footplate: Footplate, kubelet: Kubelet) -> None:
    workspace = PlayedWorkspace(kubelet)
    workspace.status("Failed", "Image none:1 cannot be pulled: not found.")
    failed = footplate("workspace", "open", workspace.name)
    assert failed.code == 1
    assert f"Workspace {workspace.name} failed: Image none:1 cannot be pulled" in failed.err


def test_commands_run_in_the_pod(footplate: Footplate, workspace: PlayedWorkspace) -> None:
    ran = footplate("workspace", "exec", workspace.name, "--no-stdin", "--", "sh", "-c", "echo out; echo err >&2")
    assert ran.code == 0
    assert ran.out == "out\n"
    assert ran.err.endswith("err\n")
