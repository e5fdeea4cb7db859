"""The namespaces of a cluster with a node."""

from __future__ import annotations

from devcluster.paths import ClusterPaths
from devcluster.plan import NodeNetwork


def enter(network: NodeNetwork, paths: ClusterPaths) -> None:
    raise NotImplementedError(network, paths)
