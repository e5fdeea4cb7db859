"""Controllers as processes: killed, suspended, asked to end, two at a time."""

import asyncio
import os
import random
import signal
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from benchmarks.audit import AuditLog
from footplate.api.trainingjob import JobPhase
from footplate.api.workspace import WorkspacePhase
from footplate.controllers import kinds
from footplate.kube.resource import LEASE
from tests.conftest import ApiCluster
from tests.integration.controllers.conftest import Place

RUNNING = WorkspacePhase.RUNNING


class Replica:
    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self.process, self.log = process, log

    async def logged(self, text: str, timeout: float = 20.0) -> None:
        async with asyncio.timeout(timeout):
            while text not in self.log.read_text():  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    async def port(self) -> int:
        await self.logged("serving on port")
        line = next(line for line in self.log.read_text().splitlines() if "serving on port" in line)
        return int(line.rsplit(" ", 1)[1])

    async def ended(self, timeout: float = 25.0) -> int:
        return await asyncio.wait_for(self.process.wait(), timeout)


@asynccontextmanager
async def replica(place: Place, api_cluster: ApiCluster, folder: Path, pod: str) -> AsyncGenerator[Replica]:
    log = folder / f"{pod}-{random.randrange(10**6)}.log"
    command = [sys.executable, "-m", "footplate.controllers", "--kubeconfig", str(api_cluster.kubeconfig)]
    options = [
        "--context",
        api_cluster.context,
        "--namespace",
        place.system,
        "--port",
        "0",
        "--collector-port",
        "0",
        "--first-delay",
        "1s",
    ]
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *command, *options, stderr=output, env={**os.environ, "POD_NAME": pod}
        )
    try:
        yield Replica(process, log)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
            await process.wait()


async def test_killed_at_any_moment_all_comes_out_as_if_it_had_not_been(
    bare_place: Place, api_cluster: ApiCluster, tmp_path: Path
) -> None:
    place = bare_place
    small = {"cpu": "10m", "memory": "16Mi"}
    workspaces, jobs = [f"w{n}" for n in range(50)], [f"j{n}" for n in range(5)]

    async def create() -> None:
        for number, name in enumerate(workspaces):
            await place.workspace(name, resources=small)
            if number % 10 == 0:
                await place.job(jobs[number // 10], nodes=2)
            await asyncio.sleep(0.04)

    creating = asyncio.create_task(create())
    for moment in (0.9, 1.3, 1.1, 1.6):
        async with replica(place, api_cluster, tmp_path, "controllers-0") as killed:
            await killed.logged("leading as")
            await asyncio.sleep(moment * random.random())
            killed.process.kill()
            assert await killed.ended() == -signal.SIGKILL
    await creating
    async with replica(place, api_cluster, tmp_path, "controllers-0"):
        for name in workspaces:
            ws = await place.until_workspace(name, lambda w: w.status.phase is RUNNING, 60.0)
            assert ws.status.restarts == 0
        for name in jobs:
            job = await place.until_job(name, lambda j: j.status.phase is JobPhase.RUNNING, 60.0)
            assert [attempt.number for attempt in job.status.attempts] == [1]
    pods = [pod["metadata"]["name"] for pod in await place.pods()]
    assert len([name for name in pods if name in workspaces]) == 50
    assert len(pods) == 50 + 10
    batch = await place.client.list(kinds.JOB, place.namespace)
    assert sorted(job["metadata"]["name"] for job in batch.items) == [f"{name}-1" for name in jobs]


async def test_another_replica_takes_over_and_a_suspended_one_does_not_act_again(
    bare_place: Place, api_cluster: ApiCluster, tmp_path: Path
) -> None:
    place = bare_place
    async with (
        replica(place, api_cluster, tmp_path, "controllers-0") as first,
        replica(place, api_cluster, tmp_path, "controllers-1") as second,
    ):
        await asyncio.wait(
            [asyncio.ensure_future(r.logged("leading as")) for r in (first, second)],
            return_when=asyncio.FIRST_COMPLETED,
        )
        await asyncio.gather(*(r.logged("waiting to lead") for r in (first, second)))
        leader, other = (first, second) if "leading as" in first.log.read_text() else (second, first)
        assert "leading as" not in other.log.read_text()
        await place.workspace("before")
        await place.until_workspace("before", lambda w: w.status.phase is RUNNING)

        await asyncio.sleep(2.0)  # nothing is under way
        leader.process.send_signal(signal.SIGSTOP)
        stopped = time.monotonic()
        await place.workspace("during")
        await place.until_workspace("during", lambda w: w.status.phase is RUNNING, 25.0)
        assert time.monotonic() - stopped < 20.0
        audit = AuditLog(api_cluster.kubeconfig)
        leader.process.send_signal(signal.SIGCONT)
        await place.workspace("after")
        await place.until_workspace("after", lambda w: w.status.phase is RUNNING)
        assert await leader.ended() == 3
        name = "controllers-0" if leader is first else "controllers-1"
        acted = [write for write in audit.writes(f"{kinds.MANAGER}/{name}") if not write.resource.endswith("leases")]
        assert acted == []


async def test_asked_to_end_a_replica_hands_over_at_once(
    bare_place: Place, api_cluster: ApiCluster, tmp_path: Path
) -> None:
    place = bare_place
    async with replica(place, api_cluster, tmp_path, "controllers-0") as first:
        await first.logged("leading as")
        async with replica(place, api_cluster, tmp_path, "controllers-1") as second:
            await second.logged("waiting to lead")
            first.process.send_signal(signal.SIGTERM)
            asked = time.monotonic()
            assert await first.ended() == 0
            await second.logged("leading as")
            assert time.monotonic() - asked < 6.0
            await place.workspace("demo")
            await place.until_workspace("demo", lambda w: w.status.phase is RUNNING)
    lease = await place.client.get(LEASE, "footplate-controllers", place.system)
    assert lease["spec"]["leaseTransitions"] == 2


async def test_health_readiness_and_metrics_are_served(
    bare_place: Place, api_cluster: ApiCluster, tmp_path: Path
) -> None:
    async with replica(bare_place, api_cluster, tmp_path, "controllers-0") as process:
        await process.logged("leading as")
        await bare_place.workspace("demo")
        await bare_place.until_workspace("demo", lambda w: w.status.phase is RUNNING)
        base = f"http://127.0.0.1:{await process.port()}"
        async with aiohttp.ClientSession() as session:
            for path in ("/healthz", "/readyz"):
                async with session.get(base + path) as answer:
                    assert (answer.status, await answer.text()) == (200, "ok\n")
            async with session.get(f"{base}/metrics") as answer:
                metrics = await answer.text()
    for wanted in (
        'controller_runtime_reconcile_total{controller="workspace",result="success"}',
        'workqueue_depth{controller="workspace",name="workspace"} 0.0',
        'leader_election_master_status{name="footplate-controllers"} 1.0',
        'rest_client_requests_total{code="201"',
        "process_resident_memory_bytes",
    ):
        assert wanted in metrics
