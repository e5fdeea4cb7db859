"""Exec, port-forward and logs through the API server, the kubelet and the container runtime."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from devcluster import cluster
from footplate.kube.client import Client
from footplate.kube.connection import load_connection
from footplate.kube.errors import ApiError, NotFound
from footplate.kube.resource import POD, Resource
from footplate.kube.streams import Output
from tests.conftest import NodeCluster
from tests.node.devcluster.conftest import IMAGE, busybox_archive, pod

NAMESPACE = Resource("", "v1", "Namespace", "namespaces", False)
SERVER = "mkdir -p /tmp/www; echo hello >/tmp/www/index.html; echo serving; httpd -f -p 8080 -h /tmp/www"


@pytest.fixture(scope="session")
def image(node_cluster: NodeCluster, tmp_path_factory: pytest.TempPathFactory) -> str:
    if IMAGE not in cluster.images(node_cluster.name, environment=node_cluster.environment):
        archive: Path = busybox_archive(tmp_path_factory.mktemp("busybox"))
        cluster.import_image(node_cluster.name, archive, environment=node_cluster.environment)
    return IMAGE


@pytest.fixture
async def client(node_cluster: NodeCluster, image: str) -> AsyncIterator[Client]:
    async with Client(load_connection(node_cluster.kubeconfig, node_cluster.context)) as found:
        yield found


@pytest.fixture
async def namespace(client: Client) -> AsyncIterator[str]:
    """With a pod `box` that runs a web server."""
    name = f"streams-{secrets.token_hex(4)}"
    await client.create(NAMESPACE, {"metadata": {"name": name}})
    account = Resource("", "v1", "ServiceAccount", "serviceaccounts", True)
    await client.wait(account, "default", name, lambda found: found is not None, 30.0)
    await client.create(POD, pod("box", SERVER), name)
    await client.wait(POD, "box", name, lambda p: bool(p) and p["status"].get("phase") == "Running", 60.0)
    yield name
    await client.delete(NAMESPACE, name)


async def test_a_command_has_its_exit_code_its_outputs_and_its_input(client: Client, namespace: str) -> None:
    done = await client.run(namespace, "box", ["sh", "-c", "echo out; echo err >&2; exit 3"])
    assert (done.exit_code, done.stdout, done.stderr) == (3, b"out\n", b"err\n")
    sent = secrets.token_bytes(300_000)
    done = await client.run(namespace, "box", ["cat"], stdin=sent)
    assert (done.exit_code, done.stdout) == (0, sent)


async def test_a_terminal_is_a_terminal(client: Client, namespace: str) -> None:
    async with client.exec(namespace, "box", ["sh"], stdin=True, tty=True) as shell:
        await shell.resize(132, 43)
        await shell.write(b"echo $((6*7)); exit 5\n")
        said = b"".join([chunk async for channel, chunk in shell.output() if channel is Output.STDOUT])
        assert b"42" in said
        assert shell.exit_code == 5


async def test_what_cannot_be_run_says_why(client: Client, namespace: str) -> None:
    with pytest.raises(ApiError, match="no-such-program"):
        await client.run(namespace, "box", ["no-such-program"])
    with pytest.raises(NotFound, match="not found"):
        await client.run(namespace, "nobody", ["true"])
    with pytest.raises(ApiError, match="container"):
        await client.run(namespace, "box", ["true"], container="other")


async def fetch(client: Client, namespace: str, port: int = 8080) -> bytes:
    async with client.port_forward(namespace, "box", port) as connection:
        await connection.write(b"GET / HTTP/1.0\r\n\r\n")
        answer = b""
        while chunk := await connection.read():
            answer += chunk
        return answer


async def test_connections_to_a_port_carry_both_ways_many_at_once(client: Client, namespace: str) -> None:
    async with asyncio.timeout(30.0):
        while b"hello" not in await fetch(client, namespace):  # noqa: ASYNC110
            await asyncio.sleep(0.2)
        answers = await asyncio.gather(*(fetch(client, namespace) for _ in range(10)))
    assert all(answer.endswith(b"hello\n") for answer in answers)


async def test_a_port_where_nothing_listens_says_so(client: Client, namespace: str) -> None:
    with pytest.raises(ApiError, match="refused"):
        await asyncio.wait_for(fetch(client, namespace, 9), 20.0)


async def test_logs_are_followed_as_they_come(client: Client, namespace: str) -> None:
    async with asyncio.timeout(20.0):
        async for line in client.logs(namespace, "box", follow=True):
            assert line == b"serving"
            break
