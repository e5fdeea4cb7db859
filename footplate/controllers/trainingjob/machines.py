"""On which kinds of nodes an attempt runs, for what it costs: noted once all of its pods have a node."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from footplate.api.trainingjob import Attempt, Machine
from footplate.controllers.cluster import Node, Pod

#: Source: https://kubernetes.io/docs/reference/labels-annotations-taints/
_TYPE, _REGION = "node.kubernetes.io/instance-type", "topology.kubernetes.io/region"

_MARKETS: dict[str, dict[str, str]] = {
    # https://karpenter.sh/docs/concepts/nodepools/#capacity-type; of a reservation, also for a block of time.
    "karpenter.sh/capacity-type": {"on-demand": "on-demand", "spot": "spot", "reserved": "reserved"},
    # https://docs.aws.amazon.com/eks/latest/userguide/managed-node-groups.html
    "eks.amazonaws.com/capacityType": {"ON_DEMAND": "on-demand", "SPOT": "spot", "CAPACITY_BLOCK": "capacity-block"},
    # Of the pools of this platform on GKE (providers/gcp/gpu_pools.py).
    "footplate.dev/capacity": {
        "on-demand": "on-demand",
        "spot": "spot",
        "reserved": "reserved",
        "flex": "flex-start",
    },
    # https://cloud.google.com/kubernetes-engine/docs/concepts/spot-vms
    "cloud.google.com/gke-spot": {"true": "spot"},
}
"""Label of a node → its value → market. The first label that says something counts; else it is on-demand."""


def noted(attempt: Attempt, pods: Iterable[Pod], nodes: Mapping[str, Node | None]) -> Attempt:
    if attempt.machines or attempt.end is not None:
        return attempt
    placed = [node for pod in pods if (node := nodes.get(pod.spec.node_name)) is not None]
    if not placed or len(placed) < attempt.nodes:
        return attempt
    counts = Counter(machine(node) for node in placed)
    found = tuple(msgspec.structs.replace(one, count=count) for one, count in sorted(counts.items(), key=repr))
    return msgspec.structs.replace(attempt, machines=found)


def machine(node: Node) -> Machine:
    labels = node.metadata.labels
    markets = (values.get(labels.get(label, "")) for label, values in _MARKETS.items())
    market = next((market for market in markets if market), "on-demand")
    return Machine(labels.get(_TYPE, ""), labels.get(_REGION, ""), market)
