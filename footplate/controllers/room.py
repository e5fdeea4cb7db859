"""How many ranks fit on which nodes: what nodes can allocate, less what the platform's pods on them ask for.

Pods of others count only where they belong to the platform: the scheduler has the last word.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from footplate.api import quantity
from footplate.api.resources import Resources
from footplate.controllers import gpus
from footplate.controllers.cluster import Node, Pod
from footplate.controllers.nodehealth.suspicion import ANNOTATION, Incident, decode

Amounts = Mapping[str, Decimal]
_NONE: Amounts = {}


@dataclass(frozen=True)
class Room:
    """One node."""

    name: str
    labels: Mapping[str, str]
    amounts: Amounts
    open: bool
    """Ready, and takes pods."""
    incidents: tuple[Incident, ...] = ()
    reserved: bool = False
    """Its GPUs are kept for pods that ask for some: others are not let in."""


#: Of taints on GPU nodes only these keep jobs off: the others are how GPUs are reserved for those who ask for them.
_CLOSING = ("node.kubernetes.io/", "node.cloudprovider.kubernetes.io/", "ToBeDeletedByClusterAutoscaler")


def of_node(node: Node) -> Room:
    labels = node.metadata.labels
    amounts = {gpus.offered(n, labels): amount(text) for n, text in node.status.allocatable.items() if counts(n)}
    has_gpus = any(name.startswith("nvidia.com/") for name in amounts)
    taints = [taint.key for taint in node.spec.taints if taint.effect in ("NoSchedule", "NoExecute")]
    closing = [key for key in taints if not has_gpus or key.startswith(_CLOSING)]
    incidents = decode(node.metadata.annotations.get(ANNOTATION))
    is_open = node.ready and not node.spec.unschedulable and not closing
    return Room(node.metadata.name, labels, amounts, is_open, incidents, len(taints) > len(closing))


def counts(name: str) -> bool:
    return name in ("cpu", "memory") or name.startswith("nvidia.com/")


def asked(resources: Resources) -> Amounts:
    found = {"cpu": amount(resources.cpu), "memory": amount(resources.memory)}
    if resources.gpu is not None:
        found[gpus.resource(resources.gpu)] = Decimal(resources.gpu.count)
    return found


def of_pod(pod: Pod) -> Amounts:
    total: dict[str, Decimal] = {}
    for container in pod.spec.containers:
        for name, text in container.resources.requests.items():
            if counts(name):
                total[name] = total.get(name, Decimal(0)) + amount(text)
    return total


def ranks_on(room: Room, resources: Resources, used: Amounts = _NONE) -> int:
    """How many pods of that size it could take beside what it has."""
    gpu = resources.gpu
    if not room.open or (gpu is not None and gpu.type is not None and not gpus.carries(room.labels, gpu.type)):
        return 0
    taken = {gpus.offered(name, room.labels): number for name, number in used.items()}
    free = {name: room.amounts.get(name, Decimal(0)) - taken.get(name, Decimal(0)) for name in asked(resources)}
    return max(0, min(int(free[name] // want) for name, want in asked(resources).items() if want > 0))


def ranks(rooms: Iterable[Room], resources: Resources, used: Mapping[str, Amounts], without: Iterable[str] = ()) -> int:
    closed = set(without)
    return sum(ranks_on(r, resources, used.get(r.name, _NONE)) for r in rooms if r.name not in closed)


@dataclass
class Usage:
    """What the platform's pods on each node ask for, kept up to date pod by pod."""

    by_node: dict[str, dict[str, Decimal]] = field(default_factory=dict[str, dict[str, Decimal]])

    def change(self, old: Pod | None, new: Pod | None) -> None:
        for pod, sign in ((old, -1), (new, 1)):
            if pod is None or pod.ended or not pod.spec.node_name:
                continue
            used = self.by_node.setdefault(pod.spec.node_name, {})
            for name, wanted in of_pod(pod).items():
                used[name] = used.get(name, Decimal(0)) + sign * wanted
            if sign < 0 and not any(used.values()):
                del self.by_node[pod.spec.node_name]


def amount(text: str) -> Decimal:
    try:
        return quantity.parse(text)
    except ValueError:  # an exotic form such as 1e3
        return Decimal(text)
