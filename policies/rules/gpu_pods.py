"""Pods on GPU nodes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from policies.rule import Resource, ResourceRule, Settings, Severity
from policies.values import at, is_unknown, mapping, mappings
from policies.workloads import DAEMON_SET, POD_SPECS, containers, pod_spec

#: Node labels that only GPU nodes have.
GPU_LABELS = frozenset(
    {
        "cloud.google.com/gke-accelerator",
        "footplate.dev/gpu-type",
        "karpenter.k8s.aws/instance-gpu-name",
        "k8s.amazonaws.com/accelerator",
        "nvidia.com/gpu.present",
        "nvidia.com/gpu.product",
    }
)
_PREFIX = "nvidia.com/"


def _wants_gpu_node(spec: Any) -> str:
    """The field that says so, or nothing."""
    for label in sorted(GPU_LABELS.intersection(mapping(at(spec, "nodeSelector")))):
        return f"nodeSelector[{label!r}]"
    for index, toleration in enumerate(mappings(at(spec, "tolerations"))):
        if str(toleration.get("key", "")).startswith(_PREFIX):
            return f"tolerations[{index}]"
    return ""


def _gpus(fields: dict[str, Any], kind: str) -> dict[str, Any]:
    found = mapping(at(fields, f"resources.{kind}"))
    return {name: count for name, count in found.items() if name.startswith(_PREFIX)}


def _gpu_limit(resource: Resource, _: Settings) -> Iterator[str]:
    limited = False
    for container in containers(resource):
        if is_unknown(container.fields.get("resources")) or is_unknown(at(container.fields, "resources.limits")):
            return
        limits = _gpus(container.fields, "limits")
        limited |= bool(limits)
        for name, wanted in _gpus(container.fields, "requests").items():
            if str(limits.get(name)) != str(wanted):
                yield f"{container.path}.resources requests {wanted} of {name} and has no equal limit: set it"
                limited = True
    where = _wants_gpu_node(pod_spec(resource))
    if where and not limited:
        yield (
            f"{POD_SPECS[resource.type]}.{where} asks for a GPU node, and no container has a limit for {_PREFIX}gpu: it "
            "would hold the node and no GPU; set resources.limits"
        )


GPU_LIMIT = ResourceRule(
    name="gpu-limit-set",
    description="Pods that ask for a GPU node say how many GPUs they take.",
    severity=Severity.MEDIUM,
    source="https://kubernetes.io/docs/tasks/manage-gpus/scheduling-gpus/",
    types=frozenset(POD_SPECS) - {DAEMON_SET},
    check=_gpu_limit,
    settings=Settings,
)

RULES = (GPU_LIMIT,)
