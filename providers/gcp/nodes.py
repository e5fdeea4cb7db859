"""Nodes in general: the identity they have, what all of them share, and the machines of those without GPUs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_gcp as gcp

from footplate.api import quantity
from providers.contract import POOL_LABEL, NodeGroup, ProviderError
from providers.gcp.foundation import Foundation
from providers.gcp.ranges import PODS
from providers.spec import Nodes

Args = gcp.container

#: Type, CPUs, memory in GiB. Source: https://cloud.google.com/compute/docs/general-purpose-machines
CPU_MACHINES: Sequence[tuple[str, int, int]] = sorted(
    [
        *((f"e2-standard-{cpus}", cpus, cpus * 4) for cpus in (2, 4, 8, 16, 32)),
        *((f"e2-highmem-{cpus}", cpus, cpus * 8) for cpus in (2, 4, 8, 16)),
        *((f"n2-standard-{cpus}", cpus, cpus * 4) for cpus in (48, 64, 80, 96, 128)),
        *((f"n2-highmem-{cpus}", cpus, cpus * 8) for cpus in (32, 48, 64, 80, 96)),
    ],
    key=lambda machine: machine[1:],
)

#: IAM alone decides what a node may do. Source: https://cloud.google.com/kubernetes-engine/docs/how-to/access-scopes
SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)


@dataclass(frozen=True)
class Place:
    """What the node pools of a cluster share."""

    cluster: gcp.container.Cluster
    account: gcp.serviceaccount.Account
    disk_key: gcp.kms.CryptoKey
    zones: Sequence[str]
    ready: Sequence[pulumi.Resource]


def gibibytes(amount: str) -> int:
    return math.ceil(quantity.parse(amount) / 1024**3)


def machine_type(nodes: Nodes, path: str) -> str:
    """The smallest with so much CPU and memory."""
    memory = quantity.parse(nodes.memory) / 1024**3
    for name, cpus, gib in CPU_MACHINES:
        if cpus >= nodes.cpu and gib >= memory:
            return name
    raise ProviderError(
        f"{path}.memory: no machine has {nodes.cpu} CPUs and {nodes.memory}; the largest is "
        f"{CPU_MACHINES[-1][0]} with {CPU_MACHINES[-1][1]} CPUs, or n2-highmem-96 with 768Gi"
    )


def node_config(
    foundation: Foundation,
    place: Place,
    *,
    machine: str,
    disk: str,
    disk_type: str = "pd-balanced",
    node_labels: Mapping[str, str],
    pool: str,
    secure_boot: bool = True,
    ubuntu: bool = False,
    **more: Any,
) -> gcp.container.NodePoolNodeConfigArgs:
    """`pool`: for the bill. No legacy metadata, no node identity in pods, disks encrypted by the stack's key."""
    return Args.NodePoolNodeConfigArgs(
        machine_type=machine,
        image_type="UBUNTU_CONTAINERD" if ubuntu else "COS_CONTAINERD",
        disk_size_gb=gibibytes(disk),
        disk_type=disk_type,
        boot_disk_kms_key=place.disk_key.id,
        service_account=place.account.email,
        oauth_scopes=list(SCOPES),
        labels=dict(node_labels),
        resource_labels={**foundation.site.labels, "footplate-pool": pool},
        metadata={"disable-legacy-endpoints": "true"},
        shielded_instance_config=Args.NodePoolNodeConfigShieldedInstanceConfigArgs(
            enable_secure_boot=secure_boot, enable_integrity_monitoring=True
        ),
        workload_metadata_config=Args.NodePoolNodeConfigWorkloadMetadataConfigArgs(mode="GKE_METADATA"),
        kubelet_config=Args.NodePoolNodeConfigKubeletConfigArgs(insecure_kubelet_readonly_port_enabled="FALSE"),
        gcfs_config=Args.NodePoolNodeConfigGcfsConfigArgs(enabled=not ubuntu),
        gvnic=Args.NodePoolNodeConfigGvnicArgs(enabled=True),
        **more,
    )


def node_pool(
    foundation: Foundation,
    place: Place,
    name: str,
    *,
    config: gcp.container.NodePoolNodeConfigArgs,
    zones: Sequence[str],
    least: int,
    most: int,
    opts: pulumi.ResourceOptions,
    pods: int = PODS,
    location_policy: str = "BALANCED",
    auto_repair: bool = True,
    upgrade: gcp.container.NodePoolUpgradeSettingsArgs | None = None,
    networks: Sequence[gcp.container.NodePoolNetworkConfigAdditionalNodeNetworkConfigArgs] = (),
    placement: gcp.container.NodePoolPlacementPolicyArgs | None = None,
) -> gcp.container.NodePool:
    """The autoscaler has the number of nodes: what it is now is no difference to the program.

    Replaced first and made anew after, as two pools cannot have one name.
    """
    return gcp.container.NodePool(
        name,
        name=name,
        cluster=place.cluster.id,
        project=foundation.project,
        location=foundation.region,
        node_locations=list(zones),
        initial_node_count=0 if least == 0 else math.ceil(least / len(zones)),
        autoscaling=Args.NodePoolAutoscalingArgs(
            total_min_node_count=least, total_max_node_count=most, location_policy=location_policy
        ),
        ignore_node_count_changes=True,
        max_pods_per_node=pods,
        management=Args.NodePoolManagementArgs(auto_repair=auto_repair, auto_upgrade=True),
        upgrade_settings=upgrade or Args.NodePoolUpgradeSettingsArgs(strategy="SURGE", max_surge=1, max_unavailable=0),
        network_config=Args.NodePoolNetworkConfigArgs(
            enable_private_nodes=True, additional_node_network_configs=list(networks) or None
        ),
        placement_policy=placement,
        node_config=config,
        opts=foundation.options(
            opts,
            after=place.ready,
            delete_before_replace=True,
            ignore_changes=["initialNodeCount", "nodeCount"],
        ),
    )


def cpu_pool(
    foundation: Foundation,
    place: Place,
    name: str,
    asked: Nodes,
    path: str,
    opts: pulumi.ResourceOptions,
    *,
    taints: Sequence[gcp.container.NodePoolNodeConfigTaintArgs] = (),
) -> tuple[NodeGroup, gcp.container.NodePool]:
    machine = machine_type(asked, path)
    config = node_config(
        foundation,
        place,
        machine=machine,
        disk=asked.disk,
        node_labels={POOL_LABEL: name},
        pool=name,
        spot=asked.spot,
        taints=list(taints) or None,
    )
    made = node_pool(
        foundation,
        place,
        name,
        config=config,
        zones=place.zones,
        least=asked.min_nodes,
        most=asked.max_nodes,
        location_policy="ANY" if asked.spot else "BALANCED",
        opts=opts,
    )
    capacity = ("spot",) if asked.spot else ("on-demand",)
    return NodeGroup(name, machine, asked.min_nodes, asked.max_nodes, capacity, disk=asked.disk), made
