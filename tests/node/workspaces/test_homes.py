"""Homes with real pods, real restic and a real object store: nothing that was acknowledged is lost, whatever happens.

`FOOTPLATE_CYCLES=200` runs the cycles as long as docs/workspaces.md says they were run.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from devcluster import processes
from footplate.api import Workspace
from footplate.api.platform import HomePolicy, IdlePolicy, ObjectStore
from footplate.api.workspace import WorkspacePhase
from footplate.client import homes
from footplate.client import workspaces as client
from footplate.client.session import Session
from footplate.client.workspaces import Wait
from footplate.controllers import kinds
from footplate.controllers.bounds import Bounds
from footplate.errors import WorkloadFailed
from footplate.kube.errors import ApiError, KubeError, NotFound
from tests.conftest import NodeCluster
from tests.integration.controllers.conftest import Place
from tests.node.workspaces.conftest import SMALL, START, Workspaces

Json = dict[str, Any]

CYCLES = int(os.environ.get("FOOTPLATE_CYCLES") or 5)
AT_ONCE = 1 if CYCLES < 20 else 4
SEED = int(os.environ.get("FOOTPLATE_SEED") or random.SystemRandom().randrange(10**6))
PATIENCE = 180.0
HOME: Json = {"size": "1Gi"}
QUICK = Bounds(
    first_delay=timedelta(seconds=0.2),
    longest_delay=timedelta(seconds=2),
    snapshot=timedelta(seconds=60),
    home_retry=timedelta(seconds=4),
)

pytestmark = pytest.mark.timeout(900 + 60 * CYCLES)

#: Counts on from what is there; says a number when it is on the disk.
WRITER = """
import os, pathlib, sys, time
path = pathlib.Path.home() / "acknowledged"
count = int(path.read_bytes().split()[-1]) if path.exists() and path.read_bytes() else 0
with path.open("ab") as file:
    os.fsync(os.open(path.parent, os.O_RDONLY))
    while True:
        count += 1
        file.write(b"%d\\n" % count)
        file.flush()
        os.fsync(file.fileno())
        print(count, flush=True)
        time.sleep(0.005)
