"""What only a real kubelet can show: homes that outlive pods, exit codes, last words, names that resolve."""

import asyncio
import secrets
from collections.abc import AsyncIterator

import msgspec
import pytest

from benchmarks import bare_platform
from footplate.api.platform import ObjectStore
from footplate.api.trainingjob import CauseClass, JobPhase
from footplate.api.workspace import WorkspacePhase
from footplate.client.logs.sources import job_lines
from footplate.client.session import Session
from footplate.controllers import kinds
from footplate.kube.client import Client
from footplate.kube.connection import Connection, load_connection
from tests.conftest import NodeCluster
from tests.integration.controllers.conftest import Place
from tests.node.images.conftest import images, pytest_collection_finish

__all__ = ["images", "pytest_collection_finish"]

SMALL = {"cpu": "200m", "memory": "512Mi"}
PATIENCE = 120.0


@pytest.fixture
async def place(node_cluster: NodeCluster, images: dict[str, str]) -> AsyncIterator[Place]:
    connection: Connection = load_connection(node_cluster.kubeconfig, node_cluster.context)
    async with Client(connection, user_agent="footplate-test") as client:
        await bare_platform.install_kinds(client)
        await bare_platform.install_permissions(client)
        await bare_platform.install_environment(client, "jupyter", images["jupyter"])
        found = Place(connection, client, f"t{secrets.token_hex(4)}")
        store = node_cluster.object_store
        await found.configure(
            platform_image=images["platform"],
            object_store=ObjectStore(endpoint=store.endpoint),
            teams=(msgspec.structs.replace(found.settings.teams[0], data_uri=f"s3://{store.bucket}/{found.team}"),),
        )
        await bare_platform.install_team(client, found.team)
        keys = {"AWS_ACCESS_KEY_ID": store.access_key, "AWS_SECRET_ACCESS_KEY": store.secret_key}
        secret = {"metadata": {"name": "footplate-object-store"}, "stringData": keys}
        await client.create(kinds.SECRET, secret, found.namespace)
        async with found.controllers():
            yield found
            for resource in (kinds.WORKSPACE, kinds.TRAINING_JOB):
                await client.request("DELETE", resource.path(found.namespace))
        for namespace in (found.namespace, found.system):
            await client.delete(bare_platform.NAMESPACE, namespace)


async def test_a_home_outlives_the_server_that_dies_and_the_one_that_is_stopped(place: Place) -> None:
    async def running(name: str, restarts: int = 0) -> None:
        def judge(ws: object) -> bool:
            status = ws.status  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownVariableType]
            return bool(status.phase is WorkspacePhase.RUNNING and status.restarts == restarts)  # pyright: ignore[reportUnknownMemberType]

        await place.until_workspace(name, judge, PATIENCE)

    async def sh(name: str, script: str) -> str:
        done = await place.client.run(place.namespace, name, ["sh", "-c", script])
        assert done.exit_code == 0, done.stderr
        return done.stdout.decode().strip()

    await place.workspace("demo", home={"size": "1Gi"}, resources=SMALL)
    await place.workspace("other", resources=SMALL)
    await running("demo")
    await running("other")
    assert await sh("demo", "id -u; pwd; echo kept > note") == "1000\n/home/footplate"

    ask = "import urllib.request as r; print(r.urlopen('http://other.workspaces:8888/api', timeout=5).status)"
    async with asyncio.timeout(30.0):
        while True:
            found = await place.client.run(place.namespace, "demo", ["python3", "-c", ask])
            if found.exit_code == 0:
                break
            await asyncio.sleep(0.5)
    assert found.stdout == b"200\n"

    await place.client.run(place.namespace, "demo", ["sh", "-c", "kill -TERM 1"])
    await running("demo", restarts=1)
    assert await sh("demo", "cat note") == "kept"

    await place.patch(kinds.WORKSPACE, "demo", {"desiredState": "Stopped"})
    await place.until_workspace("demo", lambda w: w.status.phase is WorkspacePhase.STOPPED, PATIENCE)
    await place.patch(kinds.WORKSPACE, "demo", {"desiredState": "Running"})
    await running("demo")
    assert await sh("demo", "cat note") == "kept"


async def test_ranks_find_each_other_and_a_lost_one_ends_the_attempt(place: Place) -> None:
    script = (
        "import os, signal, socket, sys, time\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))\n"
        "rank, master = os.environ['NODE_RANK'], os.environ['MASTER_ADDR']\n"
        "while True:\n"
        "    try:\n"
        "        socket.getaddrinfo(master, 29500)\n"
        "        break\n"
        "    except OSError:\n"
        "        time.sleep(0.2)\n"
        "print('found', master, flush=True)\n"
        "if os.environ['FOOTPLATE_ATTEMPT'] == '1':\n"
        "    time.sleep(300)\n"
    )
    spec = {"nodes": 2, "launcher": "none", "command": ["python3", "-c", script], "resources": SMALL}
    await place.job("train", **spec, checkpoint={"grace": "1s"})
    await place.until_job("train", lambda j: j.status.phase is JobPhase.RUNNING, PATIENCE)
    first = await place.pods(**{"footplate.dev/attempt": "1"})
    await place.client.delete(kinds.POD, first[0]["metadata"]["name"], place.namespace)
    job = await place.until_job("train", lambda j: j.status.phase is JobPhase.SUCCEEDED, PATIENCE)
    assert [(a.number, a.cause.class_ if a.cause else None) for a in job.status.attempts] == [
        (1, CauseClass.INFRA),
        (2, None),
    ]
    for pod in await place.pods(**{"footplate.dev/attempt": "2"}):
        name = pod["metadata"]["name"]
        lines = [line async for line in place.client.logs(place.namespace, name, "main")]
        assert b"found train-2-0.train-2" in lines


async def test_a_program_that_fails_is_quoted(place: Place) -> None:
    await place.job(
        "bad", command=["python3", "-c", "raise ValueError('the loss is nan')"], launcher="none", resources=SMALL
    )
    job = await place.until_job("bad", lambda j: j.status.phase is JobPhase.FAILED, PATIENCE)
    assert job.status.message == "It failed: rank 0 exited with code 1: ValueError: the loss is nan."

    script = "import os, time\nif os.environ['RANK'] == '1':\n    raise ValueError('the loss is nan')\ntime.sleep(300)"
    await place.job("both", nodes=2, command=["python3", "-c", script], resources=SMALL)
    job = await place.until_job("both", lambda j: j.status.phase is JobPhase.FAILED, PATIENCE)
    assert "ValueError: the loss is nan (node rank 1)" in (job.status.message or "")
    async with Session(
        connection=place.connection, team=place.team, environ={"FOOTPLATE_SYSTEM_NAMESPACE": place.system}
    ) as session:
        lines = [line.text async for line in job_lines(session, "both", rank=1)]
    assert any(b"ValueError: the loss is nan" in line for line in lines)

    await place.job("none", command=["no-such-program"], launcher="none", resources=SMALL)
    job = await place.until_job("none", lambda j: j.status.phase is JobPhase.FAILED, PATIENCE)
    assert "could not be started" in (job.status.message or "")
    assert "no-such-program" in (job.status.message or "")
