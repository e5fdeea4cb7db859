"""500 Workspaces created at once on 50 simulated nodes: how fast they are Ready, and at what cost.

Beside it, on the same cluster in the same run: bare pods from one asyncio loop (the floor that the API server, scheduler
and simulated kubelets set), and kubespawner. Pods on simulated nodes become ready at once, so only control planes are
compared. One client process creates the objects over 32 connections in each case.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import bare_platform, controllers
from benchmarks.audit import AuditLog
from benchmarks.controllers import Controllers
from footplate.controllers import kinds
from footplate.kube.client import Client
from footplate.kube.connection import Connection
from footplate.kube.errors import Gone
from footplate.kube.resource import Resource

Json = dict[str, Any]

CONNECTIONS = 32
TIMEOUT = 300.0
SYSTEM = "footplate-system"
SMALL = {"cpu": "10m", "memory": "16Mi"}


@dataclass
class Result:
    name: str
    count: int
    ready: int
    seconds: float
    cpu: float | None = None
    """Seconds of the control plane's process."""
    rss_mib: float | None = None
    own_writes: float | None = None
    """Requests that write, by that process, per object."""
    all_writes: float | None = None
    """By anybody, per object, the benchmark's own aside."""
    writes: dict[str, float] = field(default_factory=dict[str, float])

    @property
    def rate(self) -> float:
        return self.ready / self.seconds if self.seconds else 0.0


async def measure(connection: Connection, kubeconfig: Path, count: int) -> list[Result]:
    async with Client(connection, user_agent="benchmark", connections=CONNECTIONS) as client:
        await bare_platform.install_kinds(client)
        await bare_platform.install_settings(client, SYSTEM, bare_platform.platform(["bench"]))
        results = [await floor(client, kubeconfig, count)]
        results.append(await workspaces(client, kubeconfig, count))
        results.append(await kubespawner(client, kubeconfig, count))
    return results


async def floor(client: Client, kubeconfig: Path, count: int) -> Result:
    async with _namespace(client, "floor") as namespace:
        audit = AuditLog(kubeconfig)
        seconds = await created_and_ready(
            client, kinds.POD, namespace, [_bare_pod(number) for number in range(count)], _pod_ready
        )
        result = Result("bare pods from a loop (floor)", count, count, seconds)
        return _count_writes(result, audit, own="benchmark")


async def workspaces(client: Client, kubeconfig: Path, count: int) -> Result:
    namespace = await bare_platform.install_team(client, "bench")
    spec = {"environment": bare_platform.ENVIRONMENT, "home": {"size": "0"}, "owner": "bench", "resources": SMALL}
    bodies = [{"metadata": {"name": f"ws-{number}"}, "spec": spec} for number in range(count)]
    async with warm(client, kubeconfig) as process:
        audit = AuditLog(kubeconfig)
        cpu = process.cpu
        seconds = await created_and_ready(client, kinds.WORKSPACE, namespace, bodies, having("Ready"))
        used, memory = process.cpu - cpu, process.rss_mib
        await asyncio.sleep(3.0)
        result = Result("Footplate Workspaces", count, count, seconds, used, memory)
        _count_writes(result, audit, own=kinds.MANAGER)
        await client.request("DELETE", kinds.WORKSPACE.path(namespace))
        await emptied(client, kinds.POD, namespace)
    await client.delete(bare_platform.NAMESPACE, namespace)
    return result


async def kubespawner(client: Client, kubeconfig: Path, count: int) -> Result:
    async with _namespace(client, "kubespawner") as namespace:
        audit = AuditLog(kubeconfig)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.kubespawner_run", namespace, str(count), str(TIMEOUT)),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "KUBECONFIG": str(kubeconfig)},
        )
        output, _ = await process.communicate()
        if process.returncode or not output.strip():
            raise RuntimeError(f"kubespawner ended with exit code {process.returncode}")
        found = json.loads(output)
        result = Result("kubespawner 7", count, found["ready"], found["seconds"], found["cpu"], found["rss"] / 2**20)
        return _count_writes(result, audit, own="OpenAPI-Generator")


