"""The pod that works on a home for one task, on its own or beside the workspace's."""

from __future__ import annotations

from typing import Any

from footplate.api import Workspace, labels
from footplate.api.home import PASSWORD_KEY, PASSWORD_SECRET, HomeTask
from footplate.api.platform import SERVICE_ACCOUNT_HOME, HomePolicy, Platform, homes_uri, priority_class
from footplate.api.workspace import HOME, owner_slug
from footplate.controllers import gpus, podshape
from footplate.controllers.children import labelled, metadata, team_of
from footplate.controllers.cluster import Pod
from footplate.controllers.workspace.observed import home_name

Json = dict[str, Any]

#: Autoscalers leave its node alone while it runs; a drain waits for FINISH seconds.
_STAYS = {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false", "karpenter.sh/do-not-disrupt": "true"}
FINISH = 90
RESOURCES: Json = {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"cpu": "2", "memory": "2Gi"}}


def name(ws: Workspace, task: HomeTask) -> str:
    """With a dot, which no workspace's name has."""
    return f"{ws.metadata.name}.home-{task.number}"


def uses_home(pod: Pod) -> bool:
    """It has the volume: no other node can."""
    return not pod.ended and pod.metadata.annotations.get("footplate.dev/task") != "Prune"


def repository(platform: Platform, team: str, owner: str | None, workspace: str) -> str:
    """By owner and name, which a workspace has again after its cluster is lost; another's is never named."""
    return f"{homes_uri(platform.state_uri, team)}/{owner_slug(owner)}/{workspace}"


def pod(ws: Workspace, task: HomeTask, platform: Platform, beside: str, seconds: int) -> Json:
    """`beside`: the node that has the volume, where the workspace runs. `seconds`: until its node ends it."""
    team = team_of(ws.metadata.namespace)
    marked = labelled("home", ws.metadata.name, team, ws.spec.owner, **{labels.HOME: ws.metadata.name})
    body = metadata(name(ws, task), ws.metadata, "Workspace", marked)
    body["annotations"] = {**_STAYS, "footplate.dev/task": task.kind}
    values = {
        "FOOTPLATE_HOME": HOME,
        "FOOTPLATE_HOME_URI": repository(platform, team, ws.spec.owner, ws.metadata.name),
        "FOOTPLATE_WORKSPACE_UID": ws.metadata.uid,
        "FOOTPLATE_CACHE": "/cache/restic",
        **({"FOOTPLATE_FINISH": "1"} if beside else {}),
    }
    password: Json = {"secretKeyRef": {"name": PASSWORD_SECRET, "key": PASSWORD_KEY}}
    mounts: list[Json] = [{"name": "cache", "mountPath": "/cache"}]
    volumes: list[Json] = [{"name": "cache", "emptyDir": {}}]
    if task.kind != "Prune":
        mounts.append({"name": "home", "mountPath": HOME})
        volumes.append({"name": "home", "persistentVolumeClaim": {"claimName": home_name(ws)}})
    container = {
        "name": "main",
        "image": platform.platform_image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "-m", "footplate.agent.home", *_words(ws, task, platform, team)],
        "env": [
            *podshape.environment({**podshape.store_address(platform), **values}),
            {"name": "RESTIC_PASSWORD", "valueFrom": password},
        ],
        "envFrom": podshape.store_credentials(platform),
        "resources": RESOURCES,
        "securityContext": podshape.CONTAINER_SECURITY,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": mounts,
    }
    return {
        "metadata": body,
        "spec": {
            "hostname": "home",
            "restartPolicy": "Never",
            "activeDeadlineSeconds": seconds,
            "terminationGracePeriodSeconds": FINISH if beside else 5,
            "serviceAccountName": SERVICE_ACCOUNT_HOME,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "priorityClassName": priority_class("interactive"),
            "securityContext": podshape.POD_SECURITY,
            "containers": [container],
            "volumes": volumes,
            **_placement(ws, task, platform, beside),
        },
    }


def _words(ws: Workspace, task: HomeTask, platform: Platform, team: str) -> list[str]:
    policy, request = platform.homes, ws.spec.home.request
    match task.kind:
        case "Snapshot":
            return ["save"]
        case "Fill":
            assert ws.spec.home.restore_from is not None
            return ["fill", *_from(ws, ws.spec.home.restore_from, platform, team), f"--key={ws.metadata.uid}"]
        case "Restore":
            assert request is not None
            assert request.restore is not None
            paths = [f"--path={path}" for path in request.paths]
            to = [f"--to={request.to}"] if request.to is not None else []
            words = _from(ws, request.restore, platform, team)
            return ["restore", *words, f"--key={request.at.isoformat()}", *paths, *to]
        case "Prune":
            return ["prune", *_kept(policy)]


def _from(ws: Workspace, reference: str, platform: Platform, team: str) -> list[str]:
    """Of the same owner's workspaces only."""
    workspace, _, snapshot = reference.rpartition("/")
    uri = repository(platform, team, ws.spec.owner, workspace or ws.metadata.name)
    return [f"--source={uri}", f"--snapshot={snapshot}"]


def _kept(policy: HomePolicy) -> list[str]:
    counts = {"last": policy.keep_last, "daily": policy.keep_daily, "weekly": policy.keep_weekly}
    return [f"--keep-{name}={count}" for name, count in counts.items()]


def _placement(ws: Workspace, task: HomeTask, platform: Platform, beside: str) -> Json:
    if beside:
        here = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [beside]}]}
        required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [here]}}
        return {"affinity": {"nodeAffinity": required}, "tolerations": [{"operator": "Exists"}]}
    if task.kind == "Fill":  # its node decides where a new volume is: the workspace has to fit there too
        return podshape.placement(ws.spec.resources.gpu, platform)
    return {"tolerations": gpus.tolerations(platform)} if ws.spec.resources.gpu else {}
