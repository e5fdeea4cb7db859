"""From a resource's inputs to what it costs at the minimum and at the maximum."""

from collections.abc import Mapping
from typing import Any

import pytest

from footplate.costs.estimate import Estimate, estimate
from footplate.costs.planned import UNKNOWN, Plan, Planned
from footplate.costs.prices import MONTH, load

TABLE = load()


def planned(type: str, inputs: Mapping[str, Any], name: str = "it", **more: Any) -> Planned:
    return Planned(f"urn:pulumi:s::p::{type}::{name}", type, name, inputs, **more)


def cost(*resources: Planned, aws: str = "us-east-1", gcp: str = "us-central1") -> Estimate:
    return estimate(Plan(resources, {"aws": aws, "gcp": gcp}), TABLE)


def totals(found: Estimate) -> tuple[float | None, float | None, float | None, float | None]:
    """GPU and all, at the minimum and at the maximum, in cents."""
    amounts = (found.minimum.gpu, found.minimum.total, found.maximum.gpu, found.maximum.total)
    low_gpu, low, high_gpu, high = (None if amount is None else round(amount, 3) for amount in amounts)
    return low_gpu, low, high_gpu, high


def node_group(**inputs: Any) -> Planned:
    inputs = {"diskSize": 0.0001, **inputs}
    scaling = {"minSize": inputs.pop("low", 0), "maxSize": inputs.pop("high", 4), "desiredSize": 0}
    return planned("aws:eks/nodeGroup:NodeGroup", {"scalingConfig": scaling, **inputs})


def node_pool(config: Mapping[str, Any], **inputs: Any) -> Planned:
    node = {"diskSizeGb": 0.0001, **config}
    return planned("gcp:container/nodePool:NodePool", {"location": "us-central1-a", "nodeConfig": node, **inputs})


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        (node_group(instanceTypes=["p5.48xlarge"]), (0, 0, 220.16, 220.16)),
        (node_group(instanceTypes=["p5.48xlarge"], capacityType="SPOT", low=1), (21.154, 21.154, 84.617, 84.617)),
        (node_group(instanceTypes=["g6.xlarge", "g6.2xlarge"], low=1, high=2), (0.805, 0.805, 1.955, 1.955)),
        (node_group(instanceTypes=["m7i.xlarge"], low=2, high=2), (0, 0.403, 0, 0.403)),
        (node_group(low=1, high=1), (0, 0.042, 0, 0.042)),
        (planned("aws:eks/cluster:Cluster", {}), (0, 0.1, 0, 0.1)),
        (planned("aws:ec2/natGateway:NatGateway", {}), (0, 0.045, 0, 0.045)),
        (planned("aws:ec2/instance:Instance", {"instanceType": "g5.xlarge"}), (1.006, 1.006, 1.006, 1.006)),
        (
            planned("aws:ec2/vpcEndpoint:VpcEndpoint", {"vpcEndpointType": "Interface", "subnetIds": [UNKNOWN] * 3}),
            (0, 0.03, 0, 0.03),
        ),
        (planned("aws:ebs/volume:Volume", {"type": "gp3", "size": 730}), (0, 0.08, 0, 0.08)),
        (
            planned(
                "aws:fsx/lustreFileSystem:LustreFileSystem",
                {"deploymentType": "PERSISTENT_2", "perUnitStorageThroughput": 125, "storageCapacity": 7300},
            ),
            (0, 1.45, 0, 1.45),
        ),
        (
            planned(
                "aws:ec2/capacityReservation:CapacityReservation", {"instanceType": "p4d.24xlarge", "instanceCount": 2}
            ),
            (43.915, 43.915, 43.915, 43.915),
        ),
    ],
)
def test_aws(resource: Planned, expected: tuple[float, ...]) -> None:
    assert totals(cost(resource)) == expected


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        (planned("gcp:container/cluster:Cluster", {"removeDefaultNodePool": True}), (0, 0.1, 0, 0.1)),
        (
            node_pool({"machineType": "g2-standard-4"}, autoscaling={"minNodeCount": 1, "maxNodeCount": 3}),
            (0.707, 0.707, 2.12, 2.12),
        ),
        (
            node_pool({"machineType": "g2-standard-4", "spot": True}, location="us-central1", nodeCount=1),
            (0.801, 0.801, 0.801, 0.801),
        ),
        (
            node_pool(
                {"machineType": "a3-highgpu-8g"},
                location="us-central1",
                nodeLocations=["us-central1-a", "us-central1-b"],
                autoscaling={"minNodeCount": 0, "maxNodeCount": 2},
            ),
            (0, 0, 351.33, 351.33),
        ),
        (
            node_pool(
                {"machineType": "a3-highgpu-8g"},
                location="us-central1",
                autoscaling={"totalMinNodeCount": 0, "totalMaxNodeCount": 2},
            ),
            (0, 0, 175.665, 175.665),
        ),
        (
            node_pool(
                {"machineType": "n1-standard-8", "guestAccelerators": [{"type": "nvidia-tesla-t4", "count": 2}]},
                nodeCount=1,
            ),
            (1.08, 1.08, 1.08, 1.08),
        ),
        (node_pool({"machineType": "e2-standard-4"}, nodeCount=2), (0, 0.268, 0, 0.268)),
        (node_pool({"machineType": "e2-standard-4", "diskSizeGb": 730}, nodeCount=1), (0, 0.234, 0, 0.234)),
    ],
)
def test_gcp(resource: Planned, expected: tuple[float, ...]) -> None:
    assert totals(cost(resource)) == expected


