"""The objects of one attempt: an Indexed Job, names for its ranks, and its gang."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from footplate.api import TrainingJob, duration, labels, records
from footplate.api.platform import SERVICE_ACCOUNT_JOB, Platform, Team, priority_class
from footplate.api.trainingjob import Launcher
from footplate.controllers import gpus, podshape
from footplate.controllers.children import labelled, metadata, team_of
from footplate.controllers.trainingjob.observed import attempt_name
from footplate.controllers.trainingjob.queueing import DEFAULT_QUEUE, QUEUE_LABEL, Queueing
from footplate.controllers.trainingjob.sizing import NOTHING, TOPOLOGY, Avoided

Json = dict[str, Any]

MASTER_PORT = 29500
_INDEX = "metadata.annotations['batch.kubernetes.io/job-completion-index']"
_NODE_RANK: Json = {"name": "NODE_RANK", "valueFrom": {"fieldRef": {"fieldPath": _INDEX}}}
_LAUNCHER = f"{podshape.SHARED}/bin/launch.py"
_SYNC_SECONDS = 30
"""For the last checkpoint's way to the store, beside the time to write it."""


@dataclass(frozen=True)
class Form:
    """What of an attempt is decided when it starts."""

    image: str
    platform: Platform
    team: Team
    queueing: Queueing
    nodes: int
    avoided: Avoided = NOTHING
    topology: tuple[str, ...] = ()
    """Node labels by which its ranks should be close."""


def batch_job(job: TrainingJob, number: int, form: Form) -> Json:
    name, nodes, queueing = attempt_name(job, number), form.nodes, form.queueing
    ours = marks(job, number)
    pod = pod_spec(job, number, form)
    described_pod: Json = {"labels": ours}
    if annotations := gpus.fabric(job.spec.resources.gpu, nodes, form.platform).annotations:
        described_pod["annotations"] = annotations
    if queueing is Queueing.NATIVE and nodes > 1:
        pod["schedulingGroup"] = {"podGroupName": name}
    described = metadata(name, job.metadata, "TrainingJob", ours)
    spec: Json = {
        "completionMode": "Indexed",
        "completions": nodes,
        "parallelism": nodes,
        # One lost pod ends the attempt: its ranks cannot go on without it. The next attempt is ours to start.
        "backoffLimit": 0,
        "podReplacementPolicy": "Failed",
        "template": {"metadata": described_pod, "spec": pod},
    }
    if queueing is Queueing.KUEUE:
        described["labels"] |= {QUEUE_LABEL: job.spec.queue or DEFAULT_QUEUE}
        spec["suspend"] = True
    return {"metadata": described, "spec": spec}


def service(job: TrainingJob, number: int) -> Json:
    """Names the ranks by their pods' hostnames, before they are ready: they find each other in order to get so."""
    name = attempt_name(job, number)
    spec: Json = {
        "clusterIP": "None",
        "publishNotReadyAddresses": True,
        "selector": {labels.JOB: job.metadata.name, labels.ATTEMPT: str(number)},
        "ports": [{"name": "rendezvous", "port": MASTER_PORT}],
    }
    return {"metadata": metadata(name, job.metadata, "TrainingJob", marks(job, number)), "spec": spec}


def pod_group(job: TrainingJob, number: int, nodes: int) -> Json:
    spec: Json = {
        "schedulingPolicy": {"gang": {"minCount": nodes}},
        "disruptionMode": {"all": {}},
        "priorityClassName": priority_class(job.spec.priority),
    }
    described = metadata(attempt_name(job, number), job.metadata, "TrainingJob", marks(job, number))
    return {"metadata": described, "spec": spec}


def pod_spec(job: TrainingJob, number: int, form: Form) -> Json:
    spec, platform = job.spec, form.platform
    grace = int(duration.parse(spec.checkpoint.grace).total_seconds())
    checkpoints = checkpoint_uri(job, form.team)
    prepared = {"FOOTPLATE_CHECKPOINT_URI": checkpoints, "FOOTPLATE_RUN_DIR": podshape.RUN_DIR, **_code(job)}
    return {
        "subdomain": attempt_name(job, number),
        "restartPolicy": "Never",
        "serviceAccountName": SERVICE_ACCOUNT_JOB,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": grace + _SYNC_SECONDS,
        "priorityClassName": priority_class(spec.priority),
        "securityContext": podshape.POD_SECURITY,
        "initContainers": [podshape.prepare(platform, spec.datasets, prepared), _agent(job, number, form)],
        "containers": [_main(job, number, form)],
        "volumes": [
            podshape.SHARED_VOLUME,
            podshape.SHM_VOLUME,
            podshape.TOKEN_VOLUME,
            *podshape.dataset_volumes(spec.datasets),
        ],
        **close(placement(podshape.placement(spec.resources.gpu, platform), form.avoided), job, number, form.topology),
        # A container's first process ignores a SIGTERM that comes before it handles it: none of these is the first.
        "shareProcessNamespace": True,
    }


def placement(fields: Json, avoided: Avoided) -> Json:
    """With the nodes to avoid, by name: as far as there are others."""
    if not avoided.nodes:
        return fields
    # A field expression takes one value (k8s.io/kubernetes/pkg/apis/core/validation).
    names = [{"key": "metadata.name", "operator": "NotIn", "values": [name]} for name in avoided.nodes]
    affinity: Json = dict(fields.get("affinity", {}))
    of_nodes: Json = dict(affinity.get("nodeAffinity", {}))
    required, preferred = (
        "requiredDuringSchedulingIgnoredDuringExecution",
        "preferredDuringSchedulingIgnoredDuringExecution",
    )
    if avoided.strictly:
        terms: list[Json] = of_nodes.get(required, {}).get("nodeSelectorTerms", [{}])
        of_nodes[required] = {"nodeSelectorTerms": [{**term, "matchFields": names} for term in terms]}
    else:
        of_nodes[preferred] = [{"weight": 100, "preference": {"matchFields": [name]}} for name in names]
    return {**fields, "affinity": {**affinity, "nodeAffinity": of_nodes}}


