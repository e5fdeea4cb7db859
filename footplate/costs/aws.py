"""Rules for AWS: type of resource → what it is charged as. Types that cost nothing, or by use, are tables."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, cast

from footplate.costs.charges import UNKNOWN_YET, Charge, Finding, Gap, Option, Rule, fee, span, storage
from footplate.costs.machines import gpus
from footplate.costs.planned import Plan, Planned
from footplate.costs.prices import Market, PriceTable

CLUSTER: Final = "aws:eks/cluster:Cluster"
TEMPLATE: Final = "aws:ec2/launchTemplate:LaunchTemplate"

_MARKETS: Final = {
    "ON_DEMAND": Market.ON_DEMAND,
    "SPOT": Market.SPOT,
    "CAPACITY_BLOCK": Market.CAPACITY_BLOCK,
}


def _cluster(resource: Planned, plan: Plan, table: PriceTable) -> Iterable[Finding]:
    yield fee("aws", "EKS control plane", resource, plan, "eks-cluster")
    if resource.get("computeConfig", "enabled") is True:
        yield Gap("EKS Auto Mode", "its surcharge depends on the machines that it chooses")


def _node_group(resource: Planned, plan: Plan, table: PriceTable) -> Iterable[Finding]:
    types = resource.get("instanceTypes")
    template = plan.behind(resource, "launchTemplate", TEMPLATE)
    if not types and template is not None:
        types = [template.get("instanceType")]
    if not types and resource.get("launchTemplate") is None:
        types = ["t3.medium"]  # what EKS takes where nothing is said
    market = resource.get("capacityType") or "ON_DEMAND"
    minimum, maximum = resource.number("scalingConfig", "minSize"), resource.number("scalingConfig", "maxSize")
    yield from machines(resource, plan, types, _MARKETS.get(str(market), Market.ON_DEMAND), minimum, maximum)
    mappings = template.get("blockDeviceMappings") if template is not None else None
    if mappings is None and resource.get("launchTemplate") is None:
        mappings = [{"ebs": {"volumeSize": resource.get("diskSize") or 20, "volumeType": "gp3"}}]
    if minimum is not None and maximum is not None:
        yield from disks(mappings, plan.region(resource), minimum, maximum)


def disks(mappings: Any, region: str, minimum: float, maximum: float | None) -> Iterator[Finding]:
    """The volumes of nodes, by block device mappings of a launch template or of an EC2NodeClass."""
    for mapping in cast(list[Any], mappings) if isinstance(mappings, list) else []:
        ebs: Any = mapping.get("ebs") or {}
        size, kind = gibibytes(ebs.get("volumeSize")), ebs.get("volumeType") or "gp3"
        if size is None:
            yield Gap("disks of nodes", "their size is not known")
            continue
        most = None if maximum is None else maximum * size
        option = Option(f"disk:{kind}", Market.ON_DEMAND, minimum * size, most)
        yield Charge(f"disks of nodes, {size:g} GiB each ({kind})", "aws", region, [option])


def gibibytes(size: Any) -> float | None:
    """Of a number, or a quantity such as `200Gi` or `1Ti`."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(Gi|Ti)?", str(size))
    return float(found[1]) * (1024 if found[2] == "Ti" else 1) if found else None


def machines(
    resource: Planned, plan: Plan, types: Any, market: Market, minimum: float | None, maximum: float | None
) -> Iterator[Finding]:
    names = [name for name in cast(list[Any], types) if isinstance(name, str)] if isinstance(types, list) else []
    if not names or minimum is None or maximum is None:
        yield Gap("machines", f"their type or number is {UNKNOWN_YET}" if types else "no machine type is named here")
        return
    yield Charge(
        f"{span(minimum, maximum)} × {' or '.join(names)}, {market}",
        "aws",
        plan.region(resource),
        [Option(name, market, minimum, maximum) for name in names],
        gpu=any(gpus("aws", name) for name in names),
    )


def _scaling_group(resource: Planned, plan: Plan, table: PriceTable) -> Iterable[Finding]:
    template = plan.behind(resource, "launchTemplate", TEMPLATE)
    types = [template.get("instanceType")] if template is not None else None
    minimum, maximum = resource.number("minSize"), resource.number("maxSize")
    yield from machines(resource, plan, types, Market.ON_DEMAND, minimum, maximum)


def _instance(resource: Planned, plan: Plan, table: PriceTable) -> Iterable[Finding]:
    market = resource.get("instanceMarketOptions", "marketType") == "spot"
    types = [resource.get("instanceType")]
    yield from machines(resource, plan, types, Market.SPOT if market else Market.ON_DEMAND, 1, 1)


def _reservation(resource: Planned, plan: Plan, table: PriceTable) -> Iterable[Finding]:
    count = resource.number("instanceCount")
    yield from machines(resource, plan, [resource.get("instanceType")], Market.RESERVED, count, count)
    yield Gap("machines of the reservation", "counted with the reservation and again where a pool uses them")


def _endpoint(resource: Planned, plan: Plan, table: PriceTable) -> Iterable[Finding]:
    if (resource.get("vpcEndpointType") or "Gateway") != "Interface":
        return
    subnets = resource.get("subnetIds")
    if not isinstance(subnets, list):
        yield Gap("interface endpoint", f"its zones are {UNKNOWN_YET}")
        return
    zones = len(cast(list[Any], subnets))
    yield fee("aws", f"interface endpoint in {zones} zones", resource, plan, "interface-endpoint-zone", zones)