@asynccontextmanager
async def warm(client: Client, kubeconfig: Path) -> AsyncGenerator[Controllers]:
    """The controllers, after a first workspace made what those of a team share."""
    async with controllers.started(kubeconfig) as process:
        team = f"{bare_platform.labels.TEAM_NAMESPACE_PREFIX}bench"
        spec = {"environment": bare_platform.ENVIRONMENT, "home": {"size": "0"}, "owner": "bench", "resources": SMALL}
        await created_and_ready(
            client, kinds.WORKSPACE, team, [{"metadata": {"name": "first"}, "spec": spec}], having("Ready")
        )
        await client.delete(kinds.WORKSPACE, "first", team)
        await emptied(client, kinds.POD, team)
        yield process


@asynccontextmanager
async def _namespace(client: Client, name: str) -> AsyncGenerator[str]:
    await client.apply(bare_platform.NAMESPACE, {"metadata": {"name": name}}, manager=bare_platform.MANAGER)
    account = {"metadata": {"name": "default", "namespace": name}}
    await client.apply(bare_platform.SERVICE_ACCOUNT, account, manager=bare_platform.MANAGER)
    try:
        yield name
    finally:
        await client.request("DELETE", kinds.POD.path(name))
        await emptied(client, kinds.POD, name)
        await client.delete(bare_platform.NAMESPACE, name)


async def created_and_ready(
    client: Client,
    resource: Resource,
    namespace: str,
    bodies: list[Json],
    ready: Callable[[Json], bool],
    timeout: float = TIMEOUT,
) -> float:
    """Seconds from the first request to the moment when the watch has shown the last one ready."""
    listing = await client.list(resource, namespace)
    names = {body["metadata"]["name"] for body in bodies}
    started = time.perf_counter()

    async def create() -> None:
        await asyncio.gather(*(client.create(resource, body, namespace) for body in bodies))

    async with asyncio.timeout(timeout), asyncio.TaskGroup() as group:
        group.create_task(create())
        await shown(client, resource, namespace, names, ready, listing.resource_version)
    return time.perf_counter() - started


async def shown(
    client: Client, resource: Resource, namespace: str, names: set[str], holds: Callable[[Json], bool], version: str
) -> None:
    """Until the watch from `version` on has shown each of `names` as wanted."""
    while names:
        try:
            events = client.watch(resource, namespace, resource_version=version)
            async with aclosing(events):
                async for event in events:
                    version = event.resource_version
                    if event.type != "BOOKMARK" and holds(event.object):
                        names.discard(event.object["metadata"]["name"])
                    if not names:
                        break
        except Gone:
            listing = await client.list(resource, namespace)
            names -= {one["metadata"]["name"] for one in listing.items if holds(one)}
            version = listing.resource_version


async def emptied(client: Client, resource: Resource, namespace: str, timeout: float = TIMEOUT) -> None:
    async with asyncio.timeout(timeout):
        while (await client.list(resource, namespace)).items:  # noqa: ASYNC110
            await asyncio.sleep(0.5)


def _count_writes(result: Result, audit: AuditLog, own: str) -> Result:
    writes = [write for write in audit.writes() if not write.resource.endswith("leases")]
    mine = Counter(write.kind for write in writes if write.agent.startswith(own))
    others = [write for write in writes if not write.agent.startswith("benchmark") or own == "benchmark"]
    result.own_writes = mine.total() / result.count
    result.all_writes = len(others) / result.count
    result.writes = {kind: round(number / result.count, 3) for kind, number in mine.most_common()}
    return result


def _bare_pod(number: int) -> Json:
    container = {"name": "main", "image": "jupyter:test", "resources": {"requests": SMALL}}
    return {"metadata": {"name": f"pod-{number}"}, "spec": {"containers": [container]}}


def _pod_ready(pod: Json) -> bool:
    return having("Ready")(pod)


def having(condition: str) -> Callable[[Json], bool]:
    return lambda obj: bare_platform.holds(obj, condition)


def as_json(results: list[Result]) -> list[Json]:
    return [{**asdict(result), "rate": result.rate} for result in results]


Measurement = Callable[[Connection, Path, int], Awaitable[list[Result]]]
