"""Which objects a Workspace should consist of now: a home, a pod, and what the team's workspaces share."""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any

from footplate.api import Workspace, labels, quantity
from footplate.api.home import PASSWORD_KEY, PASSWORD_SECRET
from footplate.api.workspace import PORT, TOKEN_KEY, token_secret
from footplate.controllers import admission, kinds, quota
from footplate.controllers.children import Child, labelled, metadata, name_taken, team_of
from footplate.controllers.refusal import Refusal
from footplate.controllers.workspace import homes, hometask
from footplate.controllers.workspace import pod as pods
from footplate.controllers.workspace.observed import Observed, failed_for_good, has_home, home_name, pod_name
from footplate.kube.conditions import find_condition

Json = dict[str, Any]

RESIZE_REFUSED = "ResizeRefused"


def desired(ws: Workspace, observed: Observed, now: datetime) -> tuple[Child, ...]:
    """In the order in which they are made. A pod that was lost stays until the status has counted it."""
    wants_pod = _keeps_pod(ws, observed, now)
    if wants_pod is None:
        body = start(ws, observed)
        if isinstance(body, Refusal):
            return (*_home(ws, observed, starting=False), *_task(ws, observed))
        if homes.holds_start(ws, observed):
            return (*_shared(ws, observed), *_home(ws, observed, starting=True), *_task(ws, observed))
        pod = Child(kinds.POD, pod_name(ws), body)
        return (*_shared(ws, observed), *_home(ws, observed, starting=True), *_task(ws, observed), pod)
    kept = (Child(kinds.POD, pod_name(ws), None),) if wants_pod else ()
    shared = _shared(ws, observed) if pods.misses(observed.pod, token_secret(ws.spec.owner)) else ()
    return (*shared, *_home(ws, observed, starting=False), *kept, *_task(ws, observed))


def _keeps_pod(ws: Workspace, observed: Observed, now: datetime) -> bool | None:
    """Whether the pod that is there stays; None: there is none, and it is time to make one."""
    if ws.spec.desired_state == "Stopped":
        return False
    pod = observed.pod
    if failed_for_good(ws):
        return pod is not None and pod.ended  # for its logs; it holds nothing
    if pod is not None:
        lost = pod.ended or stuck(ws, observed, now)
        return not lost or pod.metadata.uid != ws.status.lost_pod
    counted = ws.status.pod_name is None and observed.vanished in (None, ws.status.lost_pod)
    due = ws.status.retry_at is None or ws.status.retry_at <= now or _is_new(ws)
    return None if counted and due and observed.refused is None else False


def _is_new(ws: Workspace) -> bool:
    return ws.status.observed_generation != ws.metadata.generation


def stuck(ws: Workspace, observed: Observed, now: datetime) -> bool:
    """It was given a node and is not ready in time."""
    pod = observed.pod
    if pod is None or pod.ready or pod.ended or pod.leaving or ws.status.started_at is not None:
        return False
    scheduled = pod.condition("PodScheduled")
    if scheduled is None or scheduled.status != "True" or scheduled.last_transition_time is None:
        return False
    return now - scheduled.last_transition_time >= observed.bounds.start


def start(ws: Workspace, observed: Observed) -> Json | Refusal:
    """The pod that would be made now, or why none can be."""
    spec = ws.spec
    if has_home(ws) and observed.home is not None and not observed.home.metadata.owned_by(ws.metadata.uid):
        return name_taken(kinds.CLAIM, observed.home.metadata)
    admitted = admission.image(spec.environment, spec.image, spec.resources, spec.datasets, observed.facts)
    if isinstance(admitted, Refusal):
        return admitted
    body = pods.pod(ws, *admitted)
    asked = quota.of_pod(body["spec"])
    if has_home(ws) and observed.home is None:
        asked |= quota.of_claim(_claim_spec(ws))
    return quota.shortage(asked, observed.facts.quotas) or body


