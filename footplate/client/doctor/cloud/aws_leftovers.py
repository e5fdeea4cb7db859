"""Leftovers on AWS, found by the tags that EKS, its controllers and Karpenter put on what they make for a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from footplate.client.doctor.cloud.aws import client, cloud_errors, explained
from footplate.client.doctor.cloud.leftovers import Left, judged
from footplate.client.doctor.finding import Finding, failed, warning

#: Sources: AWS Load Balancer Controller, EBS CSI driver (--extra-tags, k8sTagClusterId), Amazon VPC CNI, Karpenter.
_VALUE_TAGS: Final = (
    "elbv2.k8s.aws/cluster",
    "cluster.k8s.amazonaws.com/name",
    "eks:eks-cluster-name",
    "eks:cluster-name",
    "footplate",
)


def examine(session: Any, region: str, cluster: str) -> Iterator[Finding]:
    kinds: Mapping[str, Callable[[Any, str, str], Sequence[Left]]] = {
        "load balancers": _load_balancers,
        "target groups": _target_groups,
        "instances": _instances,
        "interfaces": _interfaces,
        "volumes": _volumes,
        "snapshots": _snapshots,
        "security groups": _security_groups,
        "addresses": _addresses,
    }
    for number, (kind, find) in enumerate(kinds.items()):
        try:
            yield from judged(kind, find(session, region, cluster), cluster)
        except cloud_errors() as error:
            if number == 0:
                yield failed(kind, explained(error))
                return
            yield warning(kind, f"could not be looked at: {explained(error).message}")


def belongs(tags: Sequence[Mapping[str, str]], cluster: str) -> bool:
    found = {tag["Key"]: tag["Value"] for tag in tags}
    return f"kubernetes.io/cluster/{cluster}" in found or any(found.get(key) == cluster for key in _VALUE_TAGS)


def _load_balancers(session: Any, region: str, cluster: str) -> list[Left]:
    elb = client(session, "elbv2", region)
    found = _pages(elb, "describe_load_balancers", "LoadBalancers")
    left = [
        Left(
            "load balancer",
            one["LoadBalancerName"],
            f"{one['Type']}, {one['DNSName']}",
            f"aws elbv2 delete-load-balancer --region {region} --load-balancer-arn {one['LoadBalancerArn']}",
        )
        for one in _tagged(elb, found, "LoadBalancerArn", cluster)
    ]
    classic = client(session, "elb", region)
    for one in _pages(classic, "describe_load_balancers", "LoadBalancerDescriptions"):
        name = one["LoadBalancerName"]
        tags = classic.describe_tags(LoadBalancerNames=[name])["TagDescriptions"][0]["Tags"]
        if belongs(tags, cluster):
            command = f"aws elb delete-load-balancer --region {region} --load-balancer-name {name}"
            left.append(Left("load balancer", name, f"classic, {one['DNSName']}", command))
    return left


def _target_groups(session: Any, region: str, cluster: str) -> list[Left]:
    elb = client(session, "elbv2", region)
    found = _pages(elb, "describe_target_groups", "TargetGroups")
    return [
        Left(
            "target group",
            one["TargetGroupName"],
            "without its load balancer it costs nothing, and keeps the network",
            f"aws elbv2 delete-target-group --region {region} --target-group-arn {one['TargetGroupArn']}",
        )
        for one in _tagged(elb, found, "TargetGroupArn", cluster)
    ]


def _tagged(elb: Any, found: Sequence[Any], key: str, cluster: str) -> list[Any]:
    """Tags are told for 20 at a time."""
    arns = {one[key]: one for one in found}
    names = list(arns)
    left: list[Any] = []
    for start in range(0, len(names), 20):
        answer = elb.describe_tags(ResourceArns=names[start : start + 20])["TagDescriptions"]
        left += [arns[d["ResourceArn"]] for d in answer if belongs(d["Tags"], cluster)]
    return left


def _instances(session: Any, region: str, cluster: str) -> list[Left]:
    states = {"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]}
    pages = _pages(client(session, "ec2", region), "describe_instances", "Reservations", Filters=[states])
    return [
        Left(
            "instance",
            one["InstanceId"],
            f"{one['InstanceType']}, {one['State']['Name']}",
            f"aws ec2 terminate-instances --region {region} --instance-ids {one['InstanceId']}",
        )
        for page in pages
        for one in page["Instances"]
        if belongs(one.get("Tags", []), cluster)
    ]


def _interfaces(session: Any, region: str, cluster: str) -> list[Left]:
    """Those in use go with what uses them."""
    idle = {"Name": "status", "Values": ["available"]}
    found = _pages(client(session, "ec2", region), "describe_network_interfaces", "NetworkInterfaces", Filters=[idle])
    return [
        Left(
            "interface",
            one["NetworkInterfaceId"],
            one.get("Description") or "without a description",
            f"aws ec2 delete-network-interface --region {region} --network-interface-id {one['NetworkInterfaceId']}",
        )
        for one in found
        if belongs(one.get("TagSet", []), cluster)
    ]


def _volumes(session: Any, region: str, cluster: str) -> list[Left]:
    found = _pages(client(session, "ec2", region), "describe_volumes", "Volumes")
    return [
        Left(
            "volume",
            one["VolumeId"],
            f"{one['Size']} GiB, {one['State']}, {_claim(one.get('Tags', []))}",
            f"aws ec2 delete-volume --region {region} --volume-id {one['VolumeId']}   # when its data is not wanted",
        )
        for one in found
        if belongs(one.get("Tags", []), cluster)
    ]


def _snapshots(session: Any, region: str, cluster: str) -> list[Left]:
    found = _pages(client(session, "ec2", region), "describe_snapshots", "Snapshots", OwnerIds=["self"])
    return [
        Left(
            "snapshot",
            one["SnapshotId"],
            f"of {one['VolumeId']}, {one['VolumeSize']} GiB, {one['StartTime']:%Y-%m-%d}",
            f"aws ec2 delete-snapshot --region {region} --snapshot-id {one['SnapshotId']}   # when it is not wanted",
        )
        for one in found
        if belongs(one.get("Tags", []), cluster)
    ]


def _security_groups(session: Any, region: str, cluster: str) -> list[Left]:
    found = _pages(client(session, "ec2", region), "describe_security_groups", "SecurityGroups")
    return [
        Left(
            "security group",
            one["GroupId"],
            one["GroupName"],
            f"aws ec2 delete-security-group --region {region} --group-id {one['GroupId']}",
        )
        for one in found
        if belongs(one.get("Tags", []), cluster)
    ]


def _addresses(session: Any, region: str, cluster: str) -> list[Left]:
    found = client(session, "ec2", region).describe_addresses()["Addresses"]
    return [
        Left(
            "address",
            one["AllocationId"],
            one["PublicIp"],
            f"aws ec2 release-address --region {region} --allocation-id {one['AllocationId']}",
        )
        for one in found
        if belongs(one.get("Tags", []), cluster)
    ]


def _claim(tags: Sequence[Mapping[str, str]]) -> str:
    found = {tag["Key"]: tag["Value"] for tag in tags}
    name = found.get("kubernetes.io/created-for/pvc/name")
    return f"of {found.get('kubernetes.io/created-for/pvc/namespace', '')}/{name}" if name else "of no claim"


def _pages(api: Any, operation: str, key: str, **arguments: Any) -> list[Any]:
    return [one for page in api.get_paginator(operation).paginate(**arguments) for one in page[key]]
