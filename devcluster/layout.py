"""From a cluster's spec and addresses to what runs: its identities, configuration files and components."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from devcluster import certificates, control_plane, kubeconfig, kwok, storage
from devcluster.addresses import Endpoints
from devcluster.certificates import Leaf
from devcluster.paths import ClusterPaths
from devcluster.plan import Component
from devcluster.spec import ClusterSpec

COMPONENT_IDENTITIES = ("controller-manager", "scheduler", "kwok", "provisioner")


def leaves(spec: ClusterSpec, endpoints: Endpoints) -> tuple[Leaf, ...]:
    return certificates.leaves(spec.node_name, (endpoints.address,), endpoints.service_address)


def files(spec: ClusterSpec, endpoints: Endpoints, paths: ClusterPaths) -> dict[Path, bytes]:
    """Everything that components read, after the certificates are there."""
    return {
        **control_plane.files(paths),
        **kwok.files(paths),
        **{
            paths.component_kubeconfig(name): kubeconfig.render(paths, endpoints.server, spec.context, name)
            for name in COMPONENT_IDENTITIES
        },
    }


def components(
    spec: ClusterSpec, endpoints: Endpoints, paths: ClusterPaths, binaries: Mapping[str, Path]
) -> tuple[Component, ...]:
    simulated = spec.profile == "api" or spec.kwok_nodes > 0
    return (
        *control_plane.components(spec, endpoints, paths, binaries),
        storage.component(spec, paths, binaries),
        *([kwok.component(endpoints, paths, binaries)] if simulated else []),
    )
