import asyncio
import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from benchmarks import bare_platform
from footplate.api import TrainingJob, crds
from footplate.api.trainingjob import CauseClass, JobPhase
from footplate.controllers import kinds
from footplate.kube.conditions import find_condition, is_true
from footplate.kube.errors import Invalid, TooManyRequests
from footplate.kube.resource import Resource
from tests.integration.controllers.conftest import QUICK, Place
from tests.integration.controllers.kubelet import Kubelet, kubelet


def phase(wanted: JobPhase) -> Any:
    return lambda job: job.status.phase is wanted


async def pod_of(place: Place, job: str, attempt: int, index: int) -> str:
    """The name of a rank's pod, once it is there and has a node."""
    labelled = {
        "batch.kubernetes.io/job-name": f"{job}-{attempt}",
        "batch.kubernetes.io/job-completion-index": str(index),
    }
    async with asyncio.timeout(15.0):
        while True:
            for pod in await place.pods(**labelled):
                if pod["spec"].get("nodeName"):
                    return pod["metadata"]["name"]
            await asyncio.sleep(0.1)


def on(node: Kubelet, nodes: int, **spec: Any) -> dict[str, Any]:
    resources = {"cpu": "100m", "memory": "64Mi", "gpu": {"count": 1, "type": node.gpu_type}}
    return {"nodes": nodes, "resources": resources, **spec}


async def start(place: Place, node: Kubelet, job: str, nodes: int, attempt: int = 1) -> list[str]:
    """All ranks' pods, running."""
    pods = [await pod_of(place, job, attempt, index) for index in range(nodes)]
    for pod in pods:
        await node.running(pod)
    await place.until_job(job, lambda j: phase(JobPhase.RUNNING)(j) and j.status.attempts[-1].number == attempt)
    return pods


async def test_a_job_runs_as_a_gang_to_its_end(place: Place, node: Kubelet) -> None:
    await place.job("train", **on(node, 2))
    pods = await start(place, node, "train", 2)
    group = await place.client.get(kinds.POD_GROUP, "train-1", place.namespace)
    assert group["spec"]["schedulingPolicy"]["gang"]["minCount"] == 2
    pod = await place.client.get(kinds.POD, pods[1], place.namespace)
    assert pod["spec"]["schedulingGroup"]["podGroupName"] == "train-1"
    assert (pod["spec"]["hostname"], pod["spec"]["subdomain"]) == ("train-1-1", "train-1")
    for name in pods:
        await node.ended(name, 0)
    job = await place.until_job("train", phase(JobPhase.SUCCEEDED))
    assert [(a.number, a.nodes, a.cause) for a in job.status.attempts] == [(1, 2, None)]
    assert job.status.attempts[0].end
    assert job.status.started_at
    assert job.status.finished_at
    assert is_true(job.status.conditions, "Finished")
    await place.gone(kinds.SERVICE, "train-1")
    await place.gone(kinds.POD_GROUP, "train-1")
    assert await place.client.get(kinds.JOB, "train-1", place.namespace), "its pods are kept for their logs"


async def test_an_app_failure_ends_the_job_with_its_exit_code_and_last_words(place: Place, node: Kubelet) -> None:
    await place.job("train", **on(node, 2))
    pods = await start(place, node, "train", 2)
    await node.ended(pods[1], 1, message="Traceback (most recent call last):\nValueError: loss is nan\n")
    job = await place.until_job("train", phase(JobPhase.FAILED), 20.0)
    assert job.status.message == (
        "It failed: its process failed with exit code 1: ValueError: loss is nan (node rank 1)."
    )
    cause = job.status.attempts[0].cause
    assert cause is not None
    assert cause.class_ is CauseClass.APP


async def test_a_deleted_pod_ends_the_attempt_and_the_next_one_starts(place: Place, node: Kubelet) -> None:
    await place.job("train", **on(node, 2))
    pods = await start(place, node, "train", 2)
    await place.client.delete(kinds.POD, pods[0], place.namespace)
    await start(place, node, "train", 2, attempt=2)
    job = await place.until_job("train", lambda j: len(j.status.attempts) == 2)
    first = job.status.attempts[0]
    assert first.cause is not None
    assert (first.cause.class_, first.cause.evidence) == (CauseClass.INFRA, "its pod was deleted (node rank 0)")
    assert first.end


async def test_a_preempted_pod_is_charged_to_the_preemption_budget(place: Place, node: Kubelet) -> None:
    await place.job("train", **on(node, 1, retries={"preemption": 0}))
    pods = await start(place, node, "train", 1)
    await node.disrupted(pods[0], "PreemptionByScheduler")
    await place.client.delete(kinds.POD, pods[0], place.namespace)
    job = await place.until_job("train", phase(JobPhase.FAILED))
    cause = job.status.attempts[0].cause
    assert cause is not None
    assert cause.class_ is CauseClass.PREEMPTION


