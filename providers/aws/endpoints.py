"""Private endpoints of AWS's services: S3's always, which costs nothing; all that nodes need in a closed network."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_aws as aws

from providers import spec
from providers.aws.place import Place

#: Service → who needs it. Source: EKS User Guide, "Deploy private clusters with limited internet access".
CLOSED = {
    "ec2": "nodes, Karpenter, the EBS and VPC CNI drivers",
    "ecr.api": "images",
    "ecr.dkr": "images",
    "eks": "nodes joining, Karpenter",
    "eks-auth": "EKS Pod Identity",
    "elasticloadbalancing": "the load balancer controller",
    "kms": "volumes and objects with a key of one's own",
    "logs": "flow logs and audit logs read from within",
    "sqs": "Karpenter's notices of interruptions",
    "ssm": "Karpenter looks up node images",
    "sts": "identities",
    "elasticfilesystem": "the EFS driver",
    "fsx": "the FSx driver",
}
OFFLOAD = {"sagemaker.api": "jobs on SageMaker", "sagemaker.runtime": "jobs on SageMaker"}


def make(
    place: Place,
    vpc: pulumi.Output[str],
    network: spec.Network,
    offload: bool,
    subnets: Mapping[str, aws.ec2.Subnet],
    tables: Mapping[str, aws.ec2.RouteTable],
    opts: pulumi.ResourceOptions,
) -> list[pulumi.Resource]:
    made: list[pulumi.Resource] = [
        aws.ec2.VpcEndpoint(
            "s3",
            vpc_id=vpc,
            service_name=f"com.amazonaws.{place.region}.s3",
            vpc_endpoint_type="Gateway",
            route_table_ids=[table.id for table in tables.values()],
            tags={"Name": f"{place.site.name}-s3"},
            opts=opts,
        )
    ]
    if network.egress != "closed":
        return made
    group = aws.ec2.SecurityGroup(
        "endpoints",
        description="AWS services, from nodes and pods",
        vpc_id=vpc,
        tags={"Name": f"{place.site.name}-endpoints"},
        opts=opts,
    )
    for name, cidr in (("nodes", network.cidr), ("pods", network.pod_cidr)):
        aws.vpc.SecurityGroupIngressRule(
            f"endpoints-{name}",
            security_group_id=group.id,
            cidr_ipv4=cidr,
            ip_protocol="tcp",
            from_port=443,
            to_port=443,
            opts=opts,
        )
    made += [
        aws.ec2.VpcEndpoint(
            service,
            vpc_id=vpc,
            service_name=f"com.amazonaws.{place.region}.{service}",
            vpc_endpoint_type="Interface",
            private_dns_enabled=True,
            subnet_ids=[subnet.id for subnet in subnets.values()],
            security_group_ids=[group.id],
            tags={"Name": f"{place.site.name}-{service}"},
            opts=opts,
        )
        for service in (*CLOSED, *(OFFLOAD if offload else ()))
    ]
    return made
