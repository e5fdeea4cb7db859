"""What the platform stands on, in the order in which it is needed: network, cluster, GPU pools, names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pulumi

from components.config import PlatformConfig
from providers import spec
from providers.contract import (
    Cluster,
    ClusterSpec,
    GpuPool,
    GpuPoolSpec,
    Ingress,
    IngressSpec,
    Network,
    NetworkSpec,
    NodeGroup,
    Provider,
)


@dataclass(frozen=True)
class Foundation:
    """`target`: what `cluster` was made or found by."""

    target: ClusterSpec
    cluster: Cluster
    network: Network = field(default_factory=Network)
    pools: Sequence[GpuPool] = ()
    ingress: Ingress | None = None

    @property
    def groups(self) -> list[NodeGroup]:
        """All nodes that are paid for."""
        return [*self.cluster.groups, *(pool.group for pool in self.pools)]


def lay(config: PlatformConfig, provider: Provider, opts: pulumi.ResourceOptions) -> Foundation:
    network = provider.network(
        NetworkSpec(
            "network",
            config.network,
            fabric=any(pool.fabric for pool in config.gpu_pools),
            offload=config.offload.enabled,
        ),
        opts,
    )
    home = config.storage.home if config.storage is not None else spec.Home()
    target = ClusterSpec("cluster", config.cluster, config.context, config.kubeconfig, config.kubernetes, home, network)
    cluster = provider.cluster(target, opts)
    pools = [
        provider.gpu_pool(GpuPoolSpec(pool, cluster, network, f"footplate:gpuPools[{index}]"), opts)
        for index, pool in enumerate(config.gpu_pools)
    ]
    names = provider.ingress(IngressSpec(config.ingress, cluster, network), opts) if config.ingress else None
    return Foundation(target, cluster, network, pools, names)
