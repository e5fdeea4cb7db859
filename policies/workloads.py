"""Pods, wherever a Kubernetes resource describes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from policies.rule import Resource
from policies.values import at, mappings

#: Type → path of the pod's spec in its inputs.
POD_SPECS: Final = {
    "kubernetes:core/v1:Pod": "spec",
    "kubernetes:apps/v1:DaemonSet": "spec.template.spec",
    "kubernetes:apps/v1:Deployment": "spec.template.spec",
    "kubernetes:apps/v1:ReplicaSet": "spec.template.spec",
    "kubernetes:apps/v1:StatefulSet": "spec.template.spec",
    "kubernetes:batch/v1:Job": "spec.template.spec",
    "kubernetes:batch/v1:CronJob": "spec.jobTemplate.spec.template.spec",
}
DAEMON_SET: Final = "kubernetes:apps/v1:DaemonSet"


@dataclass(frozen=True)
class Container:
    """`path`: where it is in the resource's inputs."""

    path: str
    fields: dict[str, Any]


def containers(resource: Resource) -> Iterator[Container]:
    where = POD_SPECS[resource.type]
    spec = at(resource.properties, where)
    for kind in ("initContainers", "containers"):
        for index, fields in enumerate(mappings(at(spec, kind))):
            yield Container(f"{where}.{kind}[{index}]", fields)


def pod_spec(resource: Resource) -> Any:
    return at(resource.properties, POD_SPECS[resource.type])
