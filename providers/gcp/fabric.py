"""GPUDirect: the further networks that GPU nodes are joined by, and how a pod has them.

NCCL's plugins for them are the image's to bring (docs/gcp.md).

Sources: https://cloud.google.com/kubernetes-engine/docs/how-to/gpu-bandwidth-gpudirect-tcpx (TCPX, TCPXO),
https://cloud.google.com/ai-hypercomputer/docs/create/gke-ai-hypercompute-custom (RDMA), and the blueprints gke-a3-highgpu,
gke-a3-megagpu and gke-a4 of GoogleCloudPlatform/cluster-toolkit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_gcp as gcp
import pulumi_kubernetes as kubernetes
from msgspec import json

from footplate.api import platform
from providers.gcp.foundation import Foundation
from providers.gcp.machines import Fabric
from providers.gcp.ranges import FABRIC
from providers.spec import GpuPool

#: gVNIC networks beside the main one.
GVNIC_NETWORKS = {Fabric.TCPX: 4, Fabric.TCPXO: 8, Fabric.RDMA: 1}
RDMA_NETWORKS = 8
#: TCPX and TCPXO send frames of two pages and a header.
GVNIC_MTU = 8244


@dataclass(frozen=True)
class Interface:
    """A further interface of a node: `name` of its Network object, names of the VPC and of the subnet."""

    name: str
    vpc: pulumi.Output[str]
    subnet: pulumi.Output[str]
    rdma: bool = False


def fabric_access(pool: GpuPool, interfaces: Sequence[Interface]) -> platform.Fabric | None:
    """All of a node's further interfaces for one rank, in the order of their networks.

    Source: https://cloud.google.com/ai-hypercomputer/docs/create/gke-ai-hypercompute-custom (a pod for NCCL).
    """
    if not interfaces:
        return None
    named = [("eth0", "default"), *((f"eth{number}", one.name) for number, one in enumerate(interfaces, 1))]
    listed = [{"interfaceName": name, "network": network} for name, network in named]
    return platform.Fabric(
        pool.gpu,
        pool.count,
        annotations={
            "networking.gke.io/default-interface": "eth0",
            "networking.gke.io/interfaces": json.encode(listed).decode(),
        },
    )


class FabricNetworks(pulumi.ComponentResource):
    """One for all pools of a fabric; for RDMA one a zone, as Google's RoCE networks are of one zone."""

    def __init__(
        self,
        foundation: Foundation,
        fabric: Fabric,
        zone: str,
        cluster: kubernetes.Provider,
        opts: pulumi.ResourceOptions,
    ) -> None:
        self._label = f"{fabric}-{zone}" if fabric is Fabric.RDMA else str(fabric)
        super().__init__("footplate:gcp:FabricNetworks", self._label, None, opts)
        self._foundation = foundation
        self._child = pulumi.ResourceOptions(parent=self)
        # Ranges of separate VPCs may be alike; those of one node's interfaces may not.
        ranges = FABRIC.subnets(new_prefix=20)
        gvnic = [
            self._gvnic(f"{self._label}-{number}", str(next(ranges))) for number in range(1, GVNIC_NETWORKS[fabric] + 1)
        ]
        rdma = self._rdma(zone, (str(range_) for range_ in ranges)) if fabric is Fabric.RDMA else []
        self.interfaces = [*gvnic, *rdma]
        for interface in self.interfaces:
            self._objects(interface, cluster)
        self.register_outputs({})

    def _gvnic(self, label: str, cidr: str) -> Interface:
        site, project = self._foundation.site, self._foundation.project
        vpc = gcp.compute.Network(
            label,
            name=f"{site.name}-{label}",
            project=project,
            auto_create_subnetworks=False,
            delete_default_routes_on_create=True,
            mtu=GVNIC_MTU,
            opts=self._foundation.options(self._child, apis=["compute"]),
        )
        subnet = self._subnet(label, vpc, cidr)
        gcp.compute.Firewall(
            label,
            name=f"{site.name}-{label}",
            project=project,
            network=vpc.id,
            direction="INGRESS",
            source_ranges=[cidr],
            allows=[gcp.compute.FirewallAllowArgs(protocol=protocol) for protocol in ("tcp", "udp", "icmp")],
            opts=self._foundation.options(self._child),
        )
        return Interface(label, vpc.name, subnet.name)

    def _rdma(self, zone: str, cidrs: Iterator[str]) -> list[Interface]:
        """A RoCE network has no firewall: its profile lets nothing in but RDMA."""
        project = self._foundation.project
        vpc = gcp.compute.Network(
            f"{self._label}-roce",
            name=f"{self._foundation.site.name}-{self._label}-roce",
            project=project,
            auto_create_subnetworks=False,
            network_profile=f"projects/{project}/global/networkProfiles/{zone}-vpc-roce",
            opts=self._foundation.options(self._child, apis=["compute"]),
        )
        interfaces: list[Interface] = []
        for number in range(RDMA_NETWORKS):
            label = f"{self._label}-roce-{number}"
            subnet = self._subnet(label, vpc, next(cidrs))
            interfaces.append(Interface(label, vpc.name, subnet.name, rdma=True))
        return interfaces

    def _subnet(self, label: str, vpc: gcp.compute.Network, cidr: str) -> gcp.compute.Subnetwork:
        return gcp.compute.Subnetwork(
            label,
            name=f"{self._foundation.site.name}-{label}",
            project=self._foundation.project,
            region=self._foundation.region,
            network=vpc.id,
            ip_cidr_range=cidr,
            opts=self._foundation.options(self._child),
        )

    def _objects(self, interface: Interface, cluster: kubernetes.Provider) -> None:
        """What a pod names to have the interface: https://cloud.google.com/kubernetes-engine/docs/how-to/setup-multinetwork-support-for-pods"""
        opts = pulumi.ResourceOptions(parent=self, provider=cluster)
        parameters = kubernetes.apiextensions.CustomResource(
            f"{interface.name}-parameters",
            api_version="networking.gke.io/v1",
            kind="GKENetworkParamSet",
            metadata={"name": interface.name},
            spec={
                "vpc": interface.vpc,
                "vpcSubnet": interface.subnet,
                "deviceMode": "RDMA" if interface.rdma else "NetDevice",
            },
            opts=opts,
        )
        kubernetes.apiextensions.CustomResource(
            interface.name,
            api_version="networking.gke.io/v1",
            kind="Network",
            metadata={"name": interface.name},
            spec={
                "type": "Device",
                "parametersRef": {
                    "group": "networking.gke.io",
                    "kind": "GKENetworkParamSet",
                    "name": interface.name,
                },
            },
            opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[parameters])),
        )
