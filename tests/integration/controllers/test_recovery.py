import asyncio
import json
from dataclasses import replace
from datetime import timedelta

from footplate.api.trainingjob import CauseClass, JobPhase
from footplate.controllers import kinds
from footplate.controllers.nodehealth.suspicion import ANNOTATION
from tests.integration.controllers.conftest import QUICK, Place
from tests.integration.controllers.kubelet import Kubelet, kubelet, now
from tests.integration.controllers.test_training_jobs import on, phase, pod_of, start


async def test_a_silent_node_is_left_at_once_remembered_and_avoided(bare_place: Place) -> None:
    place = bare_place
    bounds = replace(QUICK, node_lost=timedelta(seconds=1), stop=timedelta(seconds=1))
    async with place.controllers(bounds=bounds), kubelet(place.client, place.namespace) as node:
        await place.job("train", **on(node, 1, checkpoint={"grace": "1s"}))
        await start(place, node, "train", 1)
        node.ends_pods.clear()
        silent = {"type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown", "lastTransitionTime": now()}
        await place.client.patch(
            kinds.NODE, node.node, {"status": {"conditions": [silent]}}, kind="strategic", subresource="status"
        )
        job = await place.until_job("train", lambda j: any(a.cause for a in j.status.attempts))
        cause = job.status.attempts[0].cause
        assert cause is not None
        assert (cause.class_, cause.reason, cause.suspect_nodes) == (CauseClass.INFRA, "NodeNotReady", (node.node,))
        job = await place.until_job("train", lambda j: j.status.attempts[0].end is not None, 60.0)

        def remembers(found: dict[str, object] | None) -> bool:
            return ANNOTATION in (found or {})["metadata"].get("annotations", {})  # pyright: ignore[reportIndexIssue, reportUnknownMemberType, reportAttributeAccessIssue, reportUnknownVariableType]

        told = await place.client.wait(kinds.NODE, node.node, None, remembers, 20.0)
        assert told is not None
        (incident,) = json.loads(told["metadata"]["annotations"][ANNOTATION])
        assert (incident["job"], incident["attempt"]) == (f"{place.namespace}/train", 1)
        node.ends_pods.set()
        batch = await place.client.wait(kinds.JOB, "train-2", place.namespace, lambda found: found is not None, 30.0)
        assert batch is not None
        affinity = batch["spec"]["template"]["spec"]["affinity"]["nodeAffinity"]
        (term,) = affinity["preferredDuringSchedulingIgnoredDuringExecution"]
        assert term["preference"]["matchFields"][0]["values"] == [node.node], "it is the only one of its GPU type"


async def test_a_job_is_suspended_and_resumed(place: Place, node: Kubelet) -> None:
    await place.job("train", **on(node, 2))
    await start(place, node, "train", 2)
    await place.patch(kinds.TRAINING_JOB, "train", {"suspended": True})
    job = await place.until_job("train", phase(JobPhase.SUSPENDED), 20.0)
    assert job.status.attempts[0].cause is not None
    assert job.status.attempts[0].cause.budget is None
    assert not [pod for pod in await place.pods() if pod["status"].get("phase") == "Running"]
    await place.patch(kinds.TRAINING_JOB, "train", {"suspended": False})
    await start(place, node, "train", 2, attempt=2)


async def test_a_failed_job_is_tried_again(place: Place, node: Kubelet) -> None:
    await place.job("train", **on(node, 1))
    pods = await start(place, node, "train", 1)
    await node.ended(pods[0], 1)
    await place.until_job("train", phase(JobPhase.FAILED), 20.0)
    await place.patch(kinds.TRAINING_JOB, "train", {"retry": 1})
    await start(place, node, "train", 1, attempt=2)
    job = await place.until_job("train", phase(JobPhase.RUNNING))
    assert [a.number for a in job.status.attempts] == [1, 2]
    assert job.status.finished_at is None


async def test_an_elastic_job_starts_with_what_there_is(place: Place, node: Kubelet) -> None:
    # A node that is new is closed to pods until the node controller has seen it.
    await place.client.wait(kinds.NODE, node.node, None, lambda found: not (found or {})["spec"].get("taints"), 20.0)
    await asyncio.sleep(0.5)
    resources = {"cpu": "100m", "memory": "64Mi", "gpu": {"count": 4, "type": node.gpu_type}}
    await place.job("train", nodes=4, elastic={"minNodes": 1, "maxNodes": 4}, resources=resources)
    for index in range(2):
        await node.running(await pod_of(place, "train", 1, index))
    job = await place.until_job("train", phase(JobPhase.RUNNING))
    assert (job.status.attempts[0].nodes, job.status.message) == (2, "It is running on 2 nodes.")
    pod = await place.client.get(kinds.POD, await pod_of(place, "train", 1, 0), place.namespace)
    env = {e["name"]: e.get("value") for e in pod["spec"]["containers"][0]["env"]}
    assert (env["NNODES"], env["WORLD_SIZE"]) == ("2", "8")


async def test_a_job_of_lower_priority_makes_room_and_comes_back(bare_place: Place) -> None:
    place = bare_place
    bounds = replace(QUICK, preempt=timedelta(seconds=1))
    async with place.controllers(bounds=bounds), kubelet(place.client, place.namespace) as node:
        resources = {"cpu": "100m", "memory": "64Mi", "gpu": {"count": 4, "type": node.gpu_type}}
        await place.job("low", nodes=2, priority="batch", resources=resources)
        await start(place, node, "low", 2)
        await place.job("high", nodes=1, priority="training", resources=resources)
        await start(place, node, "high", 1)
        low = await place.until_job("low", lambda j: j.status.attempts[0].end is not None)
        cause = low.status.attempts[0].cause
        assert cause is not None
        assert (cause.class_, cause.budget, cause.preempted_by) == (
            CauseClass.PREEMPTION, "preemption", f"{place.namespace}/high"
        )  # fmt: skip
        await place.until_job("low", phase(JobPhase.QUEUED), 30.0)
        await place.patch(kinds.TRAINING_JOB, "high", {"cancelled": True})
        await start(place, node, "low", 2, attempt=2)
