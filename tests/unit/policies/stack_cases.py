"""What rules on the stack as a whole pass and find."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from policies.rule import Resource, Settings
from policies.rules.gpus import Count, HourlyCost, Idle
from tests.unit.policies.inputs import (
    BLOCK,
    EKS,
    GCS,
    GKE_POOL,
    KARPENTER,
    NAMESPACE,
    S3,
    TEMPLATE,
    karpenter,
    resource,
    urn,
)


@dataclass(frozen=True)
class StackCase:
    """`words`: a part of what is said of `wrong`."""

    rule: str
    right: Sequence[Resource]
    wrong: Sequence[Resource]
    words: str
    settings: Settings | None = None


CLUSTER = resource(EKS, {"name": "main"}, "main")
AGENT = resource("aws:eks/addon:Addon", {"addonName": "eks-pod-identity-agent", "clusterName": "main"}, "agent")
ISSUER = resource("aws:iam/openIdConnectProvider:OpenIdConnectProvider", {}, "issuer", uses={"url": [urn(EKS, "main")]})
BUCKET = resource(S3, {}, "data")
OF_BUCKET = {"bucket": [urn(S3, "data")]}
VERSIONED = {"versioningConfiguration": {"status": "Enabled"}}
TEAM = resource(NAMESPACE, {"metadata": {"name": "team-a"}}, "team-a")
POLICY = "kubernetes:networking.k8s.io/v1:NetworkPolicy"


def network_policy(selector: dict[str, object], *directions: str) -> Resource:
    spec = {"podSelector": selector, "policyTypes": list(directions)}
    return resource(POLICY, {"metadata": {"namespace": "team-a"}, "spec": spec}, "deny")


def node_group(types: list[str], most: int, least: int = 0, name: str = "gpus", **more: object) -> Resource:
    sizes = {"minSize": least, "maxSize": most, "desiredSize": least}
    inputs = {"instanceTypes": types, "scalingConfig": sizes, **more}
    return resource("aws:eks/nodeGroup:NodeGroup", inputs, name, provider={"region": "us-east-1"})


def gke_pool(machine: str, most: int, name: str = "gpus", **config: object) -> Resource:
    inputs = {
        "location": "us-central1",
        "nodeLocations": ["us-central1-a", "us-central1-b"],
        "autoscaling": {"minNodeCount": 0, "maxNodeCount": most},
        "nodeConfig": {"machineType": machine, **config},
    }
    return resource(GKE_POOL, inputs, name)


T4 = {"guestAccelerators": [{"type": "nvidia-tesla-t4", "count": 2}]}
TEMPLATE_URN = urn(TEMPLATE, "reserved")
RESERVED = resource(
    TEMPLATE,
    {"capacityReservationSpecification": {"capacityReservationTarget": {"capacityReservationId": "cr-1"}}},
    "reserved",
)


def of_template(group: Resource) -> Resource:
    return replace(group, uses={"launchTemplate": [TEMPLATE_URN]})


BLOCKED = {"nvidia.com_gpu": 16}
NEVER = karpenter(["g6.xlarge"], **BLOCKED)
NEVER["spec"]["disruption"] = {"consolidateAfter": "Never"}
GPU_CASES = (
    StackCase(
        "gpu-count-cap", [node_group(["p5.48xlarge"], 2)], [node_group(["p5.48xlarge"], 3)], "up to 24", Count(most=16)
    ),
    StackCase(
        "gpu-count-cap", [gke_pool("a3-highgpu-8g", 1)], [gke_pool("a3-highgpu-8g", 2)], "up to 32", Count(most=16)
    ),
    StackCase(
        "gpu-count-cap",
        [gke_pool("n1-standard-8", 4, **T4)],
        [gke_pool("n1-standard-8", 5, **T4), node_group(["g6.xlarge"], 100)],
        "up to 20 T4 GPUs, and 16 are allowed: lower the pools' maximum (gpus 20)",
        Count(most_of={"T4": 16}),
    ),
    StackCase(
        "gpu-count-cap",
        [resource(KARPENTER, karpenter(["p5.48xlarge"], **BLOCKED), "gpus")],
        [resource(KARPENTER, karpenter(["p5.48xlarge"]), "gpus")],
        "nothing bounds its GPUs",
    ),
    StackCase(
        "hourly-cost-cap",
        [node_group(["g6.xlarge"], 2)],
        [node_group(["p5.48xlarge"], 2)],
        "the GPUs at their maximum: $",
        HourlyCost(gpus=50),
    ),
    StackCase(
        "hourly-cost-cap",
        [node_group(["g6.xlarge"], 2)],
        [node_group(["g6.xlarge"], 2, least=1), resource(EKS, {}, provider={"region": "us-east-1"})],
        "the stack at its minimum: $",
        HourlyCost(standing=0.5),
    ),
    StackCase(
        "hourly-cost-cap",
        [gke_pool("a3-ultragpu-8g", 1, diskType="a-disk-without-price")],
        [replace(node_group(["p5.48xlarge"], 1), provider={"region": "mars-north-1"})],
        "no price of p5.48xlarge",
        HourlyCost(gpus=5000),
    ),
    StackCase(
        "batch-capacity",
        [
            node_group(["g6.xlarge"], 2, name="batch", capacityType="SPOT"),
            node_group(["g6.xlarge"], 2, name="notebooks"),
        ],
        [node_group(["g6.xlarge"], 2, name="batch-l4")],
        "takes L4 on demand",
    ),
    StackCase(
        "batch-capacity",
        [gke_pool("g2-standard-4", 2, labels={"footplate.dev/pool": "nightly-batch"}, flexStart=True)],
        [gke_pool("g2-standard-4", 2, labels={"footplate.dev/pool": "nightly-batch"})],
        "batch work",
    ),
    StackCase(
        "batch-capacity",
        [of_template(node_group(["p5.48xlarge"], 2, name="batch")), RESERVED],
        [node_group(["p5.48xlarge"], 2, name="batch"), RESERVED],
        "H100 on demand",
    ),
    StackCase(
        "batch-capacity",
        [resource(KARPENTER, karpenter(["g6.xlarge"], ["spot"], **BLOCKED), "batch")],
        [resource(KARPENTER, karpenter(["g6.xlarge"], ["spot", "on-demand"], **BLOCKED), "batch")],
        "on demand",
    ),
    StackCase(
        "gpu-scale-to-zero",
        [
            node_group(["g6.12xlarge"], 2),
            node_group(["m7i.large"], 2, least=2),
            of_template(node_group(["p5.48xlarge"], 2, least=2)),
            RESERVED,
        ],
        [node_group(["g6.12xlarge"], 2, least=1)],
        "its minimum is 1, which is 4 GPUs",
    ),
    StackCase(
        "gpu-scale-to-zero",
        [node_group(["g6.12xlarge"], 2, least=1, name="interactive-l4")],
        [resource(KARPENTER, NEVER, "gpus")],
        "consolidateAfter is Never",
        Idle(exempt=("interactive-*",)),
    ),
)

STACK_CASES = (
    *GPU_CASES,
    StackCase("eks-workload-identity", [CLUSTER, AGENT], [CLUSTER], "nothing gives its pods identities"),
    StackCase("eks-workload-identity", [CLUSTER, ISSUER], [CLUSTER], "eks-pod-identity-agent"),
    StackCase(
        "s3-public-access-block",
        [BUCKET, resource("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", BLOCK, "b", uses=OF_BUCKET)],
        [BUCKET, resource("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", {"bucket": "other"}, "b")],
        "no BucketPublicAccessBlock",
    ),
    StackCase(
        "bucket-versioned",
        [
            BUCKET,
            resource("aws:s3/bucketVersioning:BucketVersioning", VERSIONED, "v", uses=OF_BUCKET),
            resource(GCS, {"versioning": {"enabled": True}}, "gcs"),
        ],
        [BUCKET],
        "no BucketVersioning",
    ),
    StackCase("bucket-versioned", [], [resource(GCS, {})], "versioning.enabled"),
    StackCase(
        "network-default-deny",
        [TEAM, network_policy({}, "Ingress", "Egress")],
        [TEAM, network_policy({"matchLabels": {"app": "web"}}, "Ingress", "Egress")],
        "ingress and egress",
    ),
    StackCase(
        "network-default-deny",
        [TEAM, network_policy({}, "Ingress"), network_policy({}, "Egress")],
        [TEAM, network_policy({}, "Ingress")],
        "denies its pods' egress traffic",
    ),
)
