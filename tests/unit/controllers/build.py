"""Values for tests: a platform, nodes, a workspace, a job and their pods, with what a test cares about set."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from footplate.api import Environment, EnvironmentSpec, ObjectMeta, TrainingJob, Workspace
from footplate.api.platform import HomePolicy, ObjectStore, Platform, Team
from footplate.controllers.caches import Facts, Served
from footplate.controllers.capacity import Capacity, measure
from footplate.controllers.cluster import Node, Pod

Json = dict[str, Any]

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
BORN = "2026-01-01T11:00:00Z"
NAMESPACE = "team-vision"
UID = "0b5c1d2e-0000-4000-8000-000000000001"

PLATFORM = Platform(
    version="1",
    platform_image="footplate.local/platform:0123456789ab",
    state_uri="s3://footplate/state",
    teams=(Team("vision", "s3://footplate/teams/vision"),),
    object_store=ObjectStore(endpoint="http://10.0.0.1:9000"),
    allowed_images=("registry.example/vision/*",),
    homes=HomePolicy(snapshot="Never"),
)


def node(name: str, gpus: int = 0, type_: str = "", cpu: str = "64", **resources: str) -> Node:
    labels = {"footplate.dev/gpu-type": type_} if type_ else {}
    allocatable = {"cpu": cpu, "memory": "512Gi", **({"nvidia.com/gpu": str(gpus)} if gpus else {}), **resources}
    return msgspec.convert(
        {
            "metadata": {"name": name, "labels": labels},
            "status": {"allocatable": allocatable, "conditions": [{"type": "Ready", "status": "True"}]},
        },
        Node,
    )


def facts(platform: Platform | None = PLATFORM, capacity: Capacity | None = None, **more: Any) -> Facts:
    environment = Environment(ObjectMeta(name="jupyter"), EnvironmentSpec(image="footplate.local/jupyter:0123456789ab"))
    values: Json = {
        "platform": platform,
        "team": platform.teams[0] if platform else None,
        "environments": {"jupyter": environment},
        "capacity": capacity or measure([node("n1", 8, "H100"), node("n2", 8, "H100")]),
        "quotas": (),
        "claims": {},
        "served": Served(pod_groups=True),
        **more,
    }
    return Facts(**values)


def workspace(status: Json | None = None, generation: int = 1, **spec: Any) -> Workspace:
    metadata = {"name": "demo", "namespace": NAMESPACE, "uid": UID, "generation": generation, "creationTimestamp": BORN}
    body = {"environment": "jupyter", "owner": "alice", **spec}
    if "image" in spec:
        del body["environment"]
    return msgspec.convert({"metadata": metadata, "spec": body, "status": status or {}}, Workspace)


def job(status: Json | None = None, **spec: Any) -> TrainingJob:
    metadata = {"name": "train", "namespace": NAMESPACE, "uid": UID, "generation": 1, "creationTimestamp": BORN}
    body = {"environment": "jupyter", "command": ["python3", "train.py"], "owner": "alice", **spec}
    return msgspec.convert({"metadata": metadata, "spec": body, "status": status or {}}, TrainingJob)


def pod(name: str = "demo", *, uid: str = "pod-1", node: str = "n1", labels: Json | None = None, **more: Any) -> Pod:
    """`more`: metadata and status fields, told apart by their names."""
    metadata: Json = {
        "name": name,
        "namespace": NAMESPACE,
        "uid": uid,
        "creationTimestamp": BORN,
        "labels": labels or {},
        "ownerReferences": [{"uid": UID, "kind": "Workspace", "name": "demo"}],
    }
    for field in ("deletionTimestamp", "deletionGracePeriodSeconds", "annotations", "creationTimestamp"):
        if field in more:
            metadata[field] = more.pop(field)
    return msgspec.convert({"metadata": metadata, "spec": {"nodeName": node}, "status": more}, Pod)


def scheduled(at: str = BORN) -> Json:
    return {"type": "PodScheduled", "status": "True", "lastTransitionTime": at}


def ready(at: str = BORN) -> Json:
    return {"type": "Ready", "status": "True", "lastTransitionTime": at}


def running_pod(**more: Any) -> Pod:
    main = {"name": "main", "ready": True, "state": {"running": {"startedAt": BORN}}}
    return pod(phase="Running", conditions=[scheduled(), ready()], containerStatuses=[main], **more)


def ended_pod(code: int, *, reason: str = "Error", message: str = "", container: str = "main", **more: Any) -> Pod:
    ended = {"exitCode": code, "reason": reason, "message": message, "finishedAt": BORN}
    status = {"name": container, "state": {"terminated": ended}}
    field = "containerStatuses" if container == "main" else "initContainerStatuses"
    return pod(phase="Failed" if code else "Succeeded", conditions=[scheduled()], **{field: [status]}, **more)