async def test_budgets_bound_the_retries(place: Place, node: Kubelet) -> None:
    await place.job("train", **on(node, 1, retries={"app": 2}))
    for attempt in (1, 2, 3):
        pods = await start(place, node, "train", 1, attempt)
        await node.ended(pods[0], 137, reason="OOMKilled")
    job = await place.until_job("train", phase(JobPhase.FAILED), 20.0)
    assert job.status.message == (
        "It failed: its process ran out of memory (it was tried 3 times, and retries.app is 2)."
    )
    assert [a.number for a in job.status.attempts] == [1, 2, 3]
    assert all(a.end for a in job.status.attempts)
    await place.gone(kinds.JOB, "train-1")  # only the last attempts' pods are kept


async def test_a_request_at_fault_is_not_tried_again(place: Place, node: Kubelet) -> None:
    await place.job("train", **on(node, 1, retries={"app": 5}))
    pod = await pod_of(place, "train", 1, 0)
    await node.prepare_ended(pod, 64, "Dataset digits is missing: s3://bucket/digits holds nothing.")
    job = await place.until_job("train", phase(JobPhase.FAILED))
    assert job.status.message == "It failed: dataset digits is missing: s3://bucket/digits holds nothing."
    assert len(job.status.attempts) == 1


async def test_a_store_that_is_away_is_tried_again(place: Place, node: Kubelet) -> None:
    await place.job("train", **on(node, 1))
    pod = await pod_of(place, "train", 1, 0)
    await node.prepare_ended(pod, 75, "The object store does not answer.")
    await start(place, node, "train", 1, attempt=2)
    job = await place.until_job("train", lambda j: len(j.status.attempts) == 2)
    cause = job.status.attempts[0].cause
    assert cause is not None
    assert cause.class_ is CauseClass.INFRA


async def test_a_rank_that_lost_its_labels_is_named(place: Place) -> None:
    await place.job("train", nodes=2)
    await place.until_job("train", phase(JobPhase.RUNNING))
    pod = await pod_of(place, "train", 1, 0)
    found = await place.client.get(kinds.POD, pod, place.namespace)
    ours = {name: value for name, value in found["metadata"]["labels"].items() if "kubernetes.io/job" not in name}
    without = {name: None for name in ours if not name.startswith("batch.") and name != "controller-uid"}
    await place.client.patch(kinds.POD, pod, {"metadata": {"labels": without}}, place.namespace)
    job = await place.until_job("train", lambda j: "has lost labels" in (j.status.message or ""))
    assert (job.status.message or "").startswith(f"It is running, but pod {pod} has lost labels of Footplate's: set ")
    assert "footplate.dev/job=train" in (job.status.message or "")
    assert job.status.phase is JobPhase.RUNNING
    again = {name: ours[name] for name in without}
    await place.client.patch(kinds.POD, pod, {"metadata": {"labels": again}}, place.namespace)
    await place.until_job("train", lambda j: j.status.message == "It is running on 2 nodes.")


async def test_a_job_is_cancelled(place: Place) -> None:
    await place.job("train", nodes=2)
    await place.until_job("train", phase(JobPhase.RUNNING))
    await place.patch(kinds.TRAINING_JOB, "train", {"cancelled": True})
    job = await place.until_job("train", phase(JobPhase.CANCELLED))
    assert job.status.message == "It was cancelled."
    assert job.status.attempts[0].cause is not None
    assert await place.pods() == []
    await place.gone(kinds.JOB, "train-1")


async def test_a_job_over_its_deadline_fails(place: Place) -> None:
    await place.job("train", deadline="3s")
    await place.until_job("train", phase(JobPhase.RUNNING))
    job = await place.until_job("train", phase(JobPhase.FAILED))
    assert job.status.message == "It did not end within its deadline of 3s."
    cause = job.status.attempts[0].cause
    assert cause is not None
    assert cause.class_ is CauseClass.DEADLINE


async def test_a_finished_job_is_removed_after_its_time_and_not_before(place: Place) -> None:
    await place.job("train", ttlAfterFinished="2s", cancelled=True)
    job = await place.until_job("train", phase(JobPhase.CANCELLED))
    await place.gone(kinds.TRAINING_JOB, "train")
    assert job.status.finished_at is not None
    assert (datetime.now(UTC) - job.status.finished_at).total_seconds() >= 2.0


async def test_deleting_a_job_removes_all_it_made(place: Place) -> None:
    await place.job("train", nodes=2)
    await place.until_job("train", phase(JobPhase.RUNNING))
    await place.client.delete(kinds.TRAINING_JOB, "train", place.namespace)
    for resource in (kinds.JOB, kinds.SERVICE, kinds.POD_GROUP):
        await place.gone(resource, "train-1")
    await place.no_pods()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"environment": "nope"}, "Environment 'nope' does not exist; known ones: jupyter"),
        ({"resources": {"gpu": {"count": 16, "type": "H100"}}}, "the largest node with H100 GPUs has 8 GPUs"),
        ({"datasets": [{"name": "data", "uri": "pvc://nowhere"}]}, "there is no volume claim 'nowhere'"),
    ],
)
async def test_a_spec_that_cannot_run_fails_at_once(place: Place, spec: dict[str, Any], message: str) -> None:
    await place.job("train", **spec)
    job = await place.until_job("train", phase(JobPhase.FAILED))
    assert message in (job.status.message or "")
    assert job.status.attempts == ()
    assert await place.pods() == []


