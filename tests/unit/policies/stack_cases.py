"""What rules on the stack as a whole pass and find."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from policies.rule import Resource, Settings
from tests.unit.policies.cases import BLOCK, EKS, GCS, NAMESPACE, S3, resource, urn


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


STACK_CASES = (
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
