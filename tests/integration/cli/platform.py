"""A platform on the API server that the session shares: kinds, settings, a team, controllers, an object store, and a
kubelet that serves logs, exec and port-forward for pods that are only written down.

`PLATFORM` is what tests of the command line and of the SDK work on; both take its fixtures from here.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
import yaml

from benchmarks import bare_platform
from devcluster import artifacts, build, paths
from devcluster.progress import ConsoleProgress
from footplate.api import usage
from footplate.api.platform import OBJECT_STORE_SECRET, ObjectStore
from footplate.client.kinds import NODE, POD, SECRET
from footplate.kube.client import Client
from footplate.kube.connection import Connection, load_connection
from footplate.kube.errors import NotFound
from tests.conftest import ApiCluster

Json = dict[str, Any]
T = TypeVar("T")

#: Where the pods' port 8888 leads to, and what their containers print.
BACKEND, LOG = "backend", "pod.log"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def program(name: str) -> Path:
    from rich.console import Console

    wanted = [tool for tool in artifacts.TOOLS if name in tool.packages]
    return build.ensure(wanted, paths.cache_directory(), ConsoleProgress(Console(stderr=True)))[name]


@contextlib.contextmanager
def process(command: list[str], port: int, log: Path, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """Runs until the end of the block; entered when it listens."""
    with log.open("wb") as out:
        running = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env={**os.environ, **environment}
        )
    try:
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            assert running.poll() is None, log.read_text()
            asyncio.run(asyncio.sleep(0.1))
        yield running
    finally:
        running.send_signal(signal.SIGTERM)
        try:
            running.wait(20)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


@dataclass(frozen=True)
class Platform:
    connection: Connection
    kubeconfig: Path
    context: str
    team: str
    system: str
    store: str
    """The object store's endpoint."""
    bucket: Path
    """Where the store keeps the bucket's objects."""
    collector_port: int = field(default_factory=free_port)
    """On which its controllers, where they run, listen to pods."""

    @property
    def namespace(self) -> str:
        return f"team-{self.team}"

    def environment(self, data: Path) -> dict[str, str]:
        """Of commands."""
        return {
            "KUBECONFIG": str(self.kubeconfig),
            "FOOTPLATE_SYSTEM_NAMESPACE": self.system,
            "FOOTPLATE_DATA": str(data),
            "FOOTPLATE_OWNER": "ada",
        }

    def kube(self, work: Callable[[Client], Awaitable[T]]) -> T:
        """For tests that are not asynchronous: the commands that they call bring their own loops."""

        async def run() -> T:
            async with Client(self.connection, user_agent="footplate-test") as client:
                return await work(client)

        return asyncio.run(run())

    def settings(self, *teams: str) -> Mapping[str, Any]:
        settings = bare_platform.platform(teams or [self.team])
        store = ObjectStore(endpoint=self.store)
        return {"data": msgspec.structs.replace(settings, object_store=store).to_config_map_data()}


@pytest.fixture(scope="session")
def object_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    root = tmp_path_factory.mktemp("s3")
    (root / "footplate").mkdir()
    port = free_port()
    command = [str(program("versitygw")), "--access", "key", "--secret", "secret-key", "--port", f"127.0.0.1:{port}"]
    with process([*command, "posix", str(root)], port, root.parent / "s3.log"):
        yield f"http://127.0.0.1:{port}", root / "footplate"


