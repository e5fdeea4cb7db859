"""Inputs of resources for the cases, and what a case is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from policies.rule import Resource, Settings
from policies.rules.gpus import Types

Inputs = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """`wrong`: inputs → a part of the message about them."""

    rule: str
    type: str
    right: Sequence[Inputs]
    wrong: Sequence[tuple[Inputs, str]]
    settings: Settings | None = None
    protect: bool = True


def resource(type: str, inputs: Inputs, name: str = "it", protect: bool = False, **more: Any) -> Resource:
    return Resource(type, name, urn(type, name), inputs, protect, **more)


def urn(type: str, name: str) -> str:
    return f"urn:pulumi:dev::platform::{type}::{name}"


def pod(**spec: Any) -> Inputs:
    return {"spec": {"template": {"spec": {"containers": [{"name": "main", "image": "ghcr.io/a/b:1"}], **spec}}}}


def image(reference: str) -> Inputs:
    return pod(containers=[{"name": "main", "image": reference}])


def statement(**fields: Any) -> Inputs:
    return {"policy": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **fields}]}}


def vpc(**config: Any) -> Inputs:
    return {"roleArn": "arn:aws:iam::1:role/eks", "vpcConfig": {"subnetIds": ["subnet-1"], **config}}


def bound(role: str, kind: str, name: str) -> Inputs:
    return {"roleRef": {"kind": "ClusterRole", "name": role}, "subjects": [{"kind": kind, "name": name}]}


def karpenter(types: list[str], markets: Sequence[str] = ("spot",), **limits: object) -> Inputs:
    requirements = [
        {"key": "node.kubernetes.io/instance-type", "operator": "In", "values": types},
        {"key": "karpenter.sh/capacity-type", "operator": "In", "values": list(markets)},
    ]
    named = {name.replace("_", "/"): value for name, value in limits.items()}
    return {"spec": {"template": {"spec": {"requirements": requirements}}, **({"limits": named} if named else {})}}


def domain(lifecycle: Inputs) -> Inputs:
    return {"defaultUserSettings": {"jupyterLabAppSettings": {"appLifecycleManagement": lifecycle}}}


KARPENTER = "kubernetes:karpenter.sh/v1:NodePool"
EKS, GKE, GKE_POOL = (
    "aws:eks/cluster:Cluster",
    "gcp:container/cluster:Cluster",
    "gcp:container/nodePool:NodePool",
)
TEMPLATE, INSTANCE = "aws:ec2/launchTemplate:LaunchTemplate", "aws:ec2/instance:Instance"
NODE_CLASS = "kubernetes:karpenter.k8s.aws/v1:EC2NodeClass"
VM = "gcp:compute/instance:Instance"
DEPLOYMENT = "kubernetes:apps/v1:Deployment"
NAMESPACE = "kubernetes:core/v1:Namespace"
S3, GCS = "aws:s3/bucket:Bucket", "gcp:storage/bucket:Bucket"
DIGEST = "@sha256:" + "0" * 64


GROUP_RULE = {"fromPort": 22, "toPort": 22, "protocol": "tcp"}

BLOCK = {"blockPublicAcls": True, "blockPublicPolicy": True, "ignorePublicAcls": True, "restrictPublicBuckets": True}


LIMITED = {"name": "main", "resources": {"limits": {"nvidia.com/gpu": "1"}}}

LABELLED = {"environment": "dev", "owner": "platform"}


CHEAP = Types(allowed=("T4", "L4"))
