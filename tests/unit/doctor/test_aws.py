"""`footplate doctor --cloud aws` with boto3: EC2, STS and load balancers by moto, quotas and IAM's simulation by a fake on the wire."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from footplate.client.doctor.cloud import aws, aws_leftovers
from footplate.client.doctor.cloud.needs import Need, Needs, needs
from footplate.client.doctor.finding import Finding, Verdict
from footplate.costs.planned import Plan, Planned
from footplate.costs.prices import Market, load
from tests.unit.doctor.wire import AwsWire, serving

REGION = "us-east-1"
ACCOUNT = "123456789012"


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsWire]:
    wire = AwsWire({"L-417A185B": 192, "L-DB2E81BA": 8, "L-7212CCBC": 1000, "L-C4BD4855": 0})
    with serving(wire) as address, mock_aws():
        monkeypatch.setenv("AWS_ENDPOINT_URL_SERVICE_QUOTAS", f"http://{address}")
        monkeypatch.setenv("AWS_ENDPOINT_URL_IAM", f"http://{address}")
        yield wire


def examined(asked: Needs, account: str = "") -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    for finding in aws.examine(boto3.Session(), asked, account):
        found.setdefault(finding.check, []).append(finding)
    return found


def asking(machine: str, nodes: float | None, market: Market = Market.ON_DEMAND) -> Needs:
    return Needs(REGION, [[Need(machine, market, nodes)]])


def test_a_ready_account(cloud: AwsWire) -> None:
    found = examined(asking("p4d.24xlarge", 2), ACCOUNT)
    assert {finding.verdict for findings in found.values() for finding in findings} == {Verdict.OK}
    assert f"in account {ACCOUNT}" in found["identity"][0].detail
    assert "us-east-1a" in found["region"][0].detail
    assert "p4d.24xlarge is offered in us-east-1" in found["machines"][0].detail
    assert found["quotas"][0].detail == "Running On-Demand P instances: 192 vCPUs, the stack's maximum is 192"


def test_another_account_is_named(cloud: AwsWire) -> None:
    (finding,) = examined(asking("p4d.24xlarge", 1), "999999999999")["identity"]
    assert finding.verdict is Verdict.FAILED
    assert finding.detail == f"the credentials are of account {ACCOUNT}, the stack is for 999999999999"


@pytest.mark.parametrize(
    ("asked", "verdict", "detail"),
    [
        (
            asking("p5.48xlarge", 2),
            Verdict.FAILED,
            "Running On-Demand P instances: 192 vCPUs, the stack's maximum is 384",
        ),
        (asking("g5.xlarge", 2), Verdict.OK, "Running On-Demand G and VT instances: 8 vCPUs, the stack's maximum is 8"),
        (asking("p5.48xlarge", 1, Market.SPOT), Verdict.FAILED, "All P5 Spot Instance Requests: 0 vCPUs"),
        (asking("g5.xlarge", None), Verdict.WARNING, "a pool without limits can ask for more"),
        (asking("m7i.xlarge", 1), Verdict.WARNING, "Running On-Demand Standard instances (L-1216C47A) is not known"),
    ],
)
def test_quotas_are_compared_with_what_the_stack_can_come_to(
    cloud: AwsWire, asked: Needs, verdict: Verdict, detail: str
) -> None:
    (finding,) = examined(asked)["quotas"]
    assert finding.verdict is verdict
    assert detail in finding.detail
    if verdict is Verdict.FAILED:
        assert "aws service-quotas request-service-quota-increase --region us-east-1" in (finding.remedy or "")


def test_a_machine_that_the_region_does_not_have_is_named(cloud: AwsWire) -> None:
    (finding,) = examined(asking("p9.48xlarge", 1))["machines"]
    assert (finding.verdict, finding.detail) == (Verdict.FAILED, "p9.48xlarge is not offered in us-east-1")


def test_each_missing_permission_says_what_it_is_for(cloud: AwsWire) -> None:
    cloud.denied = frozenset({"iam:PassRole", "kms:CreateKey"})
    found = examined(asking("p4d.24xlarge", 1))["permissions"]
    assert [finding.detail for finding in found] == [
        "iam:PassRole is denied: the cluster's and the nodes' roles cannot be made",
        "kms:CreateKey is denied: encryption of secrets and data cannot be made",
    ]


def test_an_assumed_role_is_simulated_as_the_role_with_its_path(
    cloud: AwsWire, monkeypatch: pytest.MonkeyPatch
) -> None:
    sts: Any = boto3.client("sts", region_name=REGION)
    role = "arn:aws:iam::123456789012:role/deployer"
    assumed = sts.assume_role(RoleArn=role, RoleSessionName="me")["Credentials"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", assumed["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", assumed["SecretAccessKey"])
    monkeypatch.setenv("AWS_SESSION_TOKEN", assumed["SessionToken"])
    (finding,) = examined(asking("p4d.24xlarge", 1))["permissions"]
    assert finding.verdict is Verdict.OK
    assert "arn:aws:iam::123456789012:role/team/deployer" in cloud.asked


def test_what_may_not_be_looked_at_is_said_and_does_not_fail(cloud: AwsWire) -> None:
    cloud.fails = {"SimulatePrincipalPolicy": "AccessDenied", "GetServiceQuota": "AccessDeniedException"}
    found = examined(asking("p4d.24xlarge", 1))
    assert (found["permissions"][0].verdict, found["quotas"][0].verdict) == (Verdict.WARNING, Verdict.WARNING)
    assert found["permissions"][0].detail == "could not be looked at: AWS says AccessDenied: no"


def test_without_credentials_one_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    found = examined(Needs(REGION))
    assert found["identity"][0].detail.startswith("there are no credentials for AWS")
    assert "aws sso login" in (found["identity"][0].remedy or "")
    assert {findings[0].verdict for check, findings in found.items() if check != "identity"} == {Verdict.SKIPPED}


def test_needs_are_the_machines_of_the_plan_at_their_maximum() -> None:
    scaling = {"minSize": 0, "maxSize": 3}
    group = {"instanceTypes": ["p5.48xlarge"], "capacityType": "SPOT", "scalingConfig": scaling}
    plan = Plan([Planned("urn:pulumi:s::p::t::n", "aws:eks/nodeGroup:NodeGroup", "n", group)], {"aws": REGION})
    assert needs(plan, load(), "aws") == Needs(REGION, [[Need("p5.48xlarge", Market.SPOT, 3)]])


def left(cluster: str) -> dict[str, list[Finding]]:
    found: dict[str, list[Finding]] = {}
    for finding in aws_leftovers.examine(boto3.Session(), REGION, cluster):
        found.setdefault(finding.check, []).append(finding)
    return found


def test_nothing_is_left(cloud: AwsWire) -> None:
    assert {finding.verdict for findings in left("gone").values() for finding in findings} == {Verdict.OK}


def test_what_is_left_of_a_cluster_is_found_by_its_tags(cloud: AwsWire) -> None:
    ec2: Any = boto3.client("ec2", region_name=REGION)
    elb: Any = boto3.client("elbv2", region_name=REGION)
    subnets = [subnet["SubnetId"] for subnet in ec2.describe_subnets()["Subnets"][:2]]
    owned = {"Key": "kubernetes.io/cluster/gone", "Value": "owned"}

    def tagged(kind: str, *tags: dict[str, str]) -> list[dict[str, Any]]:
        return [{"ResourceType": kind, "Tags": list(tags)}]

    balancer = elb.create_load_balancer(
        Name="k8s-hub", Subnets=subnets, Type="network", Tags=[{"Key": "elbv2.k8s.aws/cluster", "Value": "gone"}]
    )
    elb.create_load_balancer(
        Name="other", Subnets=subnets, Type="network", Tags=[{"Key": "elbv2.k8s.aws/cluster", "Value": "alive"}]
    )
    claim = {"Key": "kubernetes.io/created-for/pvc/name", "Value": "home-ada"}
    namespace = {"Key": "kubernetes.io/created-for/pvc/namespace", "Value": "team-x"}
    zone = f"{REGION}a"
    tags = tagged("volume", owned, claim, namespace)
    volume = ec2.create_volume(AvailabilityZone=zone, Size=200, TagSpecifications=tags)["VolumeId"]
    ec2.create_volume(AvailabilityZone=zone, Size=1)
    snapshot = ec2.create_snapshot(VolumeId=volume, TagSpecifications=tagged("snapshot", owned))["SnapshotId"]
    eni = {"Key": "cluster.k8s.amazonaws.com/name", "Value": "gone"}
    interface = ec2.create_network_interface(
        SubnetId=subnets[0], Description="aws-K8S-i-1", TagSpecifications=tagged("network-interface", eni)
    )["NetworkInterface"]["NetworkInterfaceId"]

    found = left("gone")
    assert [f.detail for f in found["volumes"]] == [f"{volume}: 200 GiB, available, of team-x/home-ada"]
    assert [f.detail.partition(":")[0] for f in found["snapshots"]] == [snapshot]
    assert [f.detail for f in found["interfaces"]] == [f"{interface}: aws-K8S-i-1"]
    assert [f.detail.partition(":")[0] for f in found["load balancers"]] == ["k8s-hub"]
    assert balancer["LoadBalancers"][0]["LoadBalancerArn"] in (found["load balancers"][0].remedy or "")
    assert found["volumes"][0].verdict is Verdict.FAILED
    assert found["instances"][0].verdict is Verdict.OK