async def test_a_gang_larger_than_the_cluster_waits_as_a_whole_and_says_why(place: Place, node: Kubelet) -> None:
    resources = {"cpu": "100m", "memory": "64Mi", "gpu": {"count": 4, "type": node.gpu_type}}
    await place.job("train", nodes=3, resources=resources)
    job = await place.until_job(
        "train", lambda j: phase(JobPhase.QUEUED)(j) and "the cluster has 8 in all" in j.status.message
    )
    assert job.status.pending is not None
    assert job.status.pending.reason == "Unschedulable"
    assert not [pod for pod in await place.pods() if pod["spec"].get("nodeName")]


async def test_jobs_without_gang_scheduling_carry_a_warning(place: Place) -> None:
    await place.configure(queueing="none")
    await place.job("train", nodes=2)
    job = await place.until_job("train", phase(JobPhase.RUNNING))
    condition = find_condition(job.status.conditions, "GangScheduling")
    assert condition is not None
    assert condition.status == "False"
    assert "no gang scheduling" in condition.message
    pods = await place.pods()
    assert all("schedulingGroup" not in pod["spec"] for pod in pods)


async def test_a_pod_that_does_not_start_in_time_ends_the_attempt(bare_place: Place) -> None:
    place = bare_place
    bounds = replace(QUICK, start=timedelta(seconds=3))
    async with place.controllers(bounds=bounds), kubelet(place.client, place.namespace) as node:
        await place.job("train", **on(node, 1))
        pod = await pod_of(place, "train", 1, 0)
        await node.waiting(pod, "ImagePullBackOff", "Back-off pulling image: not found")
        job = await place.until_job("train", phase(JobPhase.FAILED))
    assert job.status.message == (
        "It failed: it did not start within 3s (image the-image cannot be pulled: it does not exist in its registry)."
    )


async def test_pods_that_kubernetes_cannot_make_are_explained(place: Place) -> None:
    await place.client.delete(Resource("", "v1", "ServiceAccount", "serviceaccounts", True), "job", place.namespace)
    await place.job("train")
    job = await place.until_job(
        "train", lambda j: j.status.pending is not None and "cannot make its pods" in j.status.message
    )
    assert 'serviceaccount "job" not found' in (job.status.message or "")


async def test_a_job_deleted_under_it_is_an_infra_failure(place: Place) -> None:
    await place.job("train", retries={"infra": 0})
    await place.until_job("train", phase(JobPhase.RUNNING))
    await place.client.delete(kinds.JOB, "train-1", place.namespace)
    job: TrainingJob = await place.until_job("train", phase(JobPhase.FAILED))
    assert job.status.message == "It failed: its Kubernetes Job was deleted."


async def test_a_gang_without_room_waits_until_there_is_some(place: Place, node: Kubelet) -> None:
    resources = {"cpu": "100m", "memory": "64Mi", "gpu": {"count": 4, "type": node.gpu_type}}
    await place.job("first", resources=resources)
    await start(place, node, "first", 1)
    await place.job("second", nodes=2, resources=resources)
    job = await place.until_job("second", lambda j: phase(JobPhase.QUEUED)(j) and "lack free GPUs" in j.status.message)
    assert (job.status.message or "").endswith("All 2 nodes start together.")
    assert len([pod for pod in await place.pods() if pod["spec"].get("nodeName")]) == 1
    await place.patch(kinds.TRAINING_JOB, "first", {"cancelled": True})
    await start(place, node, "second", 2)


async def test_one_that_was_taken_before_its_form_was_checked_fails_once_with_the_reason(place: Place) -> None:
    (now,) = (made for made in crds.manifests() if made["spec"]["names"]["kind"] == "TrainingJob")
    before = copy.deepcopy(now)
    schema = before["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema["properties"]["spec"]["properties"]["deadline"]["pattern"] = "^([0-9]+(d|h|m|s))+$"
    try:
        await place.client.apply(bare_platform.CRD, before, manager=bare_platform.MANAGER)
        await taken(place, "endless", deadline="99999999999h")
    finally:
        await place.client.apply(bare_platform.CRD, now, manager=bare_platform.MANAGER)
    job = await place.until_job("endless", phase(JobPhase.FAILED), 60.0)
    assert job.status.message == (
        "It cannot be run as its spec says: '99999999999h' is too long a duration: at most 9999d, 99999h, 9999999m or "
        "999999999s. Correct the spec, or delete it."
    )


async def taken(place: Place, name: str, **spec: Any) -> None:
    async with asyncio.timeout(60.0):
        while True:
            try:
                return await place.job(name, **spec)
            except (Invalid, TooManyRequests):  # the schema of before; none while another comes
                await asyncio.sleep(0.1)
