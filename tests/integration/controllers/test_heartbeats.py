"""Ranks that advance, are slow, and hang, told by agents with their pods' own tokens to real controllers."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from datetime import timedelta
from typing import Any

from footplate.api import labels
from footplate.api.trainingjob import CauseClass, JobPhase
from footplate.controllers import kinds
from footplate.controllers.bounds import Bounds
from tests.integration.controllers.agents import Agent, post, token
from tests.integration.controllers.conftest import QUICK, Place
from tests.integration.controllers.kubelet import Kubelet, kubelet
from tests.integration.controllers.test_training_jobs import on, phase, start

Json = dict[str, Any]
BRISK: Bounds = replace(
    QUICK, progress=timedelta(seconds=1), dump=timedelta(seconds=3), straggling=timedelta(seconds=2)
)


class Node:
    """The agent of one pod of a job."""

    def __init__(self, place: Place, bearer: str, rank: int) -> None:
        self.bearer, self.rank = bearer, rank
        self._place = place
        self._sequence = itertools.count(1)

    async def says(self, *ranks: Json, **fields: Any) -> tuple[int, Json]:
        body = {"kind": "Heartbeat", "agent": "a1", "sequence": next(self._sequence), "ranks": list(ranks), **fields}
        return await post(self._place.collector, self.bearer, body)

    async def steps(self, step: int, silent: float = 0.0, **more: Any) -> tuple[int, Json]:
        """Of its one rank."""
        known = {"state": "S", "age": 600.0, "calls": step, "step": step, "silent": silent}
        keys = ("saving", "written", "dumped", "stacks", "totalSteps", "checkpointStep", "checkpointAge")
        fields = {key: more.pop(key) for key in keys if key in more}
        return await self.says({"rank": self.rank, **known, **more}, **fields)


async def nodes(place: Place, node: Kubelet, count: int, attempt: int = 1, **spec: Any) -> list[Node]:
    """Those of job `train`, once its pods run."""
    if attempt == 1:
        await place.job("train", **on(node, count, **spec))
    pods = await start(place, node, "train", count, attempt=attempt)
    found = [await place.client.get(kinds.POD, pod, place.namespace) for pod in pods]
    await place.until_job("train", phase(JobPhase.RUNNING))
    return [
        Node(place, await token(place.client, place.namespace, pod, account="job"), rank)
        for rank, pod in enumerate(found)
    ]


async def test_a_pod_speaks_for_its_own_rank_of_its_own_job_and_no_other(place: Place, node: Kubelet) -> None:
    mine, second = await nodes(place, node, 2)
    assert (await mine.steps(5, totalSteps=100))[0] == 200
    job = await place.until_job("train", lambda j: j.status.progress is not None)
    assert job.status.progress is not None
    assert (job.status.progress.step, job.status.progress.total_steps) == (5, 100)

    async def refused(found: tuple[int, Json], status: int, text: str) -> None:
        assert found[0] == status, found
        assert text in found[1]["error"], found

    other = {"rank": 1, "state": "S", "step": 9999, "calls": 9, "silent": 0.0}
    await refused(await mine.says(other), 403, "has the ranks 0 to 0, and not 1")
    await refused(await post(place.collector, mine.bearer, {"kind": "Activity", "agent": "x", "sequence": 1, "age": 1.0}), 403, "not that of a workspace")  # fmt: skip
    await refused(await mine.says(other, agent=""), 400, "agent")
    await refused(await mine.says({**other, "rank": -1}), 400, "rank")

    # A workspace's pod, and a pod of somebody's own with a rank's labels, annotations and owner.
    await place.workspace("desk")
    await node.running("desk")
    await place.until_workspace("desk", lambda ws: ws.status.phase == "Running")
    desk = await Agent.of(place.client, place.namespace, "desk", place.collector)
    body = {"kind": "Heartbeat", "agent": "x", "sequence": 1, "ranks": [other]}
    await refused(await post(place.collector, desk.bearer, body), 403, "not that of a job")
    victim = (await place.pods(**{labels.JOB: "train"}))[0]
    kept = {key: victim["metadata"][key] for key in ("labels", "annotations")}
    kept["labels"] = {k: v for k, v in kept["labels"].items() if k in (labels.JOB, labels.ATTEMPT, labels.TEAM)}
    impostor = {
        "metadata": {"name": "impostor", **kept},
        "spec": {
            "serviceAccountName": "job",
            "securityContext": victim["spec"]["securityContext"],
            "containers": [{"name": "main", "image": "x", "securityContext": victim["spec"]["containers"][0]["securityContext"]}],
        },
    }  # fmt: skip
    made = await place.client.create(kinds.POD, impostor, place.namespace)
    bearer = await token(place.client, place.namespace, made, account="job")
    async with asyncio.timeout(10.0):
        while "not known" in (await post(place.collector, bearer, body))[1]["error"]:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    await refused(await post(place.collector, bearer, body), 403, "not that of a job")
    assert (await second.steps(6))[0] == 200
    found = await place.until_job("train", lambda j: True)
    assert found.status.progress == job.status.progress, "nothing of all this was written"


async def test_a_hang_is_ended_with_its_stacks_and_the_next_attempt_goes_on(bare_place: Place) -> None:
    place = bare_place
    async with place.controllers(bounds=BRISK), kubelet(place.client, place.namespace) as node:
        first, second = await nodes(place, node, 2, hangTimeout="4s", checkpoint={"grace": "1s"})
        status, answer = await first.steps(10, checkpointStep=8, checkpointAge=2.0)
        assert (status, answer["every"], answer.get("dump", "")) == (200, 1.0, "")
        await second.steps(10)
        await place.until_job("train", lambda j: j.status.attempts[0].checkpoint_step == 8)

        # One is silent for long, the other advances: it goes on. A checkpoint that is written, likewise.
        await second.steps(10, silent=60.0)
        assert (await first.steps(11))[1].get("dump", "") == ""
        await first.steps(12, silent=60.0, saving=True)
        await second.steps(12, silent=60.0)
        await asyncio.sleep(1.0)
        assert (await second.steps(12, silent=61.0))[1].get("dump", "") == ""

        await first.steps(12, silent=5.0)
        await second.steps(12, silent=5.0, state="T")
        async with asyncio.timeout(10.0):
            while not (asked := (await first.steps(12, silent=6.0))[1].get("dump", "")):  # noqa: ASYNC110
                await asyncio.sleep(0.2)
        await first.steps(12, silent=6.0, dumped=asked, stacks=[{"rank": 0, "text": "recv (comm.py:9)"}])
        job = await place.until_job("train", lambda j: True)
        assert job.status.attempts[0].cause is None, "the other's stacks are still to come"
        await second.steps(12, silent=6.5, state="T", dumped=asked, stacks=[{"rank": 1, "text": "load (data.py:3)"}])
        job = await place.until_job("train", lambda j: j.status.attempts[0].cause is not None)
        cause = job.status.attempts[0].cause
        assert cause is not None
        assert (cause.class_, cause.reason, cause.budget) == (CauseClass.HANG, "NoProgress", "infra")
        assert "(after step 12): rank 1 on" in cause.evidence
        assert "is stopped by a signal, in load (data.py:3); the others are in recv (comm.py:9)" in cause.evidence
        (again,) = (await nodes(place, node, 2, attempt=2))[:1]
        assert (await again.steps(9))[0] == 200
        assert (await first.steps(12))[0] == 403, "its pod is gone"
        job = await place.until_job("train", lambda j: len(j.status.attempts) == 2)
        assert job.status.attempts[0].checkpoint_step == 8


async def test_an_agent_that_says_nothing_is_not_a_hang_and_one_without_stacks_is_not_waited_for_forever(
    bare_place: Place,
) -> None:
    place = bare_place
    async with place.controllers(bounds=BRISK), kubelet(place.client, place.namespace) as node:
        first, second = await nodes(place, node, 2, hangTimeout="4s", checkpoint={"grace": "1s"})
        for silent in range(10, 14):
            assert (await first.steps(10, silent=float(silent)))[1].get("dump", "") == ""
            await asyncio.sleep(0.3)
        await second.steps(10, silent=14.0)

        async def go_on(agent: Node) -> None:
            for silent in itertools.count(15):
                await agent.steps(10, silent=float(silent))
                await asyncio.sleep(0.3)

        telling = [asyncio.create_task(go_on(agent)) for agent in (first, second)]
        try:
            job = await place.until_job("train", lambda j: j.status.attempts[0].cause is not None, 20.0)
        finally:
            for task in telling:
                task.cancel()
        cause = job.status.attempts[0].cause
        assert cause is not None
        assert cause.class_ is CauseClass.HANG
        assert cause.evidence.endswith("(after step 10)"), cause.evidence


async def test_a_slow_rank_is_shown_and_its_node_is_blamed_in_the_end(bare_place: Place) -> None:
    place = bare_place
    async with place.controllers(bounds=BRISK), kubelet(place.client, place.namespace) as node:
        found = await nodes(place, node, 3, checkpoint={"grace": "1s"})

        async def go_on() -> None:
            for step in itertools.count(10):
                for agent in found:
                    await agent.steps(step, stepSeconds=2.0 if agent.rank == 1 else 1.0)
                await asyncio.sleep(0.5)

        telling = asyncio.create_task(go_on())
        try:
            job = await place.until_job("train", lambda j: bool(j.status.stragglers))
            assert [(s.rank, s.node, s.times) for s in job.status.stragglers] == [(1, node.node, 2.0)]
            await place.until_job("train", lambda j: j.status.attempts[0].slow_nodes == (node.node,), 30.0)
        finally:
            telling.cancel()