def close(fields: Json, job: TrainingJob, number: int, topology: tuple[str, ...]) -> Json:
    """Ranks attract each other, the more the closer."""
    if not topology:
        return fields
    same = {"matchLabels": {labels.JOB: job.metadata.name, labels.ATTEMPT: str(number)}}
    terms = [
        {"weight": TOPOLOGY[key], "podAffinityTerm": {"labelSelector": same, "topologyKey": key}} for key in topology
    ]
    affinity = {"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": terms}}
    return {**fields, "affinity": {**fields.get("affinity", {}), **affinity}}


def checkpoint_uri(job: TrainingJob, team: Team) -> str:
    default = f"{team.data_uri.rstrip('/')}/checkpoints/{job.metadata.name}-{job.metadata.uid[:8]}"
    return job.spec.checkpoint.uri or default


def _main(job: TrainingJob, number: int, form: Form) -> Json:
    spec, platform = job.spec, form.platform
    name = attempt_name(job, number)
    values = {
        "HOME": podshape.SHARED,
        # <pod hostname>.<subdomain>, which the pod's search path completes.
        "MASTER_ADDR": f"{name}-0.{name}",
        "MASTER_PORT": str(MASTER_PORT),
        "NNODES": str(form.nodes),
        "NPROC_PER_NODE": str(spec.processes),
        "WORLD_SIZE": str(form.nodes * spec.processes),
        "FOOTPLATE_JOB": job.metadata.name,
        "FOOTPLATE_ATTEMPT": str(number),
        "FOOTPLATE_TEAM": team_of(job.metadata.namespace),
        "FOOTPLATE_CODE_DIR": podshape.CODE_DIR,
        "FOOTPLATE_CHECKPOINT_DIR": podshape.CHECKPOINT_DIR,
        "FOOTPLATE_RUN_DIR": podshape.RUN_DIR,
        "FOOTPLATE_ARTIFACTS_DIR": podshape.ARTIFACTS_DIR,
        "FOOTPLATE_TENSORBOARD_DIR": podshape.TENSORBOARD_DIR,
        "FOOTPLATE_GRACE_SECONDS": str(int(duration.parse(spec.checkpoint.grace).total_seconds())),
    }
    fabric = gpus.fabric(spec.resources.gpu, form.nodes, platform)
    env = podshape.main_environment({"PYTHONUNBUFFERED": "1", **fabric.env, **spec.env}, values, platform)
    command = [*spec.command, *spec.args]
    if spec.launcher is not Launcher.NONE or spec.environment:  # which has a Python; an image of one's own may not
        command = ["python3", _LAUNCHER, "--launcher", spec.launcher.value, "--", *command]
    path = spec.code.path if spec.code and spec.code.path else ""
    return {
        "name": "main",
        "image": form.image,
        "imagePullPolicy": "IfNotPresent",
        "command": command,
        "workingDir": f"{podshape.CODE_DIR}/{path}".rstrip("/"),
        "env": [*env, _NODE_RANK],
        "envFrom": podshape.store_credentials(platform),
        "resources": podshape.container_resources(spec.resources, platform, fabric.resources),
        "securityContext": podshape.CONTAINER_SECURITY,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [podshape.SHARED_MOUNT, podshape.SHM_MOUNT, *podshape.dataset_mounts(spec.datasets)],
    }


def records_uri(job: TrainingJob, number: int, platform: Platform) -> str:
    return records.records_uri(platform.state_uri, team_of(job.metadata.namespace), job.metadata.uid, number)


def _agent(job: TrainingJob, number: int, form: Form) -> Json:
    """Runs beside the main container and ends after it (a native sidecar, KEP-753)."""
    platform = form.platform
    keep = platform.object_store.keep_records
    values = {
        **podshape.reporting(platform),
        "FOOTPLATE_CHECKPOINT_DIR": podshape.CHECKPOINT_DIR,
        "FOOTPLATE_RUN_DIR": podshape.RUN_DIR,
        "FOOTPLATE_CHECKPOINT_URI": checkpoint_uri(job, form.team),
        "FOOTPLATE_RECORDS_URI": records_uri(job, number, platform),
        **({"FOOTPLATE_RECORDS_SECONDS": str(int(duration.parse(keep).total_seconds()))} if keep else {}),
    }
    return {
        "name": "agent",
        "image": platform.platform_image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-m", "footplate.agent.sync"],
        "restartPolicy": "Always",
        "env": [*podshape.environment({**podshape.store_address(platform), **values}), _NODE_RANK],
        "envFrom": podshape.store_credentials(platform),
        "resources": podshape.AGENT_RESOURCES,
        "securityContext": podshape.CONTAINER_SECURITY,
        "volumeMounts": [podshape.SHARED_MOUNT, podshape.TOKEN_MOUNT],
    }


def _code(job: TrainingJob) -> dict[str, str]:
    return {"FOOTPLATE_CODE_URI": job.spec.code.uri} if job.spec.code else {}


def marks(job: TrainingJob, number: int) -> dict[str, str]:
    name = job.metadata.name
    more = {labels.JOB: name, labels.ATTEMPT: str(number)}
    return labelled("job", name, team_of(job.metadata.namespace), job.spec.owner, **more)
