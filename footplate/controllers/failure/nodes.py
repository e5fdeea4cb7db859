"""What a node says of itself that explains why a pod on it failed, or will not come back.

Sources: https://kubernetes.io/docs/reference/node/node-status/#condition,
https://kubernetes.io/docs/reference/labels-annotations-taints/ and the taints by which clouds announce that they take a
machine back (karpenter.sh, aws-node-termination-handler, GKE's impending node termination, cluster-autoscaler).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from footplate.api.trainingjob import CauseClass
from footplate.controllers.cluster import Node, Pod
from footplate.controllers.failure import gpu
from footplate.controllers.failure.rule import Ending, Rule, Weight, by

_INFRA = CauseClass.INFRA

NOT_ANSWERING = Rule("NodeNotReady", _INFRA, "node {node} does not answer", suspect=True)
NOT_READY = Rule("NodeNotReady", _INFRA, "node {node} is not ready", suspect=True)
GONE = Rule("NodeGone", _INFRA, "its node {node} is gone")
GPU_UNHEALTHY = Rule("GpuUnhealthy", _INFRA, "a GPU that it uses on node {node} is unhealthy", suspect=True)
GPU_REPORTED = Rule("GpuUnhealthy", _INFRA, "node {node} reports its GPUs as unhealthy", suspect=True)

#: The owner of the machine wants it back: nothing is wrong with it.
RECLAIMED: dict[str, str] = {
    "aws-node-termination-handler/spot-itn": "the cloud takes spot node {node} back",
    "aws-node-termination-handler/rebalance-recommendation": "the cloud takes spot node {node} back",
    "aws-node-termination-handler/scheduled-maintenance": "node {node} goes into maintenance",
    "cloud.google.com/impending-node-termination": "the cloud takes node {node} back",
    "kubernetes.azure.com/scalesetpriority-preempt": "the cloud takes spot node {node} back",
    "karpenter.sh/disrupted": "node {node} is replaced",
    "karpenter.sh/disruption": "node {node} is replaced",
    "ToBeDeletedByClusterAutoscaler": "node {node} is removed, for it was hardly used",
}


def lost(node: Node) -> Ending | None:
    """At the time since which it has not been ready."""
    ready = node.condition("Ready")
    if ready is None or ready.status == "True":
        return None
    name = node.metadata.name
    if ready.status == "Unknown":
        return by(NOT_ANSWERING, NOT_ANSWERING.says.format(node=name), ready.last_transition_time, name)
    said = ready.message.strip().split("\n")[0].rstrip(".")[:150]
    text = NOT_READY.says.format(node=name)
    return by(NOT_READY, f"{text} ({said})" if said else text, ready.last_transition_time, name)


def gpu_trouble(node: Node) -> Ending | None:
    """By the conditions that GPU monitors set."""
    name = node.metadata.name
    for condition in node.status.conditions:
        if not gpu.is_trouble(condition.type, condition.status):
            continue
        said = (condition.message.strip().split("\n")[0] or condition.reason or condition.type).rstrip(".")[:150]
        rule = gpu.xid(f"{condition.reason} {condition.message}") or GPU_REPORTED
        if rule.class_ is CauseClass.INFRA:
            text = rule.says.format(node=name)
            return by(rule, f"{text} ({condition.type}: {said})", condition.last_transition_time, name)
    return None


def unhealthy_device(pod: Pod, at: datetime) -> Ending | None:
    """A device that was given to a running pod failed since (KEP-4680)."""
    for container in pod.status.container_statuses:
        for resource in container.allocated_resources_status:
            for device in resource.resources:
                if device.health == "Unhealthy" and resource.name.startswith("nvidia.com/"):
                    text = GPU_UNHEALTHY.says.format(node=pod.spec.node_name)
                    return by(GPU_UNHEALTHY, f"{text} ({device.resource_id})", at, pod.spec.node_name)
    return None


def reclaimed(node: Node) -> str | None:
    found = next((RECLAIMED[taint.key] for taint in node.spec.taints if taint.key in RECLAIMED), None)
    return found.format(node=node.metadata.name) if found else None


def explained(end: Ending, node: Node | None) -> Ending:
    """What happened to a pod, in the light of what its node says."""
    if node is None:
        return end
    taken = reclaimed(node)
    machine = end.class_ is CauseClass.INFRA or end.weight is not Weight.CAUSE
    if taken is not None and machine:
        return Ending(CauseClass.PREEMPTION, taken, end.at, reason="NodeReclaimed")
    trouble = gpu_trouble(node)
    gpus = end.reason.startswith("Gpu") and end.reason not in ("GpuOutOfMemory", "GpuImageMismatch")
    if trouble is not None and (machine or gpus):
        return replace(trouble, evidence=f"{end.evidence}; {trouble.evidence}", at=end.at)
    return end