"""


@pytest.fixture
async def saving(bare: Workspaces, node_cluster: NodeCluster) -> AsyncIterator[Workspaces]:
    """Without controllers."""
    place, store = bare.place, node_cluster.object_store
    keys = {"AWS_ACCESS_KEY_ID": store.access_key, "AWS_SECRET_ACCESS_KEY": store.secret_key}
    secret = {"metadata": {"name": "footplate-object-store"}, "stringData": keys}
    await place.client.create(kinds.SECRET, secret, place.namespace)
    state = f"s3://{store.bucket}/{place.team}/state"
    await place.configure(state_uri=state, homes=HomePolicy(), idle=IdlePolicy(timeout="0s"))
    yield bare


@asynccontextmanager
async def session(place: Place) -> AsyncGenerator[Session]:
    environ = {"FOOTPLATE_SYSTEM_NAMESPACE": place.system, "FOOTPLATE_OWNER": "alice"}
    async with Session(team=place.team, environ=environ, connection=place.connection) as found:
        yield found


async def sh(place: Place, name: str, script: str) -> str:
    done = await place.client.run(place.namespace, name, ["sh", "-c", script])
    assert done.exit_code == 0, done.stderr
    return done.stdout.decode().strip()


async def test_the_life_of_a_home(saving: Workspaces) -> None:
    place, wait = saving.place, Wait(PATIENCE)
    async with place.controllers(bounds=QUICK), session(place) as me:
        await saving.start("mine", mine={"home": HOME, "resources": SMALL})
        await sh(place, "mine", "echo one > notes; mkdir work; echo kept > work/file")
        first = await homes.snapshot(me, "mine", wait)
        assert first is not None and "saved and verified" in first.message

        # A single file, while it runs, without what it is now being lost.
        await sh(place, "mine", "echo two > notes")
        await homes.restore(me, "mine", "latest", ["notes"], ".", wait)
        assert await sh(place, "mine", "cat notes; cat notes.before-*") == "one\ntwo"
        with pytest.raises(WorkloadFailed, match="There is no nothing in snapshot"):
            await homes.restore(me, "mine", "latest", ["nothing"], None, wait)

        # The store is away as it stops: it stops, says so, and is saved as soon as that is possible.
        await sh(place, "mine", "echo three > notes; sync")
        there = place.settings.object_store
        await place.configure(object_store=ObjectStore(endpoint=f"{there.endpoint.rpartition(':')[0]}:1"))
        await client.set_state(me, "mine", "Stopped")
        stopped = await client.until_stopped(me, "mine", wait)
        assert "could not be saved: the object store" in (stopped.status.message or "")
        await place.configure(object_store=there)
        saved = await place.until_workspace("mine", _snapshotted, PATIENCE)
        assert saved.status.home is not None and saved.status.home.snapshots[0].size

        # All of it, to what it was before; then from there to a workspace of its own.
        ids = [one.id for one in saved.status.home.snapshots]
        await homes.restore(me, "mine", ids[-1], [], None, wait)
        await client.set_state(me, "mine", "Running")
        await client.until_running(me, "mine", wait)
        assert await sh(place, "mine", "cat notes work/file; ls") == "one\nkept\nnotes\nwork"
        await client.set_state(me, "mine", "Stopped")
        await client.until_stopped(me, "mine", wait)
        await homes.clone(me, "mine", "other", ids[0], None, wait)
        await client.until_running(me, "other", wait)
        assert (await sh(place, "other", "cat notes")).split() == ["three"]
        await place.client.request("DELETE", kinds.WORKSPACE.path(place.namespace))


def _snapshotted(ws: Workspace) -> bool:
    found = next((c for c in ws.status.conditions if c.type == "Snapshotted"), None)
    return found is not None and found.status == "True" and ws.status.phase is WorkspacePhase.STOPPED


@dataclass
class User:
    """Writes all the time, and remembers what was acknowledged."""

    place: Place
    name: str
    acknowledged: int = 0
    pods: set[str] = field(default_factory=set[str])
    happened: list[str] = field(default_factory=list[str])

    async def write(self) -> None:
        """Until the pod ends."""
        command = ["python3", "-c", WRITER]
        held = b""
        with suppress(ApiError, KubeError):
            async with self.place.client.exec(self.place.namespace, self.name, command) as process:
                async for _, chunk in process.output():
                    *lines, held = (held + chunk).split(b"\n")
                    numbers = [int(line) for line in lines if line.isdigit()]
                    self.acknowledged = max([self.acknowledged, *numbers])

    async def check(self) -> None:
        """All that was acknowledged is there, and nothing is torn."""
        text = await sh(self.place, self.name, "cat acknowledged 2>/dev/null || true")
        numbers = [int(line) for line in text.split()]
        assert numbers == list(range(1, len(numbers) + 1)), f"{self.name} after {self.happened}"
        assert len(numbers) >= self.acknowledged, f"{self.name} after {self.happened} (seed {SEED})"


class Cycles:
    def __init__(self, place: Place, cluster: NodeCluster, chance: random.Random) -> None:
        self.place, self._chance = place, chance
        self._store = processes.of_component(cluster.kubeconfig.parent, "versitygw")
        assert self._store, "the object store's process is not found"

    async def run(self, user: User, cycles: int) -> None:
        for _ in range(cycles):
            await self._running(user)
            await user.check()
            writing = asyncio.create_task(user.write())
            await asyncio.sleep(self._chance.uniform(0.5, 3.0))
            end = self._chance.choice(("stop", "stop", "stop", "kill", "evict", "processes"))
            user.happened.append(end)
            await getattr(self, f"_{end}")(user)
            await asyncio.wait_for(writing, PATIENCE)
            print(
                f"{user.name} {len(user.happened)}: {user.happened[-1]}, {user.acknowledged} acknowledged", flush=True
            )

    async def finish(self, user: User) -> None:
        """What the last snapshot has is what was acknowledged."""
        place = self.place
        await place.patch(kinds.WORKSPACE, user.name, {"desiredState": "Stopped"})
        await place.until_workspace(user.name, _snapshotted, PATIENCE)
        async with session(place) as me:
            await homes.clone(me, user.name, f"{user.name}-again", "latest", None, Wait(PATIENCE))
            await client.until_running(me, f"{user.name}-again", Wait(PATIENCE))
        await User(place, f"{user.name}-again", user.acknowledged, happened=user.happened).check()

    async def _running(self, user: User) -> None:
        """In a pod of its own."""
        await self.place.patch(kinds.WORKSPACE, user.name, {"desiredState": "Running"})
        pod = await self.place.client.wait(
            kinds.POD, user.name, self.place.namespace, lambda found: _ready(found, user.pods), START
        )
        assert pod is not None
        user.pods.add(pod["metadata"]["uid"])

    async def _stop(self, user: User) -> None:
        """And what may happen to a stop."""
        place = self.place
        during = self._chance.choice(("", "kill the snapshot", "store hangs", "start at once"))
        user.happened[-1] += f", {during}" if during else ""
        await place.patch(kinds.WORKSPACE, user.name, {"desiredState": "Stopped"})
        if during == "start at once":
            await place.client.wait(kinds.POD, user.name, place.namespace, _ends, PATIENCE)
            await asyncio.sleep(self._chance.uniform(0.0, 6.0))
            return
        if during == "kill the snapshot":
            await self._kill_snapshot(user)
        elif during == "store hangs":
            await self._hang(self._chance.uniform(1.0, 6.0))
        await place.until_workspace(user.name, lambda ws: ws.status.phase is WorkspacePhase.STOPPED, PATIENCE)

    async def _kill_snapshot(self, user: User) -> None:
        for _ in range(100):
            pods = await self.place.pods(**{"footplate.dev/home": user.name})
            if any(pod["status"].get("phase") == "Running" for pod in pods):
                break
            await asyncio.sleep(0.1)
        for pod in await self.place.pods(**{"footplate.dev/home": user.name}):
            with suppress(NotFound):
                await self.place.client.delete(
                    kinds.POD, pod["metadata"]["name"], self.place.namespace, grace_seconds=0
                )

    async def _hang(self, seconds: float) -> None:
        for process in self._store:
            os.kill(process.pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            for process in self._store:
                os.kill(process.pid, signal.SIGCONT)

    async def _kill(self, user: User) -> None:
        """Not at once from the API: then its processes could go on beside those of the next."""
        await self.place.client.delete(kinds.POD, user.name, self.place.namespace, grace_seconds=1)

    async def _evict(self, user: User) -> None:
        path = kinds.POD.path(self.place.namespace, user.name, "eviction")
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": user.name}}
        await self.place.client.request("POST", path, body=eviction)

    async def _processes(self, user: User) -> None:
        with suppress(ApiError, KubeError):
            await self.place.client.run(self.place.namespace, user.name, ["sh", "-c", "kill -9 -1"])


def _ready(pod: Json | None, known: set[str]) -> bool:
    if pod is None or pod["metadata"]["uid"] in known or "deletionTimestamp" in pod["metadata"]:
        return False
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))


def _ends(pod: Json | None) -> bool:
    return pod is None or "deletionTimestamp" in pod["metadata"]


async def restarts(place: Place, chance: random.Random) -> None:
    """The controllers end and come again, all the time."""
    while True:
        async with place.controllers(bounds=QUICK):
            await asyncio.sleep(chance.uniform(5.0, 20.0))


async def test_no_acknowledged_write_is_lost(saving: Workspaces, node_cluster: NodeCluster) -> None:
    place = saving.place
    chance = random.Random(SEED)
    print(f"FOOTPLATE_SEED={SEED}")
    users = [User(place, f"writer-{number}") for number in range(AT_ONCE)]
    for user in users:
        await place.workspace(user.name, resources=SMALL, home=HOME)
    cycles = Cycles(place, node_cluster, chance)
    others = asyncio.create_task(restarts(place, chance))
    try:
        await asyncio.gather(*(cycles.run(user, CYCLES // AT_ONCE) for user in users))
    finally:
        others.cancel()
        with suppress(asyncio.CancelledError):
            await others
    async with place.controllers(bounds=QUICK):
        await asyncio.gather(*(cycles.finish(user) for user in users))
    print(f"{CYCLES} cycles, {sum(user.acknowledged for user in users)} writes acknowledged, none lost")
    assert sum(user.acknowledged for user in users) > CYCLES