@pytest.fixture(scope="module")
def platform(
    api_cluster: ApiCluster, object_store: tuple[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """With controllers that run: workspaces and jobs on the cluster's simulated nodes come to life by themselves.

    Of a module, and not of the session: they would refuse what other tests do for platforms of their own.
    """
    with installed(api_cluster, object_store) as made:
        port = free_port()
        command = [sys.executable, "-m", "footplate.controllers", "--kubeconfig", str(made.kubeconfig)]
        command += ["--namespace", made.system, "--port", str(port), "--collector-port", str(made.collector_port)]
        with process(command, port, tmp_path_factory.mktemp("controllers") / "log", POD_NAME="", POD_NAMESPACE=""):
            yield made
            made.kube(lambda client: _empty(client, made))


@contextlib.contextmanager
def installed(api_cluster: ApiCluster, object_store: tuple[str, Path]) -> Iterator[Platform]:
    """Without controllers: what a test writes stays."""
    suffix = secrets.token_hex(3)
    connection = load_connection(api_cluster.kubeconfig, api_cluster.context)
    endpoint, bucket = object_store
    made = Platform(
        connection, api_cluster.kubeconfig, api_cluster.context, f"c{suffix}", f"system-{suffix}", endpoint, bucket
    )
    made.kube(lambda client: _install(client, made))
    try:
        yield made
    finally:
        made.kube(lambda client: _empty(client, made))
        made.kube(lambda client: _remove(client, made))


async def _install(client: Client, made: Platform) -> None:
    await bare_platform.install_kinds(client)
    await bare_platform.install_environment(client, "pytorch", "footplate.local/pytorch:test")
    await client.apply(bare_platform.NAMESPACE, {"metadata": {"name": made.system}})
    await bare_platform.install_team(client, made.team)
    await write_settings(client, made)
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret-key"}
    secret = {"metadata": {"name": OBJECT_STORE_SECRET, "namespace": made.namespace}, "stringData": keys}
    await client.apply(SECRET, secret)


async def write_settings(client: Client, made: Platform, *teams: str) -> None:
    from footplate.api.platform import CONFIG_MAP as NAME
    from footplate.client.kinds import CONFIG_MAP

    body = {"metadata": {"name": NAME, "namespace": made.system}, **made.settings(*teams)}
    await client.apply(CONFIG_MAP, body)
    await client.apply(CONFIG_MAP, {"metadata": {"name": usage.CONFIG_MAP, "namespace": made.system}})


async def _empty(client: Client, made: Platform) -> None:
    from footplate.client.kinds import TRAINING_JOB, WORKSPACE

    for resource in (WORKSPACE, TRAINING_JOB):
        await client.request("DELETE", resource.path(made.namespace))


async def _remove(client: Client, made: Platform) -> None:
    for pod in (await client.list(POD, made.namespace)).items:
        with contextlib.suppress(NotFound):
            await client.delete(POD, pod["metadata"]["name"], made.namespace, grace_seconds=0)
    for namespace in (made.namespace, made.system):
        await client.delete(bare_platform.NAMESPACE, namespace)


@dataclass(frozen=True)
class Kubelet:
    """A node on which nothing runs. Its pods' logs, commands and ports are this machine's: a file, processes, a server."""

    platform: Platform
    node: str
    log: Path
    """In the format of container logs (CRI): time, stream, `F`, text."""
    backend: int
    """The port that pods' 8888 leads to."""
    run: Path
    """The run directory of all pods."""

    def pod(self, name: str, labels: Mapping[str, str], **metadata: Any) -> None:
        """A pod whose main container runs."""
        self.platform.kube(lambda client: self._pod(client, name, labels, metadata))

    async def _pod(self, client: Client, name: str, labels: Mapping[str, str], metadata: Mapping[str, Any]) -> None:
        namespace = self.platform.namespace
        secure = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
        container = {"name": "main", "image": "none", "securityContext": secure}
        spec = {
            "nodeName": self.node,
            "initContainers": [{**container, "name": "agent", "restartPolicy": "Always"}],
            "containers": [container],
            "automountServiceAccountToken": False,
            "serviceAccountName": "job",
            "terminationGracePeriodSeconds": 0,
            "tolerations": [{"operator": "Exists"}],
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        }
        await client.create(
            POD, {"metadata": {"name": name, "labels": dict(labels), **metadata}, "spec": spec}, namespace
        )
        await self.set_state(client, name, {"running": {"startedAt": "2026-01-01T00:00:00Z"}}, "Running")

    async def set_state(self, client: Client, name: str, state: Json, phase: str) -> None:
        status = {
            "phase": phase,
            "containerStatuses": [
                {"name": "main", "image": "none", "imageID": "", "ready": True, "restartCount": 0, "state": state}
            ],
        }
        await client.patch(POD, name, {"status": status}, self.platform.namespace, subresource="status")

    def end(self, name: str, code: int, at: str = "2026-01-01T00:01:00Z") -> None:
        state = {"terminated": {"exitCode": code, "finishedAt": at, "startedAt": "2026-01-01T00:00:00Z"}}
        phase = "Failed" if code else "Succeeded"
        self.platform.kube(lambda client: self.set_state(client, name, state, phase))

    def delete_pod(self, name: str) -> None:
        namespace = self.platform.namespace
        self.platform.kube(lambda client: client.delete(POD, name, namespace, grace_seconds=0))


def _kwok_config(log: Path, backend: int, run: Path) -> str:
    """Stages that fit nothing: this KWOK only serves, and the test writes what becomes of pods and nodes."""
    version = "kwok.x-k8s.io/v1alpha1"
    values = {"FOOTPLATE_RUN_DIR": str(run), "PYTHONPATH": str(Path(__file__).parents[3])}
    envs = [{"name": name, "value": value} for name, value in values.items()]
    documents: list[Json] = [
        {"kind": "ClusterLogs", "spec": {"logs": [{"logsFile": str(log), "follow": True}]}},
        {"kind": "ClusterExec", "spec": {"execs": [{"local": {"workDir": "/", "envs": envs}}]}},
        {
            "kind": "ClusterPortForward",
            "spec": {"forwards": [{"ports": [8888], "target": {"port": backend, "address": "127.0.0.1"}}]},
        },
    ]
    for kind in ("Pod", "Node"):
        reference = {"apiGroup": "v1", "kind": kind}
        spec = {"resourceRef": reference, "selector": {"matchLabels": {"no": "such"}}, "next": {"delete": True}}
        documents.append({"kind": "Stage", "spec": spec})
    named = [
        {"apiVersion": version, "metadata": {"name": f"test-{number}"}, **body} for number, body in enumerate(documents)
    ]
    return yaml.safe_dump_all(named)


@pytest.fixture(scope="module")
def kubelet(platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubelet]:
    pki = platform.kubeconfig.parent / "pki"
    if not (pki / "kubelet.key").exists():
        pytest.skip("needs the keys of an embedded cluster, to serve as one of its kubelets")
    scratch = tmp_path_factory.mktemp("kubelet")
    port, backend = free_port(), free_port()
    made = Kubelet(platform, f"served-{platform.team}", scratch / LOG, backend, scratch / "run")
    made.log.touch()
    made.run.mkdir()
    config = scratch / "kwok.yaml"
    config.write_text(_kwok_config(made.log, backend, made.run))
    command = [str(program("kwok")), "--kubeconfig", str(platform.kubeconfig), "--config", str(config)]
    command += ["--manage-nodes-with-annotation-selector=footplate.dev/none=none", f"--node-port={port}"]
    command += [f"--server-address=127.0.0.1:{port}"]
    command += ["--tls-cert-file", str(pki / "kubelet.crt"), "--tls-private-key-file", str(pki / "kubelet.key")]
    platform.kube(lambda client: _node(client, made.node, port))
    try:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        with process(command, port, scratch / "kwok.log", PATH=path):
            yield made
    finally:
        platform.kube(lambda client: client.delete(NODE, made.node))


async def _node(client: Client, name: str, port: int) -> None:
    unschedulable = {"unschedulable": True}
    await client.apply(NODE, {"metadata": {"name": name}, "spec": unschedulable})
    status = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
    }
    await client.apply(NODE, {"metadata": {"name": name}, "status": status}, subresource="status")
