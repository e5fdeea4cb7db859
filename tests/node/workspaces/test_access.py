"""Who gets into a workspace: on a cluster where nothing enforces NetworkPolicies its token alone has to keep others out."""

import json
import secrets
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import bare_platform
from components.roles import MEMBER_RULES
from footplate.api import Workspace
from footplate.api.workspace import PORT
from footplate.client import access, copying
from footplate.client.logs.sources import workspace_pod
from footplate.client.session import Session
from footplate.controllers import kinds
from footplate.errors import FootplateError, NotFound, Refused
from footplate.kube.errors import Forbidden
from tests.integration.api.test_admission import grant, pod, user
from tests.node.workspaces.conftest import START, Json, Workspaces

pytestmark = pytest.mark.timeout(600)

#: Asks for everything that leads to code or data, without and with a token; prints the statuses.
STRANGER = """
import asyncio, json, sys, aiohttp

address, kernel, token = sys.argv[1:]

async def ask(http, method, path):
    async with http.request(method, address + path, allow_redirects=False) as answer:
        assert answer.status != 302 or answer.headers["Location"].startswith("/login"), answer.headers
        return answer.status

async def connect(http, path):
    try:
        async with http.ws_connect(address + path):
            return 101
    except aiohttp.WSServerHandshakeError as error:
        return error.status

async def main():
    found = {}
    async with aiohttp.ClientSession(headers={"Authorization": "token " + token} if token else {}) as http:
        for method, path in (("GET", "/lab"), ("GET", "/api/contents"), ("GET", "/files/x"), ("GET", "/api/kernels"), ("POST", "/api/kernels"),
                             ("POST", "/api/terminals"), ("GET", "/footplate/activity"), ("GET", "/metrics")):
            found[method + " " + path] = await ask(http, method, path)
        for path in ("/api/kernels/" + kernel + "/channels", "/terminals/websocket/1", "/api/events/subscribe"):
            found["socket " + path.replace(kernel, "ID")] = await connect(http, path)
    print(json.dumps(found))

asyncio.run(main())
"""


async def test_a_workspace_is_its_owner_s_alone(workspaces: Workspaces, images: dict[str, str], tmp_path: Path) -> None:
    place, client = workspaces.place, workspaces.place.client
    mark = secrets.token_hex(4)
    await grant(client, place.namespace, "members", MEMBER_RULES, user("alice"), user("bob"))
    made = await bare_platform.install_admission(client, place.settings, [place.namespace], mark)
    elsewhere = await bare_platform.install_team(client, f"x{mark}")
    stranger = pod("stranger")
    stranger["spec"]["containers"][0] |= {"image": images["jupyter"], "command": ["sleep", "600"]}
    try:
        await client.create(kinds.POD, stranger, elsewhere)
        await workspaces.start("mine")
        jupyter = await workspaces.enter("mine")
        kernel = await jupyter.kernel()
        await jupyter.type("true")
        running = await place.until_workspace("mine", lambda w: bool(w.status.pod_name), START)
        await client.wait(kinds.POD, "stranger", elsewhere, _runs, START)

        found: Json = await client.get(kinds.POD, "mine", place.namespace)
        address = f"http://{found['status']['podIP']}:{PORT}"
        token = await as_user(workspaces, "alice", running)

        async def statuses(token: str) -> dict[str, int]:
            done = await client.run(elsewhere, "stranger", ["python3", "-c", STRANGER, address, kernel, token])
            assert done.exit_code == 0, done.stderr
            return json.loads(done.stdout)

        page = {"GET /lab": 302, "GET /files/x": 302}  # to the form that asks for the token
        for without in (await statuses(""), await statuses("guessed")):
            assert {key: status for key, status in without.items() if status not in (401, 403)} == page
        assert {"GET /lab": 200, "POST /api/terminals": 200}.items() <= (await statuses(token)).items()
        assert token not in await jupyter.sh("cat /proc/*/cmdline | tr '\\0' ' '")

        await copies(workspaces, running, tmp_path)
        with pytest.raises(Refused, match="it belongs to alice"):
            await as_user(workspaces, "bob", running)
        bob = replace(place.connection, headers={"Impersonate-User": "bob"}, groups=("system:authenticated",))
        async with Session(connection=bob) as session:
            with pytest.raises(Forbidden, match="workspace mine is of alice"):
                async with session.kube.port_forward(place.namespace, "mine", PORT):
                    pass
    finally:
        for resource, name in made:
            await client.delete(resource, name)
        await client.delete(bare_platform.NAMESPACE, elsewhere)


async def copies(workspaces: Workspaces, workspace: Workspace, here: Path) -> None:
    """Her files, in and out of her home; what is refused says why."""
    (here / "data").mkdir()
    (here / "data/a").write_text("a")
    alice = replace(
        workspaces.place.connection, headers={"Impersonate-User": "alice"}, groups=("system:authenticated",)
    )
    async with Session(connection=alice) as session:
        found = await workspace_pod(session, workspace)
        await copying.upload(session, found, here / "data", ".")
        assert await copying.download(session, found, ".", here) == here / "footplate"
        assert (here / "footplate/data/a").read_text() == "a"
        with pytest.raises(FootplateError, match=r"data/a was not copied to \.: \./a is a directory"):
            await session.kube.run(workspace.metadata.namespace, found.name, ["mkdir", "a"])
            await copying.upload(session, found, here / "data/a", ".")
        with pytest.raises(NotFound, match="There is no missing in the workspace"):
            await copying.download(session, found, "missing", here)


async def as_user(workspaces: Workspaces, name: str, workspace: Workspace) -> str:
    connection = replace(
        workspaces.place.connection, headers={"Impersonate-User": name}, groups=("system:authenticated",)
    )
    async with Session(connection=connection) as session:
        return await access.token(session, workspace)


def _runs(pod: Json | None) -> bool:
    return pod is not None and pod["status"].get("phase") == "Running"
