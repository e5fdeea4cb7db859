"""Why a pod does not run yet, in a person's words: what it waits for, and whether somebody has to act.

Sentences hold no counts and no times: they change only when the situation does, and with them the status.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from footplate.api.resources import Resources
from footplate.controllers import capacity
from footplate.controllers.cluster import ContainerStatus, Pod


@dataclass(frozen=True)
class Waiting:
    reason: str
    message: str
    placed: bool
    """Whether it has a node."""
    stuck: bool = False
    """It will not get better unless somebody acts, though Kubernetes goes on trying."""


STAGES = ("Starting", "Preparing", "Launching")
"""Reasons of a pod that comes up on its node, in their order."""


#: What the scheduler says of nodes → what it means. Source: the ErrReason constants of k8s.io/kubernetes/pkg/scheduler.
_NODES = (
    (r"Insufficient cpu", "lack free CPUs"),
    (r"Insufficient memory", "lack free memory"),
    (r"Insufficient nvidia\.com/mig-\S+", "lack free GPU shares of that size"),
    (r"Insufficient nvidia\.com/gpu\.shared", "lack free shares of GPUs"),
    (r"Insufficient nvidia\.com/gpu", "lack free GPUs"),
    (r"Insufficient ephemeral-storage", "lack free disk"),
    (r"Too many pods", "have as many pods as they can take"),
    (r"didn't match Pod's node affinity/selector", "have another GPU type"),
    (r"node\(s\) were unschedulable", "are closed to new pods"),
    (r"volume node affinity conflict", "cannot reach its volume, which is in another zone or on another node"),
    (r"didn't find available persistent volumes to bind", "have no storage for its volume"),
    (r"untolerated taint(\(s\))?( \{node\.kubernetes\.io/(not-ready|unreachable)[^}]*\})", "do not answer"),
    (r"untolerated taint", "are reserved for others"),
)
_CLAIM = re.compile(r'persistentvolumeclaim "(?P<claim>[^"]+)" (?P<what>not found|is being deleted)')

#: Of container state `waiting`: the image cannot be had. Source: k8s.io/kubernetes/pkg/kubelet/images/types.go
_PULL_REASONS = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
        "ImageInspectError",
        "RegistryUnavailable",
        "SignatureValidationFailed",
    }
)
_PULL_CAUSES = (
    (r"not found|manifest unknown|does not exist|NotFound", "it does not exist in its registry"),
    (r"unauthorized|denied|forbidden|authentication required", "its registry does not let the cluster have it"),
    (r"no such host|timeout|refused|unreachable|deadline exceeded|EOF", "its registry cannot be reached"),
    (r"couldn't parse image|invalid reference", "its name is not a valid image reference"),
    (r"no space left", "the node's disk is full"),
    (r"pull policy of Never|not present", "it is not on the node"),
)
#: Of container state `waiting`: the container cannot be made. Source: k8s.io/kubernetes/pkg/kubelet/kuberuntime.
_CREATE_REASONS = frozenset(
    {
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
        "PreCreateHookError",
        "PostStartHookError",
    }
)


def waiting(pod: Pod, resources: Resources, server: str) -> Waiting:
    """`server`: what is started in the main container, such as `JupyterLab`."""
    scheduled = pod.condition("PodScheduled")
    if scheduled is not None and scheduled.status != "True":
        if scheduled.reason == "SchedulingGated":
            return Waiting("SchedulingGated", "It waits to be admitted to the cluster.", placed=False)
        return Waiting("Unschedulable", unschedulable(scheduled.message, resources), placed=False)
    if not pod.spec.node_name:
        return Waiting("Scheduling", "It waits to be given a node.", placed=False)
    node = pod.spec.node_name
    for container in (*pod.status.init_container_statuses, *pod.status.container_statuses):
        found = _container_waits(container)
        if found is not None:
            return found
    prepare, main = pod.container("prepare"), pod.container("main")
    if prepare is not None and prepare.state.running:
        return Waiting("Preparing", f"Its code and data are copied to node {node}.", placed=True)
    if main is not None and main.state.running:
        return Waiting("Starting", f"{server} starts on node {node}.", placed=True)
    if prepare is not None and prepare.state.terminated:
        return Waiting("Launching", f"{server[0].upper()}{server[1:]} starts on node {node}.", placed=True)
    return Waiting("Starting", f"Node {node} gets its image and volumes ready.", placed=True)


def unschedulable(message: str, resources: Resources) -> str:
    """From the message of PodScheduled=False or of a PodGroup."""
    claim = _CLAIM.search(message)
    if claim:
        state = "does not exist" if claim["what"] == "not found" else "is being deleted"
        return f"It waits for volume claim {claim['claim']}, which {state}."
    if "unbound immediate PersistentVolumeClaims" in message:
        return "It waits for its volume to be made by the storage class."
    asked = capacity.request_phrase(resources)
    if "no nodes available" in message or message.startswith("0/0 "):
        return f"The cluster has no nodes; it asks for {asked}."
    text = message.split(" preemption:")[0]
    causes = list(dict.fromkeys(phrase for pattern, phrase in _NODES if re.search(pattern, text)))
    if "untolerated taint" in text and "do not answer" in causes:
        causes = [cause for cause in causes if cause != "are reserved for others" or _other_taints(text)]
    if not causes and "minCount" in text:
        return f"There is no room for all of its nodes now: each asks for {asked}."
    if not causes:
        return f"No node can take it now ({_first_sentence(message) or 'the scheduler gives no reason'})."
    return f"No node has room for it now: it asks for {asked}, and the nodes {_either(causes)}."


def _other_taints(text: str) -> bool:
    taints = re.findall(r"untolerated taint(?:\(s\))?(?: \{([^}:]*))?", text)
    return any(not re.match(r"node\.kubernetes\.io/(not-ready|unreachable)", taint) for taint in taints)


def _container_waits(container: ContainerStatus) -> Waiting | None:
    state = container.state.waiting
    if state is None:
        return None
    if state.reason in _PULL_REASONS:
        image = container.image or "its image"
        return Waiting("ImagePull", f"Image {image} cannot be pulled: {pull_cause(state.message)}.", True, stuck=True)
    if state.reason in _CREATE_REASONS:
        what = _first_sentence(state.message) or state.reason
        return Waiting("ContainerCreate", f"Its container {container.name} cannot be made: {what}.", True, stuck=True)
    return None


def pull_cause(message: str) -> str:
    for pattern, cause in _PULL_CAUSES:
        if re.search(pattern, message, re.IGNORECASE):
            return cause
    return _first_sentence(message) or "the node does not say why"


def _first_sentence(text: str) -> str:
    return re.split(r"\. |\n", text.strip(), maxsplit=1)[0].rstrip(".")[:300]


def _either(causes: list[str]) -> str:
    return causes[0] if len(causes) == 1 else f"{', '.join(causes[:-1])} or {causes[-1]}"
