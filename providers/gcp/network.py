"""The VPC: one regional subnet for nodes and pods, and a way out by Cloud NAT, or none but to Google's own services."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_gcp as gcp

from providers.gcp.foundation import Foundation
from providers.gcp.ranges import divide
from providers.spec import Network as Asked

PODS_RANGE = "pods"
SERVICES_RANGE = "services"

#: Google's APIs without the internet. Source: https://cloud.google.com/vpc/docs/configure-private-google-access
RESTRICTED = "199.36.153.4/30"
RESTRICTED_ADDRESSES = ("199.36.153.4", "199.36.153.5", "199.36.153.6", "199.36.153.7")
#: Domains of those APIs, of the registries among them, and of the agents on nodes.
PRIVATE_DOMAINS = ("googleapis.com", "pkg.dev", "gcr.io", "gke.goog")


class Network(pulumi.ComponentResource):
    """`egress` closed: no route to the internet. Cloud NAT is regional: the loss of a zone takes no other zone's way out."""

    def __init__(self, foundation: Foundation, asked: Asked, opts: pulumi.ResourceOptions) -> None:
        super().__init__("footplate:gcp:Network", "network", None, opts)
        self._foundation = foundation
        self._asked = asked
        self._child = foundation.options(pulumi.ResourceOptions(parent=self))
        self.ranges = divide(asked.cidr)
        self.closed = asked.egress == "closed"
        name = foundation.site.name
        self.vpc = gcp.compute.Network(
            name,
            name=name,
            project=foundation.project,
            auto_create_subnetworks=False,
            delete_default_routes_on_create=self.closed,
            mtu=8896,
            routing_mode="REGIONAL",
            opts=foundation.options(pulumi.ResourceOptions(parent=self), apis=["compute"]),
        )
        self.subnet = self._subnet()
        self.ready: list[pulumi.Resource] = self._private_access() if self.closed else [self._nat()]
        self.register_outputs({"vpc": self.vpc.id, "subnet": self.subnet.id})

    @property
    def _place(self) -> dict[str, Any]:
        return {"project": self._foundation.project, "region": self._foundation.region}

    def _subnet(self) -> gcp.compute.Subnetwork:
        logs = gcp.compute.SubnetworkLogConfigArgs(
            aggregation_interval="INTERVAL_1_MIN", flow_sampling=0.1, metadata="INCLUDE_ALL_METADATA"
        )
        return gcp.compute.Subnetwork(
            "nodes",
            name=f"{self._foundation.site.name}-nodes",
            network=self.vpc.id,
            ip_cidr_range=str(self.ranges.nodes),
            private_ip_google_access=True,
            secondary_ip_ranges=[
                gcp.compute.SubnetworkSecondaryIpRangeArgs(range_name=name, ip_cidr_range=cidr)
                for name, cidr in ((PODS_RANGE, self._asked.pod_cidr), (SERVICES_RANGE, self._asked.service_cidr))
            ],
            log_config=logs if self._asked.flow_logs else None,
            **self._place,
            opts=self._child,
        )

    def _nat(self) -> gcp.compute.RouterNat:
        router = gcp.compute.Router(
            "way-out", name=self._foundation.site.name, network=self.vpc.id, **self._place, opts=self._child
        )
        return gcp.compute.RouterNat(
            "way-out",
            name=self._foundation.site.name,
            router=router.name,
            nat_ip_allocate_option="AUTO_ONLY",
            source_subnetwork_ip_ranges_to_nat="ALL_SUBNETWORKS_ALL_IP_RANGES",
            # A job that reads a dataset from many threads needs more than the 64 ports that a VM has otherwise.
            enable_dynamic_port_allocation=True,
            enable_endpoint_independent_mapping=False,
            min_ports_per_vm=64,
            max_ports_per_vm=4096,
            log_config=gcp.compute.RouterNatLogConfigArgs(enable=True, filter="ERRORS_ONLY"),
            **self._place,
            opts=self._child,
        )

    def _private_access(self) -> list[pulumi.Resource]:
        site, project = self._foundation.site, self._foundation.project
        route = gcp.compute.Route(
            "google-apis",
            name=f"{site.name}-google-apis",
            project=project,
            network=self.vpc.id,
            dest_range=RESTRICTED,
            next_hop_gateway="default-internet-gateway",
            priority=1000,
            opts=self._child,
        )
        return [route, *self._egress_rules(), *self._private_names()]

    def _egress_rules(self) -> list[pulumi.Resource]:
        """Without a default route nothing leaves; these say so, and hold if somebody adds a route."""
        site, project = self._foundation.site, self._foundation.project
        inside = [self._asked.cidr, self._asked.pod_cidr, self._asked.service_cidr]
        allowed = gcp.compute.Firewall(
            "allow-inside",
            name=f"{site.name}-allow-inside",
            project=project,
            network=self.vpc.id,
            direction="EGRESS",
            priority=1000,
            destination_ranges=[*inside, RESTRICTED],
            allows=[gcp.compute.FirewallAllowArgs(protocol="all")],
            opts=self._child,
        )
        denied = gcp.compute.Firewall(
            "deny-outside",
            name=f"{site.name}-deny-outside",
            project=project,
            network=self.vpc.id,
            direction="EGRESS",
            priority=65000,
            destination_ranges=["0.0.0.0/0"],
            denies=[gcp.compute.FirewallDenyArgs(protocol="all")],
            log_config=gcp.compute.FirewallLogConfigArgs(metadata="INCLUDE_ALL_METADATA"),
            opts=self._child,
        )
        return [allowed, denied]

    def _private_names(self) -> list[pulumi.Resource]:
        """Google's domains, answered with the addresses that the route leads to."""
        return [record for domain in PRIVATE_DOMAINS for record in self._private_domain(domain)]

    def _private_domain(self, domain: str) -> list[pulumi.Resource]:
        label = domain.replace(".", "-")
        zone = gcp.dns.ManagedZone(
            label,
            name=f"{self._foundation.site.name}-{label}",
            project=self._foundation.project,
            dns_name=f"{domain}.",
            visibility="private",
            labels=dict(self._foundation.site.labels),
            private_visibility_config=gcp.dns.ManagedZonePrivateVisibilityConfigArgs(
                networks=[gcp.dns.ManagedZonePrivateVisibilityConfigNetworkArgs(network_url=self.vpc.id)]
            ),
            opts=self._foundation.options(pulumi.ResourceOptions(parent=self), apis=["dns"]),
        )
        return [
            gcp.dns.RecordSet(
                name,
                project=self._foundation.project,
                managed_zone=zone.name,
                name=f"{name}.",
                type="A",
                ttl=300,
                rrdatas=list(RESTRICTED_ADDRESSES),
                opts=self._child,
            )
            for name in (domain, f"*.{domain}")
        ]


class PrivateServices(pulumi.ComponentResource):
    """Addresses for Google's own machines (Filestore, Managed Lustre), and the peering over which nodes reach them."""

    def __init__(self, foundation: Foundation, network: Network, opts: pulumi.ResourceOptions) -> None:
        super().__init__("footplate:gcp:PrivateServices", "private-services", None, opts)
        child = pulumi.ResourceOptions(parent=self)
        range_ = network.ranges.services
        address = gcp.compute.GlobalAddress(
            "private-services",
            name=f"{foundation.site.name}-private-services",
            project=foundation.project,
            purpose="VPC_PEERING",
            address_type="INTERNAL",
            address=str(range_.network_address),
            prefix_length=range_.prefixlen,
            network=network.vpc.id,
            labels=dict(foundation.site.labels),
            opts=foundation.options(child),
        )
        self.connection = gcp.servicenetworking.Connection(
            "private-services",
            network=network.vpc.id,
            service="servicenetworking.googleapis.com",
            reserved_peering_ranges=[address.name],
            opts=foundation.options(child, apis=["servicenetworking"]),
        )
        self.register_outputs({})
