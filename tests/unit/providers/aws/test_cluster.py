"""The cluster, its network, its data and its identities on AWS, as registered."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from providers.contract import ProviderError
from tests.unit.providers.aws.build import Register, pool, program

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"account": "1234"}, "account: '1234' is no AWS account: its number of 12 digits, in quotes"),
        ({"region": "us-east", "zones": ["us-easta"]}, "region: 'us-east' is no region of AWS: such as us-east-2"),
        ({"zones": ["us-east-2a"]}, "zones: EKS needs two zones at least"),
        ({"zones": ["us-east-2a", "us-east-2-lax-1x"]}, "zones: 'us-east-2-lax-1x' is no availability zone"),
        ({"kubernetes": {}}, "kubernetes.admins: is empty: name the roles that administer"),
        (
            {"kubernetes": {"admins": ["arn:aws:iam::1:role/a"], "version": "1.20"}},
            "kubernetes.version: EKS '1.20' is not in this version's table; tried are 1.33",
        ),
        (
            {"kubernetes": {"admins": ["arn:aws:iam::1:role/a"], "cpuNodes": {"memory": "9Ti"}}},
            "kubernetes.cpuNodes.memory: no such machine has 4 CPUs and 9Ti: the largest, r7i.48xlarge, has 192",
        ),
        ({"scratch": {"size": "1500Gi"}}, "scratch.size: 1500Gi is no size of FSx for Lustre: 1200Gi, or a multiple"),
        ({"scratch": {"throughput": 300}}, "scratch.throughput: FSx for Lustre has no 300 MB/s per TiB: 125, 250"),
        (
            {"objectStore": {"uri": "s3://other"}},
            "objectStore.uri: on AWS the stack makes its own buckets.*: remove the key, and set storage.bucketPrefix",
        ),
        (
            {
                "network": {"egress": "closed"},
                "ingress": {"domain": "a.example", "public": True, "cidrs": ["192.0.2.0/24"]},
            },
            "ingress.public: a closed network has no way in from the internet: set it to false",
        ),
        (
            {"name": "a-rather-long-name-of-a-stack", "teams": [{"name": "a-team-with-a-name-of-forty-characters"}]},
            "name: the role .* has 73 characters, and IAM takes 64: shorten",
        ),
        (
            {"storage": {"bucketPrefix": "acme-machine-learning-pro"}, "teams": [{"name": "a" * 40}]},
            "storage.bucketPrefix: the bucket .* has 71 characters, and S3 takes 63: shorten the prefix",
        ),
        ({"standardEnvironments": ["pytroch"]}, "standardEnvironments: .*'pytroch'"),
    ],
)
def test_what_aws_cannot_do_is_refused_by_its_field(config: dict[str, Any], message: str, register: Register) -> None:
    pattern = re.escape(f"footplate:{message}").replace(r"\.\*", ".*")
    with pytest.raises(ProviderError, match=pattern):
        register(program(**config))


def test_the_account_is_guarded_and_everything_is_tagged(register: Register) -> None:
    provider = register(program()).of("pulumi:providers:aws")["aws"]
    assert json.loads(provider["allowedAccountIds"]) == ["111122223333"]
    assert json.loads(provider["defaultTags"])["tags"] == {"environment": "test", "footplate": "ml"}


def test_the_cluster_is_private_encrypted_and_audited(register: Register) -> None:
    cluster = register(program()).of("eks/cluster:Cluster")["cluster"]
    assert cluster["vpcConfig"]["endpointPrivateAccess"] is True
    assert cluster["vpcConfig"]["endpointPublicAccess"] is False
    assert cluster["encryptionConfig"]["resources"] == ["secrets"]
    assert {"audit", "authenticator"} <= set(cluster["enabledClusterLogTypes"])
    assert cluster["accessConfig"] == {"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": False}
    assert cluster["deletionProtection"] is True


def test_nodes_are_in_private_subnets_and_pods_in_their_own(register: Register) -> None:
    made = register(program(zones=["us-east-2a", "us-east-2c"]))
    subnets = made.of("ec2/subnet:Subnet")
    assert {name: subnet["cidrBlock"] for name, subnet in subnets.items()} == {
        "public-us-east-2a": "10.64.240.0/23",
        "public-us-east-2c": "10.64.244.0/23",
        "nodes-us-east-2a": "10.64.0.0/20",
        "nodes-us-east-2c": "10.64.32.0/20",
        "pods-us-east-2a": "100.64.0.0/19",
        "pods-us-east-2c": "100.64.64.0/19",
    }
    assert not any(subnet["mapPublicIpOnLaunch"] for subnet in subnets.values())
    assert len(made.of("ec2/natGateway:NatGateway")) == 1
    per_zone = register(program(network={"natPerZone": True}))
    assert len(per_zone.of("ec2/natGateway:NatGateway")) == 2


def test_a_zone_more_leaves_the_others_as_they_are(register: Register) -> None:
    before = register(program(zones=["us-east-2a", "us-east-2c"])).of("ec2/subnet:Subnet")
    after = register(program(zones=["us-east-2b", "us-east-2c", "us-east-2a"])).of("ec2/subnet:Subnet")
    assert before.items() <= after.items()


def test_a_closed_network_has_endpoints_and_no_way_out(register: Register) -> None:
    made = register(program(network={"egress": "closed"}, offload={"enabled": True}))
    assert made.of("ec2/natGateway:NatGateway") == {}
    assert made.of("ec2/internetGateway:InternetGateway") == {}
    assert not any(name.startswith("public") for name in made.of("ec2/subnet:Subnet"))
    endpoints = made.of("ec2/vpcEndpoint:VpcEndpoint")
    assert {"s3", "ecr.api", "ecr.dkr", "sts", "eks-auth", "ec2", "sagemaker.api"} <= endpoints.keys()
    assert endpoints["s3"]["vpcEndpointType"] == "Gateway"
    assert endpoints["sts"]["privateDnsEnabled"] is True
    assert made.of("helm.sh/v3:Release")["karpenter"]["values"]["settings"]["isolatedVPC"] is True


def test_buckets_are_closed_versioned_encrypted_and_expire(register: Register) -> None:
    lifecycle = {"oldVersions": 9, "checkpoints": 14, "coldData": 60}
    made = register(program(storage={"bucketPrefix": "acme", "lifecycle": lifecycle}))
    assert {bucket["bucket"] for bucket in made.of("s3/bucket:Bucket").values()} == {"acme-state", "acme-team-a"}
    for block in made.of(":BucketPublicAccessBlock").values():
        assert all(block[key] for key in ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls"))
        assert block["restrictPublicBuckets"]
    encryption = made.of(":BucketServerSideEncryptionConfiguration")["team-a"]["rules"][0]
    assert encryption["applyServerSideEncryptionByDefault"]["sseAlgorithm"] == "aws:kms"
    rules = {rule["id"]: rule for rule in made.of(":BucketLifecycleConfiguration")["team-a"]["rules"]}
    assert rules["old-versions"]["noncurrentVersionExpiration"] == {"noncurrentDays": 9}
    assert rules["checkpoints"]["filter"] == {"prefix": "checkpoints/"}
    assert rules["checkpoints"]["expiration"] == {"days": 14}
    assert rules["cold-data"]["transitions"] == [{"days": 60, "storageClass": "GLACIER_IR"}]
    assert "outputs" not in rules
    state = {rule["id"]: rule for rule in made.of(":BucketLifecycleConfiguration")["state"]["rules"]}
    assert state.keys() == {"old-versions", "records"}
    assert (state["records"]["filter"], state["records"]["expiration"]) == ({"prefix": "jobs/"}, {"days": 90})
    policy = json.loads(made.of("s3/bucketPolicy:BucketPolicy")["team-a"]["policy"])
    assert policy["Statement"][0]["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}


def test_scratch_is_held_for_each_teams_claim(register: Register) -> None:
    made = register(program(scratch={"size": "2400Gi", "throughput": 500, "zone": "us-east-2b"}))
    filesystem = made.of("fsx/lustreFileSystem:LustreFileSystem")["scratch"]
    assert (filesystem["storageCapacity"], filesystem["perUnitStorageThroughput"]) == (2400, 500)
    volume = made.of("core/v1:PersistentVolume")["scratch-a"]["spec"]
    assert volume["claimRef"]["namespace"] == "team-a"
    assert volume["persistentVolumeReclaimPolicy"] == "Retain"


def test_the_platform_runs_on_the_system_nodes(register: Register) -> None:
    made = register(program(pool()))
    group = made.of("eks/nodeGroup:NodeGroup")["system"]
    assert group["labels"] == {"footplate.dev/pool": "system"}
    assert group["taints"] == [{"key": "CriticalAddonsOnly", "value": "true", "effect": "NO_SCHEDULE"}]
    pod = made.of("apps/v1:Deployment")["footplate-controllers"]["spec"]["template"]["spec"]
    assert pod["nodeSelector"] == {"footplate.dev/pool": "system"}
    assert {"key": "CriticalAddonsOnly", "operator": "Exists", "effect": "NoSchedule"} in pod["tolerations"]
    for name, release in made.of("helm.sh/v3:Release").items():
        if name in ("karpenter", "kueue"):
            assert "CriticalAddonsOnly" in json.dumps(release["values"]), name


def test_what_scales_is_not_set_back(register: Register) -> None:
    """Karpenter's nodes are no resources; of the system group the size that it has stays."""
    options: list[Any] = []
    original = __import__("pulumi_aws").eks.NodeGroup.__init__

    def noted(self: Any, name: str, *args: Any, **kwargs: Any) -> None:
        options.append(kwargs["opts"].ignore_changes)
        original(self, name, *args, **kwargs)

    node_group = __import__("pulumi_aws").eks.NodeGroup
    node_group.__init__ = noted
    try:
        register(program())
    finally:
        node_group.__init__ = original
    assert options == [["scalingConfig.desiredSize"]]
