"""From a cluster's spec and addresses to what runs: its identities, configuration files and components."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from devcluster import (
    addresses,
    certificates,
    cgroups,
    control_plane,
    kubeconfig,
    kwok,
    node,
    object_store,
    simulated_gpus,
    storage,
)
from devcluster.addresses import Endpoints
from devcluster.certificates import Leaf
from devcluster.host import Host
from devcluster.object_store import ObjectStore
from devcluster.paths import ClusterPaths
from devcluster.plan import Component
from devcluster.spec import ClusterSpec

CONTROL_PLANE_IDENTITIES = ("controller-manager", "scheduler", "kwok", "provisioner")
NODE_IDENTITIES = ("kubelet", "kube-proxy", "coredns")


@dataclass(frozen=True)
class RealNode:
    """What only a cluster with a node of its own has."""

    host: Host
    store: ObjectStore


@dataclass(frozen=True)
class Layout:
    spec: ClusterSpec
    endpoints: Endpoints
    paths: ClusterPaths
    binaries: Mapping[str, Path]
    node: RealNode | None

    def leaves(self) -> tuple[Leaf, ...]:
        return certificates.leaves(self.spec.node_name, (self.endpoints.address,), self.endpoints.service_address)

    def files(self) -> dict[Path, bytes]:
        """Everything that components read; takes the certificates to be there."""
        identities = (*CONTROL_PLANE_IDENTITIES, *(NODE_IDENTITIES if self.node else ()))
        server, context = self.endpoints.server, self.spec.context
        return {
            **control_plane.files(self.paths),
            **kwok.files(self.paths),
            **{
                self.paths.component_kubeconfig(name): kubeconfig.render(self.paths, server, context, name)
                for name in identities
            },
            **(self._node_files(self.node) if self.node else {}),
        }

    def _node_files(self, real: RealNode) -> dict[Path, bytes]:
        cgroup = cgroups.name(addresses.identity(self.paths.root))
        return node.files(self.spec, self.endpoints, self.paths, self.binaries, real.host, cgroup)

    def components(self) -> tuple[Component, ...]:
        spec, endpoints, paths, binaries = self.spec, self.endpoints, self.paths, self.binaries
        simulated = spec.profile == "api" or spec.kwok_nodes > 0
        return (
            *control_plane.components(spec, endpoints, paths, binaries),
            storage.component(spec, paths, binaries),
            *([kwok.component(endpoints, paths, binaries)] if simulated else []),
            *(self._node_components(self.node) if self.node else []),
        )

    def _node_components(self, real: RealNode) -> list[Component]:
        gpus = simulated_gpus.of_node(self.spec)
        store = object_store.component(
            real.store, self.endpoints, self.paths, self.binaries, attributes=real.host.attributes
        )
        return [
            *node.components(self.spec, self.endpoints, self.paths, self.binaries),
            store,
            *([simulated_gpus.component(self.spec, gpus, self.paths)] if gpus else []),
        ]