def _volume(resource: Planned, plan: Plan, table: PriceTable) -> Iterable[Finding]:
    yield storage("aws", "volume", resource, plan, f"disk:{resource.get('type') or 'gp2'}", resource.number("size"))


def _lustre(resource: Planned, plan: Plan, table: PriceTable) -> Iterable[Finding]:
    kind = resource.get("deploymentType") or "SCRATCH_1"
    if kind.startswith("PERSISTENT"):
        kind = f"{resource.get('storageType') or 'SSD'}-{resource.number('perUnitStorageThroughput') or 0:g}"
    yield storage("aws", "FSx for Lustre", resource, plan, f"lustre:{kind}", resource.number("storageCapacity"))


def _flat(what: str, item: str) -> Rule:
    def rule(resource: Planned, plan: Plan, table: PriceTable) -> Iterable[Finding]:
        yield fee("aws", what, resource, plan, item)

    return rule


RULES: Final[dict[str, Rule]] = {
    CLUSTER: _cluster,
    "aws:eks/nodeGroup:NodeGroup": _node_group,
    "aws:autoscaling/group:Group": _scaling_group,
    "aws:ec2/instance:Instance": _instance,
    "aws:ec2/capacityReservation:CapacityReservation": _reservation,
    "aws:ec2/natGateway:NatGateway": _flat("NAT gateway (its traffic apart)", "nat-gateway"),
    "aws:ec2/eip:Eip": _flat("public IPv4 address", "public-ipv4"),
    "aws:ec2/vpcEndpoint:VpcEndpoint": _endpoint,
    "aws:lb/loadBalancer:LoadBalancer": _flat("load balancer (its traffic apart)", "load-balancer"),
    "aws:ebs/volume:Volume": _volume,
    "aws:fsx/lustreFileSystem:LustreFileSystem": _lustre,
    "aws:kms/key:Key": _flat("KMS key", "kms-key"),
    "aws:route53/zone:Zone": _flat("hosted zone", "hosted-zone"),
}

BY_USE: Final[dict[str, str]] = {
    "aws:s3/bucket:Bucket": "by what is stored and asked for",
    "aws:s3/bucketV2:BucketV2": "by what is stored and asked for",
    "aws:s3/directoryBucket:DirectoryBucket": "by what is stored and asked for",
    "aws:efs/fileSystem:FileSystem": "by what is stored and moved",
    "aws:ecr/repository:Repository": "by what is stored",
    "aws:ecr/pullThroughCacheRule:PullThroughCacheRule": "by what is stored",
    "aws:cloudwatch/logGroup:LogGroup": "by what is written and kept",
    "aws:cloudwatch/metricAlarm:MetricAlarm": "by alarm and month",
    "aws:sqs/queue:Queue": "by request",
    "aws:sns/topic:Topic": "by message",
    "aws:ec2/flowLog:FlowLog": "by what is written and kept",
    "aws:secretsmanager/secret:Secret": "by secret and month",
    "aws:dynamodb/table:Table": "by what is stored and asked for",
    "aws:amp/workspace:Workspace": "by sample",
    "aws:ec2/capacityBlockReservation:CapacityBlockReservation": "paid as a whole when it is bought",
}
"""Billed by use: no hourly amount can be foreseen."""

FREE_MODULES: Final[Sequence[str]] = (
    "aws:iam/",
    "aws:acm/",
    "aws:resourcegroups/",
    "aws:budgets/",
    "aws:servicequotas/",
    "aws:ssm/",
    "aws:cloudwatch/event",
    "aws:eks/accessEntry",
    "aws:eks/accessPolicy",
    "aws:eks/addon:",
    "aws:eks/podIdentity",
    "aws:s3/bucket",
    "aws:s3control/",
    "aws:kms/alias",
    "aws:kms/grant",
    "aws:efs/",
    "aws:fsx/dataRepositoryAssociation",
    "aws:ecr/",
    "aws:sqs/queuePolicy",
    "aws:sns/topic",
    "aws:route53/record",
    "aws:lb/",
    "aws:autoscaling/",
    "aws:ec2/vpc:",
    "aws:ec2/vpcDhcp",
    "aws:ec2/vpcIpv4Cidr",
    "aws:ec2/vpcEndpoint",
    "aws:ec2/subnet",
    "aws:ec2/route",
    "aws:ec2/mainRouteTable",
    "aws:ec2/defaultRouteTable",
    "aws:ec2/defaultSecurityGroup",
    "aws:ec2/defaultNetworkAcl",
    "aws:ec2/networkAcl",
    "aws:ec2/internetGateway",
    "aws:ec2/egressOnlyInternetGateway",
    "aws:ec2/securityGroup",
    "aws:ec2/placementGroup",
    "aws:ec2/launchTemplate",
    "aws:ec2/keyPair",
    "aws:ec2/tag",
    "aws:ec2/eipAssociation",
    "aws:vpc/securityGroup",
    "aws:ebs/encryptionByDefault",
    "aws:ebs/defaultKmsKey",
    "aws:ebs/snapshotBlockPublicAccess",
)
"""Beginnings of types that cost nothing by themselves."""