def _home(ws: Workspace, observed: Observed, *, starting: bool) -> tuple[Child, ...]:
    """Made at the first start, and kept from then on."""
    home = observed.home
    if not has_home(ws):
        return ()
    if home is None:
        if not starting:
            return ()
        ours = labelled("workspace", ws.metadata.name, team_of(ws.metadata.namespace), ws.spec.owner)
        ours[labels.WORKSPACE] = ws.metadata.name
        body = {"metadata": metadata(home_name(ws), ws.metadata, "Workspace", ours), "spec": _claim_spec(ws)}
        return (Child(kinds.CLAIM, home_name(ws), body),)
    drift = None
    asked = home.spec.resources.requests.get("storage", "0")
    if quantity.parse(ws.spec.home.size) > quantity.parse(asked) and not _resize_refused(ws):
        drift = {"spec": {"resources": {"requests": {"storage": ws.spec.home.size}}}}
    return (Child(kinds.CLAIM, home_name(ws), None, drift),)


def _resize_refused(ws: Workspace) -> bool:
    found = find_condition(ws.status.conditions, "StorageReady")
    return found is not None and found.reason == RESIZE_REFUSED and found.observed_generation == ws.metadata.generation


def _claim_spec(ws: Workspace) -> Json:
    spec: Json = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": ws.spec.home.size}}}
    if ws.spec.home.storage_class is not None:
        spec["storageClassName"] = ws.spec.home.storage_class
    return spec


def _task(ws: Workspace, observed: Observed) -> tuple[Child, ...]:
    """The pod of the home's task, one at a time; before the first, the password of the team's snapshots."""
    home, platform = ws.status.home, observed.facts.platform
    if home is None or home.task is None or platform is None:
        return ()
    name = hometask.name(ws, home.task)
    if any(pod.name == name for pod in observed.tasks):
        return (Child(kinds.POD, name, None),)
    if observed.refused is not None or not all(pod.ended for pod in observed.tasks):
        return ()
    runs = observed.pod is not None and observed.pod.ready
    beside = observed.pod.spec.node_name if observed.pod is not None and runs else ""
    seconds = int(observed.bounds.home_task.total_seconds())
    pod = Child(kinds.POD, name, hometask.pod(ws, home.task, platform, beside, seconds))
    if not observed.new_password or home.total:
        return (pod,)
    ours = labelled("home", "homes", team_of(ws.metadata.namespace), None)
    del ours[labels.OWNER]
    password = {
        "metadata": {"name": PASSWORD_SECRET, "labels": ours},
        "type": "Opaque",
        "immutable": True,
        "data": {PASSWORD_KEY: base64.b64encode(observed.new_password.encode()).decode()},
    }
    return Child(kinds.SECRET, PASSWORD_SECRET, password, shared=True), pod


def _shared(ws: Workspace, observed: Observed) -> tuple[Child, ...]:
    """Names for the team's workspaces, and the owner's token: made once, then left alone."""
    team = team_of(ws.metadata.namespace)
    ours = labelled("workspace", "workspaces", team, None)
    del ours[labels.OWNER]
    service: Json = {
        "metadata": {"name": pods.SERVICE, "labels": ours},
        "spec": {
            "clusterIP": "None",  # without a selector: its endpoints are ours to write (`names`)
            "ports": [{"name": "http", "port": PORT}],
        },
    }
    secret: Json = {
        "metadata": {
            "name": token_secret(ws.spec.owner),
            "labels": labelled("workspace", "workspaces", team, ws.spec.owner),
        },
        "type": "Opaque",
        "data": {TOKEN_KEY: base64.b64encode(observed.new_token.encode()).decode()},
    }
    children: list[Child] = []
    if not observed.service:
        children.append(Child(kinds.SERVICE, pods.SERVICE, service, shared=True))
    if observed.new_token:
        children.append(Child(kinds.SECRET, token_secret(ws.spec.owner), secret, shared=True))
    return tuple(children)
