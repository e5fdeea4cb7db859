"""Jobs queued by Kueue, which is not here: the test plays its part on the Job and on a Workload of its kind."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from benchmarks.bare_platform import CRD
from footplate.api.trainingjob import JobPhase
from footplate.controllers import kinds
from footplate.kube.client import Client
from footplate.kube.resource import Resource
from tests.integration.controllers.conftest import Place

Json = dict[str, Any]

WORKLOAD = Resource("kueue.x-k8s.io", "v1beta1", "Workload", "workloads", True)
NAME = "workloads.kueue.x-k8s.io"


def established(crd: Json | None) -> bool:
    conditions = ((crd or {}).get("status") or {}).get("conditions") or []
    return any(c["type"] == "Established" and c["status"] == "True" for c in conditions)


@pytest.fixture
async def kueue(client: Client) -> AsyncIterator[None]:
    anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1beta1", "served": True, "storage": True, "schema": {"openAPIV3Schema": anything}}
    names = {"kind": "Workload", "plural": "workloads", "singular": "workload", "listKind": "WorkloadList"}
    # Names below k8s.io need approval.
    approved = {"api-approved.kubernetes.io": "https://github.com/kubernetes-sigs/kueue"}
    spec = {"group": "kueue.x-k8s.io", "scope": "Namespaced", "names": names, "versions": [version]}
    await client.create(CRD, {"metadata": {"name": NAME, "annotations": approved}, "spec": spec})
    await client.wait(CRD, NAME, None, established, 20.0)
    yield
    await client.delete(CRD, NAME)
    await client.wait(CRD, NAME, None, lambda found: found is None, 20.0)


async def test_kueue_admits_a_job_and_its_wait_is_explained(bare_place: Place, kueue: None) -> None:
    place = bare_place
    async with place.controllers():
        await place.job("train", nodes=2, queue="night")
        job = await place.until_job("train", lambda j: j.status.phase is JobPhase.QUEUED)
        assert job.status.message == "It waits in queue night to be admitted."
        batch = await place.client.get(kinds.JOB, "train-1", place.namespace)
        assert batch["spec"]["suspend"] is True
        assert batch["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "night"
        assert "schedulingGroup" not in batch["spec"]["template"]["spec"]
        assert (await place.client.list(kinds.POD_GROUP, place.namespace)).items == []

        owner = {"apiVersion": "batch/v1", "kind": "Job", "name": "train-1", "uid": batch["metadata"]["uid"]}
        waits = {
            "type": "QuotaReserved",
            "status": "False",
            "reason": "Pending",
            "message": "insufficient quota for cpu",
        }
        workload = {"metadata": {"name": "job-train-1", "ownerReferences": [owner]}, "status": {"conditions": [waits]}}
        await place.client.create(WORKLOAD, workload, place.namespace)
        await place.until_job("train", lambda j: (j.status.message or "").endswith(": insufficient quota for cpu."))

        await place.client.patch(kinds.JOB, "train-1", {"spec": {"suspend": False}}, place.namespace)
        await place.until_job("train", lambda j: j.status.phase is JobPhase.RUNNING)
        await place.client.patch(kinds.JOB, "train-1", {"spec": {"suspend": True}}, place.namespace)
        job = await place.until_job("train", lambda j: j.status.phase is JobPhase.SUSPENDED)
        assert [(attempt.number, attempt.cause) for attempt in job.status.attempts] == [(1, None)]
        await place.client.patch(kinds.JOB, "train-1", {"spec": {"suspend": False}}, place.namespace)
        await place.until_job("train", lambda j: j.status.phase is JobPhase.RUNNING)