def test_the_zones_of_a_pool_are_those_of_its_cluster() -> None:
    cluster = planned(
        "gcp:container/cluster:Cluster",
        {"location": "us-central1", "nodeLocations": ["us-central1-a", "us-central1-c"], "removeDefaultNodePool": True},
        "cluster",
    )
    pool = node_pool({"machineType": "g2-standard-4"}, location=UNKNOWN, nodeCount=1)
    found = cost(cluster, Planned(pool.urn, pool.type, pool.name, pool.inputs, dependencies={"cluster": [cluster.urn]}))
    assert totals(found)[0] == pytest.approx(2 * 0.707, abs=0.001)


def test_auto_provisioning_counts_up_to_its_gpu_limit_and_says_what_it_leaves_out() -> None:
    limits = [{"resourceType": "nvidia-l4", "maximum": 8}, {"resourceType": "cpu", "maximum": 200}]
    cluster = planned(
        "gcp:container/cluster:Cluster",
        {"removeDefaultNodePool": True, "clusterAutoscaling": {"enabled": True, "resourceLimits": limits}},
    )
    found = cost(cluster)
    assert found.maximum.gpu == pytest.approx(8 * 1.733, rel=0.01), "g2-standard-32 is the dearest with one L4"
    assert [m.why for m in found.missing] == ["GKE chooses their machine types"]


def karpenter(limits: Mapping[str, Any] | None, *requirements: tuple[str, str, list[str]]) -> Planned:
    listed = [{"key": key, "operator": operator, "values": values} for key, operator, values in requirements]
    spec = {"template": {"spec": {"requirements": listed}}, **({"limits": limits} if limits is not None else {})}
    return planned("kubernetes:karpenter.sh/v1:NodePool", {"spec": spec})


TYPE, MARKET = "node.kubernetes.io/instance-type", "karpenter.sh/capacity-type"


@pytest.mark.parametrize(
    ("pool", "expected"),
    [
        (karpenter({"nvidia.com/gpu": 16}, (TYPE, "In", ["p5.48xlarge"])), (0, 0, 110.08, 110.08)),
        (karpenter({"nvidia.com/gpu": "15"}, (TYPE, "In", ["p5.48xlarge"])), (0, 0, 55.04, 55.04)),
        (
            karpenter({"nvidia.com/gpu": 8}, (TYPE, "In", ["p5.48xlarge"]), (MARKET, "In", ["spot", "on-demand"])),
            (0, 0, 55.04, 55.04),
        ),
        (karpenter({"cpu": "8"}, (TYPE, "In", ["m7i.xlarge", "m7i.2xlarge"])), (0, 0, 0, 0.403)),
        (karpenter(None, (TYPE, "In", ["g6.xlarge"])), (0, 0, None, None)),
        (
            karpenter(
                {"cpu": 16},
                ("karpenter.k8s.aws/instance-family", "In", ["m7i", "m7g"]),
                ("kubernetes.io/arch", "In", ["amd64"]),
                ("karpenter.k8s.aws/instance-cpu", "Lt", ["5"]),
            ),
            (0, 0, 0, 0.806),
        ),
    ],
)
def test_karpenter_pools_cost_what_their_limits_allow(pool: Planned, expected: tuple[float | None, ...]) -> None:
    cluster = planned("aws:iam/role:Role", {})
    assert totals(cost(pool, cluster)) == expected


def test_the_disks_of_nodes_are_those_of_their_class_and_template() -> None:
    mappings = [{"deviceName": "/dev/xvda", "ebs": {"volumeSize": "730Gi", "volumeType": "gp3"}}]
    node_class = planned(
        "kubernetes:karpenter.k8s.aws/v1:EC2NodeClass",
        {"metadata": {"name": "gpu"}, "spec": {"blockDeviceMappings": mappings}},
        "class",
    )
    pool = karpenter({"nvidia.com/gpu": 3}, (TYPE, "In", ["g6.xlarge"]))
    pool.inputs["spec"]["template"]["spec"]["nodeClassRef"] = {"name": "gpu"}
    found = cost(node_class, pool)
    assert [(line.what, line.minimum, line.maximum) for line in found.lines if not line.gpu] == [
        ("disks of nodes, 730 GiB each (gp3)", 0, pytest.approx(0.24))
    ]
    template = planned(
        "aws:ec2/launchTemplate:LaunchTemplate",
        {"blockDeviceMappings": [{"ebs": {"volumeSize": 730, "volumeType": "gp3"}}]},
        "template",
    )
    group = node_group(instanceTypes=["m7i.xlarge"], launchTemplate={"id": UNKNOWN}, low=1, high=2)
    linked = Planned(group.urn, group.type, group.name, group.inputs, dependencies={"launchTemplate": [template.urn]})
    assert [line.maximum for line in cost(template, linked).lines] == [pytest.approx(0.4032), pytest.approx(0.16)]


