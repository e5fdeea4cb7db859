"""What the pods of workspaces and of jobs share: who they run as, what they may use, which data they see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from footplate.api import records
from footplate.api.platform import TOKEN_AUDIENCE, Platform
from footplate.api.resources import Dataset, Gpu, Resources
from footplate.controllers import gpus

Json = dict[str, Any]

SHARED = "/footplate"
CODE_DIR = f"{SHARED}/code"
CHECKPOINT_DIR = f"{SHARED}/checkpoints"
#: What a job's processes say of themselves (`footplate.training`), print and leave, for the agent beside them.
RUN_DIR = f"{SHARED}/run"
ARTIFACTS_DIR = f"{RUN_DIR}/{records.ARTIFACTS}"
TENSORBOARD_DIR = f"{RUN_DIR}/{records.TENSORBOARD}"
SHARED_MOUNT: Json = {"name": "footplate", "mountPath": SHARED}
SHARED_VOLUME: Json = {"name": "footplate", "emptyDir": {}}
SHM_MOUNT: Json = {"name": "shm", "mountPath": "/dev/shm"}
SHM_VOLUME: Json = {"name": "shm", "emptyDir": {"medium": "Memory"}}

#: The pod's own token for the collector; whoever has it can say what this pod does, and nothing else.
TOKEN_DIR = "/var/run/secrets/footplate.dev"
TOKEN_SECONDS = 24 * 3600
TOKEN_MOUNT: Json = {"name": "report-token", "mountPath": TOKEN_DIR, "readOnly": True}
_TOKEN: Json = {"audience": TOKEN_AUDIENCE, "expirationSeconds": TOKEN_SECONDS, "path": "token"}
TOKEN_VOLUME: Json = {"name": "report-token", "projected": {"sources": [{"serviceAccountToken": _TOKEN}]}}

#: Pod Security `restricted`. Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/
POD_SECURITY: Json = {
    "runAsNonRoot": True,
    "runAsUser": 1000,
    "runAsGroup": 1000,
    "fsGroup": 1000,
    "fsGroupChangePolicy": "OnRootMismatch",
    "seccompProfile": {"type": "RuntimeDefault"},
}
CONTAINER_SECURITY: Json = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}

#: Of the platform's own containers in a pod. Small: they count against the team's quota beside the user's.
PREPARE_RESOURCES: Json = {
    "requests": {"cpu": "10m", "memory": "64Mi"},
    "limits": {"cpu": "2", "memory": "1Gi"},
}
AGENT_RESOURCES: Json = {
    "requests": {"cpu": "10m", "memory": "64Mi"},
    "limits": {"cpu": "1", "memory": "512Mi"},
}


def container_resources(resources: Resources, platform: Platform, more: Mapping[str, str] | None = None) -> Json:
    amounts = {"cpu": resources.cpu, "memory": resources.memory, **(more or {})}
    if resources.gpu:
        amounts[gpus.requested(resources.gpu, platform)] = str(resources.gpu.count)
    return {"requests": amounts, "limits": amounts}


def placement(gpu: Gpu | None, platform: Platform) -> Json:
    """PodSpec fields that lead to nodes with the GPU."""
    fields: Json = {}
    affinity = gpus.affinity(gpu, platform)
    if affinity:
        fields["affinity"] = affinity
    if gpu:
        fields["tolerations"] = gpus.tolerations(platform)
    return fields


def environment(values: Mapping[str, str]) -> list[Json]:
    return [{"name": name, "value": value} for name, value in values.items()]


def main_environment(user: Mapping[str, str], ours: Mapping[str, str], platform: Platform) -> list[Json]:
    """Of the user's container: the platform's contract wins over the user's values, those over the object store's."""
    return environment({**store_address(platform), **user, **ours})


def reporting(platform: Platform) -> dict[str, str]:
    return {"FOOTPLATE_COLLECTOR": platform.reporting.url, "FOOTPLATE_TOKEN_FILE": f"{TOKEN_DIR}/token"}


def store_address(platform: Platform) -> dict[str, str]:
    store = platform.object_store
    address = {"AWS_REGION": store.region}
    return {**address, "AWS_ENDPOINT_URL": store.endpoint} if store.endpoint else address


def store_credentials(platform: Platform) -> list[Json]:
    """`envFrom`: the namespace's Secret, where there is one; a container's own `env` wins over it."""
    name = platform.object_store.secret_name
    return [{"secretRef": {"name": name, "optional": True}}] if name else []


def copied(datasets: Sequence[Dataset]) -> list[Dataset]:
    return [dataset for dataset in datasets if not dataset.uri.startswith("pvc://")]


def claim_of(dataset: Dataset) -> tuple[str, str] | None:
    """Claim and path of a `pvc://` dataset."""
    if not dataset.uri.startswith("pvc://"):
        return None
    claim, _, path = dataset.uri.removeprefix("pvc://").partition("/")
    return claim, path.strip("/")


def dataset_volumes(datasets: Sequence[Dataset]) -> list[Json]:
    volumes: list[Json] = []
    for dataset in datasets:
        found = claim_of(dataset)
        source: Json = {"emptyDir": {}}
        if found:
            source = {"persistentVolumeClaim": {"claimName": found[0]}}
        volumes.append({"name": _volume(dataset), **source})
    return volumes


def dataset_mounts(datasets: Sequence[Dataset], *, filling: bool = False) -> list[Json]:
    """`filling`: for the container that copies the data in."""
    mounts: list[Json] = []
    for dataset in datasets:
        found = claim_of(dataset)
        mount: Json = {"name": _volume(dataset), "mountPath": dataset.mount_path}
        if dataset.read_only and not filling:
            mount["readOnly"] = True
        if found and found[1]:
            mount["subPath"] = found[1]
        mounts.append(mount)
    return mounts


def prepare(platform: Platform, datasets: Sequence[Dataset], env: Mapping[str, str]) -> Json:
    """The init container that brings code, data and the last checkpoint in."""
    wanted = copied(datasets)
    listed = [{"name": d.name, "uri": d.uri, "path": d.mount_path} for d in wanted]
    values = {
        "FOOTPLATE_CODE_DIR": CODE_DIR,
        "FOOTPLATE_CHECKPOINT_DIR": CHECKPOINT_DIR,
        "FOOTPLATE_DATASETS": msgspec.json.encode(listed).decode(),
        **env,
    }
    return {
        "name": "prepare",
        "image": platform.platform_image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-m", "footplate.agent.prepare"],
        "env": environment({**store_address(platform), **values}),
        "envFrom": store_credentials(platform),
        "resources": PREPARE_RESOURCES,
        "securityContext": CONTAINER_SECURITY,
        "volumeMounts": [SHARED_MOUNT, *dataset_mounts(wanted, filling=True)],
    }


def _volume(dataset: Dataset) -> str:
    return f"dataset-{dataset.name}"
