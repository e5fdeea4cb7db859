"""A team's namespace and running controllers for each test, on the API server that the session shares."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from benchmarks import bare_platform
from footplate.api import TrainingJob, Workspace, labels
from footplate.api.platform import Platform
from footplate.controllers import kinds
from footplate.controllers.bounds import Bounds
from footplate.controllers.process import Options, run
from footplate.kube.client import Client
from footplate.kube.connection import Connection, load_connection
from footplate.kube.errors import KubeError, NotFound
from footplate.kube.resource import Resource
from tests.conftest import ApiCluster
from tests.integration.controllers.kubelet import Kubelet, kubelet

Json = dict[str, Any]

QUICK = Bounds(
    first_delay=timedelta(seconds=0.2), longest_delay=timedelta(seconds=2), pods_created=timedelta(seconds=2)
)


@pytest.fixture(scope="session")
def connection(api_cluster: ApiCluster) -> Connection:
    found = load_connection(api_cluster.kubeconfig, api_cluster.context)

    async def install() -> None:
        async with Client(found, user_agent="footplate-test") as client:
            await bare_platform.install_kinds(client)
            await bare_platform.install_permissions(client)

    asyncio.run(install())
    return found


@pytest.fixture
async def client(connection: Connection) -> AsyncIterator[Client]:
    async with Client(connection, user_agent="footplate-test") as found:
        yield found


class Place:
    """A team's namespace, the platform's settings beside it, and what a test does there."""

    def __init__(self, connection: Connection, client: Client, team: str) -> None:
        self.connection, self.client, self.team = connection, client, team
        self.namespace = labels.TEAM_NAMESPACE_PREFIX + team
        self.system = f"system-{team}"
        self.collector = ""
        """The address of the controllers that a test runs in its own process."""
        self.settings: Platform = bare_platform.platform([team])

    async def configure(self, **changes: Any) -> None:
        self.settings = msgspec.structs.replace(self.settings, **changes)
        await bare_platform.install_settings(self.client, self.system, self.settings)

    def options(self, **changes: Any) -> Options:
        quick = Options(self.system, port=0, collector_port=0, bounds=QUICK)
        return replace(quick, **changes)

    @asynccontextmanager
    async def controllers(self, **changes: Any) -> AsyncGenerator[asyncio.Task[None]]:
        stop, served = asyncio.Event(), asyncio.Event()

        def heard(port: int, collector: int) -> None:
            self.collector = f"http://127.0.0.1:{collector}"
            served.set()

        task = asyncio.create_task(
            run(
                bare_platform.as_controllers(self.connection),
                self.options(**changes),
                stop,
                serves=heard,
            )
        )
        await asyncio.wait((task, asyncio.ensure_future(served.wait())), return_when=asyncio.FIRST_COMPLETED)
        try:
            yield task
        finally:
            stop.set()
            await asyncio.wait_for(task, 20.0)

    async def workspace(self, name: str, **spec: Any) -> None:
        body = {"environment": bare_platform.ENVIRONMENT, "home": {"size": "0"}, "owner": "alice", **spec}
        if "image" in spec:
            del body["environment"]
        await self.client.create(kinds.WORKSPACE, {"metadata": {"name": name}, "spec": body}, self.namespace)

    async def job(self, name: str, **spec: Any) -> None:
        small = {"cpu": "100m", "memory": "64Mi"}
        body = {"environment": bare_platform.ENVIRONMENT, "command": ["true"], "resources": small, **spec}
        await self.client.create(kinds.TRAINING_JOB, {"metadata": {"name": name}, "spec": body}, self.namespace)

    async def patch(self, resource: Resource, name: str, spec: Json) -> None:
        await self.client.patch(resource, name, {"spec": spec}, self.namespace)

    async def until_workspace(
        self, name: str, predicate: Callable[[Workspace], bool], timeout: float = 15.0
    ) -> Workspace:
        """With its status in the failure, where it does not come to that."""
        return await self._until(kinds.WORKSPACE, name, Workspace, predicate, timeout)

    async def until_job(
        self, name: str, predicate: Callable[[TrainingJob], bool], timeout: float = 15.0
    ) -> TrainingJob:
        return await self._until(kinds.TRAINING_JOB, name, TrainingJob, predicate, timeout)

    async def _until(self, resource: Resource, name: str, type: Any, predicate: Any, timeout: float) -> Any:
        last: Any = None

        def judge(found: Json | None) -> bool:
            nonlocal last
            last = msgspec.convert(found, type) if found else None
            return last is not None and predicate(last)

        try:
            await self.client.wait(resource, name, self.namespace, judge, timeout)
        except TimeoutError:
            status = msgspec.to_builtins(last.status) if last else None
            pytest.fail(f"{resource.kind} {name} was not as expected within {timeout} s: {status}")
        return last

    async def new_pod(self, name: str, seen: set[str]) -> None:
        """Waits for a pod of the name that is not among `seen`, and adds it."""

        def judge(found: Json | None) -> bool:
            return found is not None and found["metadata"]["uid"] not in seen

        pod = await self.client.wait(kinds.POD, name, self.namespace, judge, 15.0)
        assert pod is not None
        seen.add(pod["metadata"]["uid"])

    async def gone(self, resource: Resource, name: str, timeout: float = 15.0) -> None:
        await self.client.wait(resource, name, self.namespace, lambda found: found is None, timeout)

    async def no_pods(self, timeout: float = 15.0) -> None:
        async with asyncio.timeout(timeout):
            while await self.pods():  # noqa: ASYNC110
                await asyncio.sleep(0.1)

    async def pods(self, **labelled: str) -> list[Json]:
        return (await self.client.list(kinds.POD, self.namespace, labels=labelled)).items


@pytest.fixture
async def place(connection: Connection, client: Client) -> AsyncIterator[Place]:
    """Set up and running; the controllers are the test's to start with `place.controllers()` where it takes `bare_place`."""
    async with _place(connection, client) as found, found.controllers():
        yield found


@pytest.fixture
async def bare_place(connection: Connection, client: Client) -> AsyncIterator[Place]:
    async with _place(connection, client) as found:
        yield found


@pytest.fixture
async def node(place: Place) -> AsyncIterator[Kubelet]:
    async with kubelet(place.client, place.namespace) as played:
        yield played


@asynccontextmanager
async def _place(connection: Connection, client: Client) -> AsyncGenerator[Place]:
    found = Place(connection, client, f"t{secrets.token_hex(4)}")
    await found.configure()
    await bare_platform.install_team(client, found.team)
    try:
        yield found
    finally:
        for resource in (kinds.WORKSPACE, kinds.TRAINING_JOB):
            await client.request("DELETE", resource.path(found.namespace))
        for pod in (await client.list(kinds.POD, found.namespace)).items:
            try:
                await client.delete(kinds.POD, pod["metadata"]["name"], found.namespace, grace_seconds=0)
            except (NotFound, KubeError):
                pass
        for namespace in (found.namespace, found.system):
            await client.delete(bare_platform.NAMESPACE, namespace)
