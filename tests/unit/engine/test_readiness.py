from typing import Any

import pytest

from footplate.engine.errors import ResourceFailed
from footplate.engine.providers.kubernetes.readiness import (
    READY,
    Failed,
    Judgement,
    Related,
    Waiting,
    custom,
    deletion_trouble,
    judge,
    pod_trouble,
)


def obj(kind: str, api: str = "v1", generation: int = 1, spec: Any = None, **status: Any) -> dict[str, Any]:
    return {
        "apiVersion": api,
        "kind": kind,
        "metadata": {"name": "x", "namespace": "n", "generation": generation},
        "spec": spec or {},
        "status": status,
    }


def condition(type: str, status: str = "True", **more: str) -> list[dict[str, str]]:
    return [{"type": type, "status": status, **more}]


def deployment(wanted: int = 2, **status: Any) -> dict[str, Any]:
    return obj("Deployment", "apps/v1", spec={"replicas": wanted}, **{"observedGeneration": 1, **status})


@pytest.mark.parametrize(
    ("found", "judgement"),
    [
        (deployment(observedGeneration=0), Waiting("is not seen by its controller yet")),
        (deployment(updatedReplicas=1, replicas=1), Waiting("has 1 of 2 pods of the new version")),
        (deployment(updatedReplicas=2, replicas=3, availableReplicas=3), Waiting("still has pods of the old version")),
        (deployment(updatedReplicas=2, replicas=2, availableReplicas=1), Waiting("has 1 of 2 pods available")),
        (deployment(updatedReplicas=2, replicas=2, availableReplicas=2), READY),
        (deployment(0), READY),
        (
            deployment(conditions=condition("ReplicaFailure", message="exceeded quota")),
            Waiting("cannot create its pods: exceeded quota"),
        ),
        (
            deployment(
                conditions=condition("Progressing", "False", reason="ProgressDeadlineExceeded", message="timed out")
            ),
            Failed("timed out"),
        ),
        (
            deployment(
                observedGeneration=0,
                conditions=condition("Progressing", "False", reason="ProgressDeadlineExceeded", message="of the last"),
            ),
            Waiting("is not seen by its controller yet"),
        ),
        (obj("Deployment", "apps/v1", generation=2, spec={"paused": True}), READY),
        (obj("StatefulSet", "apps/v1", spec={"replicas": 1}, observedGeneration=1), Waiting("has 0 of 1 pods ready")),
        (
            obj(
                "StatefulSet",
                "apps/v1",
                spec={"replicas": 1},
                observedGeneration=1,
                readyReplicas=1,
                updateRevision="b",
                currentRevision="a",
            ),
            Waiting("still has pods of the old version"),
        ),
        (obj("DaemonSet", "apps/v1", observedGeneration=1, desiredNumberScheduled=0), READY),
        (
            obj(
                "DaemonSet",
                "apps/v1",
                observedGeneration=1,
                desiredNumberScheduled=2,
                updatedNumberScheduled=2,
                numberAvailable=1,
            ),
            Waiting("has 1 of 2 pods available"),
        ),
        (obj("Pod", phase="Running", conditions=condition("Ready")), READY),
        (obj("Pod", phase="Succeeded"), READY),
        (obj("Pod", phase="Failed", message="evicted"), Failed("evicted")),
        (obj("Pod", phase="Pending"), Waiting("is Pending")),
        (obj("Job", "batch/v1", conditions=condition("Complete")), READY),
        (obj("Job", "batch/v1", spec={"suspend": True}), READY),
        (obj("Job", "batch/v1", conditions=condition("Failed", message="backoff limit")), Failed("backoff limit")),
        (obj("Job", "batch/v1", spec={"completions": 3}, succeeded=1), Waiting("has 1 of 3 runs completed")),
        (obj("PersistentVolumeClaim", phase="Bound"), READY),
        (obj("PersistentVolumeClaim", phase="Pending"), Waiting("is Pending, not bound to a volume")),
        (obj("Namespace", phase="Active"), READY),
        (obj("ResourceQuota", spec={"hard": {"pods": "5"}}), Waiting("is not counted yet")),
        (obj("CustomResourceDefinition", "apiextensions.k8s.io/v1", conditions=condition("Established")), READY),
        (
            obj(
                "CustomResourceDefinition",
                "apiextensions.k8s.io/v1",
                conditions=condition("NamesAccepted", "False", message="taken"),
            ),
            Failed("taken"),
        ),
        (obj("Service", spec={"type": "LoadBalancer"}), Waiting("has no address from the load balancer yet")),
        (obj("Service", spec={"clusterIP": "None"}), READY),
        (obj("ConfigMap"), READY),
        (obj("Deployment", "example.dev/v1"), READY),
    ],
)
def test_when_an_object_counts_as_ready(found: dict[str, Any], judgement: Judgement) -> None:
    assert judge(found, Related()) == judgement


def test_a_claim_that_waits_for_its_first_pod_is_ready() -> None:
    assert judge(obj("PersistentVolumeClaim", phase="Pending"), Related(binding_mode="WaitForFirstConsumer")) == READY


def test_a_service_is_ready_with_a_pod_behind_it() -> None:
    service = obj("Service", spec={"selector": {"app": "web"}})
    assert judge(service, Related()) == Waiting("has no ready pod behind it (selector app=web)")
    assert judge(service, Related(endpoints=1)) == READY


def test_the_annotation_names_conditions_and_paths() -> None:
    test = custom('["condition=Ready", "jsonpath={.status.phase}=Done"]')
    assert test(obj("Thing", conditions=condition("Ready"), phase="Done")) == READY
    assert test(obj("Thing", phase="Done")) == Waiting("is not yet condition=Ready")
    assert custom("jsonpath={.status.phase}")(obj("Thing", phase="x")) == READY
    assert custom("condition=Ready=False")(obj("Thing", conditions=condition("Ready", "False"))) == READY
    with pytest.raises(ResourceFailed, match="neither condition"):
        custom("nonsense")


def test_a_pod_says_what_is_wrong_with_it() -> None:
    waiting = {"name": "main", "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}
    assert (
        pod_trouble(obj("Pod", containerStatuses=[waiting])) == "container main is in ImagePullBackOff: no such image"
    )
    unscheduled = condition("PodScheduled", "False", message="0/3 nodes are available")
    assert pod_trouble(obj("Pod", conditions=unscheduled)) == "cannot be scheduled: 0/3 nodes are available"
    starting = {"name": "main", "state": {"waiting": {"reason": "ContainerCreating"}}}
    assert pod_trouble(obj("Pod", containerStatuses=[starting])) == ""


def test_what_keeps_an_object_from_going_is_named() -> None:
    namespace = obj("Namespace", conditions=condition("NamespaceContentRemaining", message="3 pods remain"))
    assert deletion_trouble(namespace) == "3 pods remain"
    held = obj("ConfigMap")
    held["metadata"]["finalizers"] = ["example.dev/keep"]
    assert deletion_trouble(held) == "its finalizers are not done: example.dev/keep"
