"""The VPC: private subnets for nodes and pods in the stack's zones, and one way out or none."""

from __future__ import annotations

from ipaddress import IPv4Network

import pulumi
import pulumi_aws as aws

from providers import spec
from providers.aws import endpoints
from providers.aws.flow_logs import FlowLogs
from providers.aws.place import Place
from providers.contract import Network, NetworkSpec, ProviderError

#: A zone's share of a range is that of its letter, whichever other zones there are.
_LETTERS = "abcdefgh"


class AwsNetwork(pulumi.ComponentResource):
    def __init__(self, place: Place, asked: NetworkSpec, opts: pulumi.ResourceOptions) -> None:
        super().__init__("footplate:aws:Network", asked.name, None, opts)
        self._place = place
        self._asked = asked.asked or spec.Network()
        self._child = pulumi.ResourceOptions(parent=self)
        self._closed = self._asked.egress == "closed"
        self._vpc = aws.ec2.Vpc(
            asked.name,
            cidr_block=self._asked.cidr,
            enable_dns_hostnames=True,
            enable_dns_support=True,
            tags=self._named("vpc"),
            opts=self._child,
        )
        # What is put into no group of its own reaches nothing.
        aws.ec2.DefaultSecurityGroup("default", vpc_id=self._vpc.id, ingress=[], egress=[], opts=self._child)
        self._pods = aws.ec2.VpcIpv4CidrBlockAssociation(
            "pods", vpc_id=self._vpc.id, cidr_block=self._asked.pod_cidr, opts=self._child
        )
        self._ready: list[pulumi.Resource] = []
        public = {} if self._closed else self._public_subnets()
        private = self._private_subnets()
        tables = self._route_tables(private)
        self._ready += endpoints.make(place, self._vpc.id, self._asked, asked.offload, private, tables, self._child)
        if not self._closed:
            self._way_out(public, tables)
        if self._asked.flow_logs:
            FlowLogs("flow-logs", place, self._vpc.id, self._child)
        self.result = Network(
            id=self._vpc.id,
            cidr=self._asked.cidr,
            pod_cidr=self._asked.pod_cidr,
            service_cidr=self._asked.service_cidr,
            subnets={zone: subnet.id for zone, subnet in private.items()},
            public_subnets={zone: subnet.id for zone, subnet in public.items()},
            fabric=self._fabric() if asked.fabric else None,
            closed=self._closed,
            ready=self._ready,
        )
        self.register_outputs({"id": self._vpc.id})

    def _named(self, name: str, **tags: str) -> dict[str, str]:
        return {"Name": f"{self._place.site.name}-{name}", **tags}

    def _subnet(self, name: str, zone: str, cidr: IPv4Network, **tags: str) -> aws.ec2.Subnet:
        after = [self._pods] if name.startswith("pods") else []
        return aws.ec2.Subnet(
            name,
            vpc_id=self._vpc.id,
            availability_zone=zone,
            cidr_block=str(cidr),
            map_public_ip_on_launch=False,
            tags=self._named(name, **tags),
            opts=pulumi.ResourceOptions(parent=self, depends_on=after),
        )

    def _public_subnets(self) -> dict[str, aws.ec2.Subnet]:
        """For load balancers and NAT gateways: the last sixteenth of the range."""
        last = list(IPv4Network(self._asked.cidr).subnets(4))[-1]
        blocks = list(last.subnets(3))
        return {
            zone: self._subnet(f"public-{zone}", zone, blocks[_index(zone)], **{"kubernetes.io/role/elb": "1"})
            for zone in self._place.site.zones
        }

    def _private_subnets(self) -> dict[str, aws.ec2.Subnet]:
        nodes = list(IPv4Network(self._asked.cidr).subnets(4))
        pods = list(IPv4Network(self._asked.pod_cidr).subnets(3))
        found: dict[str, aws.ec2.Subnet] = {}
        for zone in self._place.site.zones:
            tags = {"kubernetes.io/role/internal-elb": "1", "karpenter.sh/discovery": self._place.cluster}
            found[zone] = self._subnet(f"nodes-{zone}", zone, nodes[_index(zone)], **tags)
            # The VPC CNI takes pods' addresses from subnets with this tag.
            self._subnet(f"pods-{zone}", zone, pods[_index(zone)], **{"kubernetes.io/role/cni": "1"})
        return found

    def _route_tables(self, private: dict[str, aws.ec2.Subnet]) -> dict[str, aws.ec2.RouteTable]:
        tables: dict[str, aws.ec2.RouteTable] = {}
        for zone, subnet in private.items():
            table = aws.ec2.RouteTable(
                f"nodes-{zone}", vpc_id=self._vpc.id, tags=self._named(f"nodes-{zone}"), opts=self._child
            )
            aws.ec2.RouteTableAssociation(
                f"nodes-{zone}", subnet_id=subnet.id, route_table_id=table.id, opts=self._child
            )
            tables[zone] = table
        return tables

    def _way_out(self, public: dict[str, aws.ec2.Subnet], tables: dict[str, aws.ec2.RouteTable]) -> None:
        gateway = aws.ec2.InternetGateway(
            "internet", vpc_id=self._vpc.id, tags=self._named("internet"), opts=self._child
        )
        table = aws.ec2.RouteTable("public", vpc_id=self._vpc.id, tags=self._named("public"), opts=self._child)
        out = aws.ec2.Route(
            "public",
            route_table_id=table.id,
            destination_cidr_block="0.0.0.0/0",
            gateway_id=gateway.id,
            opts=self._child,
        )
        nats: dict[str, aws.ec2.NatGateway] = {}
        for zone, subnet in public.items():
            aws.ec2.RouteTableAssociation(
                f"public-{zone}", subnet_id=subnet.id, route_table_id=table.id, opts=self._child
            )
            if self._asked.nat_per_zone or not nats:
                address = aws.ec2.Eip(f"nat-{zone}", domain="vpc", tags=self._named(f"nat-{zone}"), opts=self._child)
                nats[zone] = aws.ec2.NatGateway(
                    f"nat-{zone}",
                    allocation_id=address.id,
                    subnet_id=subnet.id,
                    tags=self._named(f"nat-{zone}"),
                    opts=pulumi.ResourceOptions(parent=self, depends_on=[out]),
                )
        shared = next(iter(nats.values()))
        self._ready += [
            aws.ec2.Route(
                f"nodes-{zone}",
                route_table_id=route_table.id,
                destination_cidr_block="0.0.0.0/0",
                nat_gateway_id=nats.get(zone, shared).id,
                opts=self._child,
            )
            for zone, route_table in tables.items()
        ]

    def _fabric(self) -> pulumi.Output[str]:
        """EFA passes the operating system by, and needs the group itself named both ways.

        Source: EC2 User Guide, "Get started with EFA and MPI", step 1.
        """
        group = aws.ec2.SecurityGroup(
            "fabric",
            description="EFA between GPU nodes",
            vpc_id=self._vpc.id,
            tags=self._named("fabric"),
            opts=self._child,
        )
        aws.vpc.SecurityGroupIngressRule(
            "fabric",
            security_group_id=group.id,
            referenced_security_group_id=group.id,
            ip_protocol="-1",
            opts=self._child,
        )
        aws.vpc.SecurityGroupEgressRule(
            "fabric",
            security_group_id=group.id,
            referenced_security_group_id=group.id,
            ip_protocol="-1",
            opts=self._child,
        )
        return group.id


def _index(zone: str) -> int:
    letter = zone[-1:]
    if letter not in _LETTERS:
        raise ProviderError(f"footplate:zones: {zone!r} is no availability zone: such as us-east-2a")
    return _LETTERS.index(letter)
