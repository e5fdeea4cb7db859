"""An idle workspace is told that a job waits for its GPUs, and stops for it; one that is used or kept does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from footplate.api.platform import IdlePolicy, Reporting
from footplate.api.trainingjob import JobPhase
from footplate.api.workspace import WorkspacePhase
from footplate.controllers import kinds
from tests.integration.controllers.agents import Agent
from tests.integration.controllers.conftest import QUICK, Place
from tests.integration.controllers.kubelet import Kubelet, kubelet
from tests.integration.controllers.test_training_jobs import pod_of

Json = dict[str, Any]
BOUNDS = replace(QUICK, preempt=timedelta(seconds=1))


def wanted(ws: Any) -> bool:
    return ws.status.activity is not None and ws.status.activity.claimed_by is not None


async def test_an_idle_workspace_gives_its_gpus_to_a_job_that_waits(bare_place: Place) -> None:
    place = bare_place
    async with holding(place, "idle", "kept", notice="4s") as (node, resources, agents):
        until = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
        await place.patch(kinds.WORKSPACE, "kept", {"idle": {"keepUntil": until}})
        async with reporting(*agents):
            await place.until_workspace("idle", lambda ws: ws.status.activity.state == "Idle")
            await place.job("train", resources=resources, priority="batch")
            told = await place.until_workspace("idle", wanted, 20.0)
            job = f"job {place.namespace}/train"
            assert (told.status.activity.claimed_by, told.spec.desired_state) == (job, "Running")
            assert f"J{job[1:]} waits for its GPU. It stops at " in (told.status.message or "")
            assert "footplate workspace extend idle" in (told.status.message or "")
            stopped = await place.until_workspace("idle", lambda ws: ws.status.phase is WorkspacePhase.STOPPED, 20.0)
            assert (stopped.status.message or "").endswith(f"and {job} waited for its GPU.")
            await node.running(await pod_of(place, "train", 1, 0))
            await place.until_job("train", lambda found: found.status.phase is JobPhase.RUNNING)
            kept = await place.until_workspace("kept", lambda ws: ws.status.activity.state == "Idle")
            assert kept.status.activity.claimed_by is None


async def test_who_is_told_keeps_its_gpus_by_using_them_or_when_nothing_waits_any_more(bare_place: Place) -> None:
    place = bare_place
    async with holding(place, "mine", notice="30m") as (_, resources, (agent,)):
        async with reporting(agent):
            await place.until_workspace("mine", lambda ws: ws.status.activity.state == "Idle")
            await place.job("train", resources={**resources, "gpu": {**resources["gpu"], "count": 8}})
            await place.until_workspace("mine", wanted, 20.0)
        await agent.says(idle=0.0, reasons=["analysis.ipynb runs"])
        used = await place.until_workspace("mine", lambda ws: ws.status.activity.state == "Active")
        assert (used.status.activity.claimed_by, used.status.stops_at) == (None, None)
        async with reporting(agent):
            await place.until_workspace("mine", wanted, 40.0)
            await place.patch(kinds.TRAINING_JOB, "train", {"cancelled": True})
            await place.until_workspace("mine", lambda ws: not wanted(ws), 40.0)


@asynccontextmanager
async def holding(place: Place, *names: str, notice: str) -> AsyncGenerator[tuple[Kubelet, Json, list[Agent]]]:
    """Workspaces that hold four GPUs each of a node with eight."""
    quick = Reporting(every="1s", recent="1s", silence="2s")
    await place.configure(reporting=quick, idle=IdlePolicy(reclaim_notice=notice))
    async with place.controllers(bounds=BOUNDS), kubelet(place.client, place.namespace) as node:
        resources: Json = {"cpu": "100m", "memory": "64Mi", "gpu": {"count": 4, "type": node.gpu_type}}
        agents: list[Agent] = []
        for name in names:
            await place.workspace(name, resources=resources)
            await node.running(name)
            await place.until_workspace(name, lambda ws: ws.status.phase is WorkspacePhase.RUNNING)
            agents.append(await Agent.of(place.client, place.namespace, name, place.collector))
        yield node, resources, agents


@asynccontextmanager
async def reporting(*agents: Agent) -> AsyncGenerator[None]:
    """Of what is idle."""

    async def report() -> None:
        while True:
            for agent in agents:
                await agent.says(idle=600.0, passive=["a browser tab is open"])
            await asyncio.sleep(0.3)

    task = asyncio.create_task(report())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
