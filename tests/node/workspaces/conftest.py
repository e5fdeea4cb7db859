"""Workspaces with the real JupyterLab and the real agent, and what a person or a browser does in them."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from collections.abc import AsyncIterator
from ipaddress import IPv4Interface
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec
import pytest

from benchmarks import bare_platform
from footplate.api.platform import IdlePolicy, ObjectStore, Reporting
from footplate.api.workspace import PORT, WorkspacePhase, token_secret
from footplate.controllers import kinds
from footplate.kube.client import Client
from footplate.kube.connection import load_connection
from tests.conftest import NodeCluster
from tests.integration.controllers.conftest import Place
from tests.node.images.conftest import images, pytest_collection_finish

__all__ = ["images", "pytest_collection_finish"]

Json = dict[str, Any]

SMALL = {"cpu": "100m", "memory": "512Mi"}
START, PATIENCE = 240.0, 120.0
#: The matrix in seconds where people have hours and minutes.
IDLE = IdlePolicy(timeout="20s", gpu_timeout="20s", warn_before="5s", unknown_warning="2s")
REPORTING = Reporting(every="3s", recent="4s", silence="12s")


class Jupyter:
    """A person at the server of workspace `name`."""

    def __init__(self, place: Place, name: str, http: aiohttp.ClientSession, address: str) -> None:
        self.place, self.name = place, name
        self._http = http
        self._address = address

    async def api(self, method: str, path: str, body: Json | None = None) -> Any:
        async with self._http.request(method, f"{self._address}/api/{path}", json=body) as answer:
            assert answer.status < 300, await answer.text()
            return await answer.json() if answer.status != 204 else None

    async def kernel(self, spec: str = "python3") -> str:
        return (await self.api("POST", "kernels", {"name": spec}))["id"]

    def channels(self, kernel: str) -> Any:
        return self._http.ws_connect(f"{self._address}/api/kernels/{kernel}/channels")

    async def run(self, kernel: str, code: str) -> None:
        """And closes the tab."""
        header = {"msg_id": secrets.token_hex(8), "msg_type": "execute_request", "session": "s", "username": "u", "version": "5.4"}  # fmt: skip
        content = {"code": code, "silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
        async with self.channels(kernel) as socket:
            await socket.send_json({**message, "buffers": []})
            async with asyncio.timeout(30.0):
                async for received in socket:
                    found = json.loads(received.data)
                    if found["msg_type"] == "status" and found["content"]["execution_state"] == "busy":
                        return

    async def type(self, *lines: str) -> str:
        """Into a new terminal, whose name is returned, and closes the tab; the terminal goes on."""
        name = (await self.api("POST", "terminals"))["name"]
        async with self._http.ws_connect(f"{self._address}/terminals/websocket/{name}") as socket:
            for line in lines:
                await socket.send_json(["stdin", f"{line}\r"])
                await asyncio.sleep(0.5)
        return name

    async def end_kernels(self) -> None:
        for kernel in await self.api("GET", "kernels"):
            await self.api("DELETE", f"kernels/{kernel['id']}")

    async def sh(self, script: str) -> str:
        done = await self.place.client.run(self.place.namespace, self.name, ["sh", "-c", script])
        assert done.exit_code == 0, done.stderr
        return done.stdout.decode().strip()


class Workspaces:
    def __init__(self, place: Place, http: aiohttp.ClientSession) -> None:
        self.place, self._http = place, http

    async def start(self, *names: str, **specs: Json) -> None:
        """`specs`: of those that differ from the others."""
        for name in names:
            await self.place.workspace(name, **{"resources": SMALL, **specs.get(name, {})})
        for name in names:
            await self.place.until_workspace(name, lambda w: w.status.phase is WorkspacePhase.RUNNING, START)

    async def enter(self, name: str) -> Jupyter:
        secret: Json = await self.place.client.get(kinds.SECRET, token_secret("alice"), self.place.namespace)
        token = base64.b64decode(secret["data"]["token"]).decode()
        self._http.headers["Authorization"] = f"token {token}"
        pod: Json = await self.place.client.get(kinds.POD, name, self.place.namespace)
        return Jupyter(self.place, name, self._http, f"http://{pod['status']['podIP']}:{PORT}")


@pytest.fixture
async def bare(node_cluster: NodeCluster, images: dict[str, str]) -> AsyncIterator[Workspaces]:
    """Set up, without controllers, which the test is to run."""
    connection = load_connection(node_cluster.kubeconfig, node_cluster.context)
    async with Client(connection, user_agent="footplate-test") as client, aiohttp.ClientSession() as http:
        await bare_platform.install_kinds(client)
        await bare_platform.install_permissions(client)
        await bare_platform.install_environment(client, "jupyter", images["jupyter"])
        place = Place(connection, client, f"t{secrets.token_hex(4)}")
        await bare_platform.install_team(client, place.team)
        store = ObjectStore(endpoint=node_cluster.object_store.endpoint)
        await place.configure(platform_image=images["platform"], object_store=store)
        yield Workspaces(place, http)
        await client.request("DELETE", kinds.WORKSPACE.path(place.namespace))
        await place.no_pods(60.0)
        for namespace in (place.namespace, place.system):
            await client.delete(bare_platform.NAMESPACE, namespace)


@pytest.fixture
async def workspaces(bare: Workspaces, node_cluster: NodeCluster) -> AsyncIterator[Workspaces]:
    place = bare.place
    async with place.controllers():
        # The object store listens at the node's end of its link, and this process at the machine's.
        node = IPv4Interface(f"{urlsplit(node_cluster.object_store.endpoint).hostname}/30")
        url = f"http://{node.network[1]}:{urlsplit(place.collector).port}"
        await place.configure(idle=IDLE, reporting=msgspec.structs.replace(REPORTING, url=url))
        yield bare
        await place.client.request("DELETE", kinds.WORKSPACE.path(place.namespace))
        await place.no_pods(60.0)