def test_machines_of_a_launch_template_are_found_by_what_depends_on_what() -> None:
    template = planned("aws:ec2/launchTemplate:LaunchTemplate", {"instanceType": "p4d.24xlarge"}, "template")
    group = node_group(launchTemplate={"id": UNKNOWN}, low=1, high=1)
    linked = Planned(group.urn, group.type, group.name, group.inputs, dependencies={"launchTemplate": [template.urn]})
    assert totals(cost(template, linked))[0] == 21.958
    alone = cost(group)
    assert alone.lines == []
    assert [m.why for m in alone.missing] == ["no machine type is named here"]


@pytest.mark.parametrize(
    ("resource", "why"),
    [
        (node_group(instanceTypes=["p9.48xlarge"]), "no price of p9.48xlarge (on-demand) in us-east-1"),
        (
            node_group(instanceTypes=["p5.48xlarge"], capacityType="CAPACITY_BLOCK"),
            "no price of p5.48xlarge (capacity-block)",
        ),
        (node_group(instanceTypes=UNKNOWN), "known only after the update"),
        (planned("aws:rds/instance:Instance", {}), "there is no price rule for aws:rds/instance:Instance"),
        (planned("aws:ebs/volume:Volume", {"type": "io2", "size": 10}), "no price of disk:io2"),
        (planned("gcp:compute/address:Address", {"region": "us-central1"}), "no price of external-address"),
        (node_pool({"machineType": "a4-highgpu-8g"}, nodeCount=1), "no price of a4-highgpu-8g"),
        (node_pool({"machineType": UNKNOWN}), "known only after the update"),
    ],
)
def test_what_has_no_price_is_said_and_is_not_zero(resource: Planned, why: str) -> None:
    found = cost(resource)
    assert not any(line.gpu for line in found.lines)
    assert any(why in missing.why for missing in found.missing), found.missing
    assert not found.data()["complete"]


def test_what_is_billed_by_use_leaves_the_hourly_estimate_complete() -> None:
    data = cost(planned("aws:s3/bucket:Bucket", {})).data()
    assert data["billedByUse"] == [
        {"urn": "urn:pulumi:s::p::aws:s3/bucket:Bucket::it", "why": "by what is stored and asked for"}
    ]
    assert data["complete"]
    assert data["notCounted"] == []


def test_spot_without_a_price_counts_as_on_demand_and_says_so() -> None:
    line, _ = cost(node_group(instanceTypes=["g6.xlarge"], capacityType="SPOT")).lines
    assert line.maximum == pytest.approx(4 * 0.8048)
    assert line.notes == ["no spot price of g6.xlarge here: counted at the on-demand price, which spot does not exceed"]


def test_a_region_without_prices_is_said() -> None:
    found = cost(node_group(instanceTypes=["g6.xlarge"]), aws="sa-east-1")
    assert found.lines == []
    assert found.missing[0].why == "no price of g6.xlarge (on-demand) in sa-east-1"


def test_the_region_is_the_resources_then_its_providers_then_the_stacks() -> None:
    provider = planned("pulumi:providers:aws", {"region": "eu-north-1"}, "provider")
    group = node_group(instanceTypes=["p5.48xlarge"], low=1, high=1)
    by_provider = Planned(group.urn, group.type, group.name, group.inputs, provider=provider.urn)
    assert totals(cost(provider, by_provider))[0] == 58.893
    own = Planned(group.urn, group.type, group.name, {**group.inputs, "region": "eu-west-2"}, provider=provider.urn)
    assert totals(cost(provider, own))[0] == 71.552
    assert totals(cost(provider, group))[0] == 55.04


def test_what_costs_nothing_by_itself_is_not_listed() -> None:
    types = ["aws:ec2/vpc:Vpc", "aws:iam/role:Role", "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"]
    assert cost(*(planned(type, {}) for type in types)).data()["complete"]


def test_an_address_within_a_network_costs_nothing() -> None:
    found = cost(planned("gcp:compute/globalAddress:GlobalAddress", {"addressType": "INTERNAL"}))
    assert (found.lines, found.missing) == ([], [])


def test_data_for_scripts_names_every_price_with_source_and_date() -> None:
    data = cost(node_group(instanceTypes=["p5.48xlarge"], low=1), planned("aws:eks/cluster:Cluster", {})).data()
    assert data["minimum"] == {"gpu": 55.04, "total": 55.14}
    assert data["maximum"] == {"gpu": 220.16, "total": 220.26}
    assert data["complete"] is True
    assert {(p["item"], p["usd"], p["date"]) for p in data["prices"]} >= {("p5.48xlarge", 55.04, "2026-07-20")}
    assert MONTH == 730
