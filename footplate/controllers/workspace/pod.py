"""The pod of a Workspace."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from footplate.api import Workspace, labels
from footplate.api.meta import GROUP
from footplate.api.platform import SERVICE_ACCOUNT_WORKSPACE, Platform, priority_class
from footplate.api.workspace import DEFAULT_OWNER, HOME, PORT, TOKEN_KEY, TOKEN_VARIABLES, token_secret
from footplate.controllers import podshape
from footplate.controllers.children import labelled, metadata, team_of
from footplate.controllers.cluster import Pod
from footplate.controllers.workspace.ide import IDES
from footplate.controllers.workspace.observed import has_home, home_name, pod_name

Json = dict[str, Any]

SERVICE = "workspaces"
SHAPE = f"{GROUP}/pod-shape"
"""Annotation: a hash of what the pod was made from."""

#: The agent starts the server and sees to it; an image without one starts it all the same, and its activity is unknown.
_WITH_AGENT = ("sh", "-c", 'command -v footplate-agent >/dev/null && exec footplate-agent "$@"; exec "$@"', "start")


def pod(ws: Workspace, image: str, platform: Platform) -> Json:
    name, team = ws.metadata.name, team_of(ws.metadata.namespace)
    ours = labelled("workspace", name, team, ws.spec.owner, **{labels.WORKSPACE: name})
    spec = _spec(ws, image, platform, team)
    body = {"metadata": metadata(pod_name(ws), ws.metadata, "Workspace", ours), "spec": spec}
    body["metadata"]["annotations"] = {SHAPE: shape(spec)}
    return body


def shape(spec: Json) -> str:
    return hashlib.sha256(msgspec.json.encode(spec)).hexdigest()[:16]


def url(ws: Workspace) -> str:
    return f"http://{ws.metadata.name}.{SERVICE}.{ws.metadata.namespace}.svc:{PORT}{IDES[ws.spec.ide].page}"


def misses(pod: Pod | None, secret: str) -> bool:
    """Its node cannot start it for want of this Secret: somebody deleted it."""
    main = pod.container("main") if pod else None
    waits = main.state.waiting if main else None
    return waits is not None and waits.reason == "CreateContainerConfigError" and f'"{secret}"' in waits.message


def _spec(ws: Workspace, image: str, platform: Platform, team: str) -> Json:
    spec = ws.spec
    init = []
    if podshape.copied(spec.datasets):
        init = [podshape.prepare(platform, spec.datasets, {})]
    home: Json = {"emptyDir": {}}
    if has_home(ws):
        home = {"persistentVolumeClaim": {"claimName": home_name(ws)}}
    fields: Json = {
        "hostname": ws.metadata.name,
        "subdomain": SERVICE,
        "restartPolicy": "Never",
        "serviceAccountName": SERVICE_ACCOUNT_WORKSPACE,
        "automountServiceAccountToken": True,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 30,
        "priorityClassName": priority_class(spec.priority),
        "securityContext": podshape.POD_SECURITY,
        "containers": [_main(ws, image, platform, team)],
        "volumes": [
            {"name": "home", **home},
            podshape.SHM_VOLUME,
            podshape.TOKEN_VOLUME,
            *([podshape.SHARED_VOLUME] if init else []),
            *podshape.dataset_volumes(spec.datasets),
        ],
        **podshape.placement(spec.resources.gpu, platform),
    }
    return {**fields, "initContainers": init} if init else fields


def _main(ws: Workspace, image: str, platform: Platform, team: str) -> Json:
    spec, ide = ws.spec, IDES[ws.spec.ide]
    values = {
        "HOME": HOME,
        "FOOTPLATE_WORKSPACE": ws.metadata.name,
        "FOOTPLATE_TEAM": team,
        "FOOTPLATE_OWNER": spec.owner or DEFAULT_OWNER,
        **podshape.reporting(platform),
    }
    token: Json = {"secretKeyRef": {"name": token_secret(spec.owner), "key": TOKEN_KEY}}
    probe: Json = {"httpGet": {"path": ide.alive, "port": PORT}, "timeoutSeconds": 5}
    return {
        "name": "main",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": [*_WITH_AGENT, *ide.command],
        "workingDir": HOME,
        "env": [
            *podshape.main_environment(spec.env, values, platform),
            {"name": TOKEN_VARIABLES[spec.ide], "valueFrom": token},
        ],
        "envFrom": podshape.store_credentials(platform),
        "resources": podshape.container_resources(spec.resources, platform),
        "securityContext": podshape.CONTAINER_SECURITY,
        # Often, so that nobody waits for a probe at the start; patient, because a busy server is still there.
        "readinessProbe": {**probe, "periodSeconds": 2, "failureThreshold": 15},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": "home", "mountPath": HOME},
            podshape.SHM_MOUNT,
            podshape.TOKEN_MOUNT,
            *podshape.dataset_mounts(spec.datasets),
        ],
    }
