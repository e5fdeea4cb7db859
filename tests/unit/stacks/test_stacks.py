"""Every stack previews with no account, and gives what is in `golden/`; all inputs are of the SDKs' types.

`FOOTPLATE_WRITE_GOLDEN=1 pytest tests/unit/stacks` writes the summaries anew.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from footplate.engine.events import Op, Step
from footplate.engine.values import masked
from policies.rules.labels import LABELS
from policies.values import at
from tests.unit.stacks.plan import planned
from tests.unit.stacks.sdk_types import args_of, problems

GOLDEN = Path(__file__).parent / "golden"
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

STACKS = ("dev-aws", "prod-aws", "dev-gcp", "prod-gcp")

#: Type → paths of the inputs that a reader of a change wants to see. Of others, that they are there.
KEY_INPUTS: dict[str, tuple[str, ...]] = {
    "aws:ec2/vpc:Vpc": ("cidrBlock",),
    "aws:ec2/subnet:Subnet": ("availabilityZone", "cidrBlock", "mapPublicIpOnLaunch"),
    "aws:ec2/vpcEndpoint:VpcEndpoint": ("serviceName", "vpcEndpointType"),
    "aws:eks/cluster:Cluster": (
        "name",
        "version",
        "vpcConfig.endpointPublicAccess",
        "vpcConfig.publicAccessCidrs",
        "encryptionConfig.resources",
        "enabledClusterLogTypes",
        "deletionProtection",
    ),
    "aws:eks/nodeGroup:NodeGroup": ("instanceTypes", "capacityType", "scalingConfig", "taints"),
    "aws:eks/addon:Addon": ("addonName",),
    "aws:eks/accessEntry:AccessEntry": ("type", "principalArn"),
    "aws:eks/podIdentityAssociation:PodIdentityAssociation": ("namespace", "serviceAccount"),
    "aws:s3/bucket:Bucket": ("bucket", "forceDestroy"),
    "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock": ("blockPublicAcls", "restrictPublicBuckets"),
    "aws:s3/bucketVersioning:BucketVersioning": ("versioningConfiguration.status",),
    "aws:iam/role:Role": ("name",),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": ("policyArn",),
    "aws:fsx/lustreFileSystem:LustreFileSystem": ("storageCapacity", "perUnitStorageThroughput", "deploymentType"),
    "aws:efs/fileSystem:FileSystem": ("encrypted", "throughputMode"),
    "aws:ecr/repository:Repository": ("name", "imageTagMutability"),
    "gcp:compute/network:Network": ("mtu", "networkProfile", "deleteDefaultRoutesOnCreate"),
    "gcp:compute/subnetwork:Subnetwork": ("ipCidrRange", "purpose", "privateIpGoogleAccess"),
    "gcp:container/cluster:Cluster": (
        "name",
        "minMasterVersion",
        "releaseChannel",
        "privateClusterConfig",
        "masterAuthorizedNetworksConfig.cidrBlocks",
        "databaseEncryption.state",
        "loggingConfig.enableComponents",
        "deletionProtection",
    ),
    "gcp:container/nodePool:NodePool": (
        "nodeLocations",
        "autoscaling",
        "nodeConfig.machineType",
        "nodeConfig.guestAccelerators",
        "nodeConfig.reservationAffinity",
        "nodeConfig.flexStart",
        "nodeConfig.spot",
        "nodeConfig.taints",
        "nodeConfig.labels",
        "placementPolicy",
    ),
    "gcp:gkebackup/backupPlan:BackupPlan": ("retentionPolicy", "backupSchedule"),
    "gcp:lustre/instance:Instance": ("capacityGib", "perUnitStorageThroughput", "location"),
    "gcp:projects/iAMCustomRole:IAMCustomRole": ("roleId", "permissions"),
    "gcp:projects/iAMMember:IAMMember": ("member",),
    "gcp:serviceaccount/account:Account": ("accountId",),
    "gcp:serviceaccount/iAMMember:IAMMember": ("role", "member"),
    "gcp:storage/bucket:Bucket": ("name", "forceDestroy", "publicAccessPrevention", "versioning"),
    "gcp:artifactregistry/repository:Repository": ("repositoryId", "mode"),
    "gcp:dns/managedZone:ManagedZone": ("dnsName", "visibility"),
    "kubernetes:cloud.google.com/v1:ComputeClass": ("spec.priorities", "spec.autoscalingPolicy"),
    "kubernetes:karpenter.sh/v1:NodePool": (
        "spec.replicas",
        "spec.limits",
        "spec.template.spec.requirements",
        "spec.template.spec.taints",
        "spec.template.metadata.labels",
    ),
    "kubernetes:karpenter.k8s.aws/v1:EC2NodeClass": (
        "spec.amiSelectorTerms",
        "spec.capacityReservationSelectorTerms",
        "spec.instanceStorePolicy",
        "spec.metadataOptions",
    ),
    "kubernetes:karpenter.sh/v1alpha1:NodeOverlay": ("spec.capacity",),
    "kubernetes:helm.sh/v3:Release": ("chart", "version", "namespace", "skipCrds"),
    "kubernetes:kueue.x-k8s.io/v1beta2:ClusterQueue": ("spec.cohortName", "spec.resourceGroups"),
    "kubernetes:core/v1:Namespace": ("metadata.labels",),
    "kubernetes:storage.k8s.io/v1:StorageClass": ("provisioner", "reclaimPolicy", "volumeBindingMode"),
    "kubernetes:footplate.dev/v1alpha1:Environment": ("spec.image",),
}


def key_inputs(step: Step) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for path in KEY_INPUTS.get(step.type, ()):
        value: Any = masked(dict(step.inputs))
        for part in path.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if value is not None:
            found[path] = value
    return found


#: What is the same in every cluster, `local` too: `tests/unit/components` has it.
EVERYWHERE = "footplate:index:Platform$footplate:index:"


def summary(stack: str) -> list[dict[str, Any]]:
    rows = [(step.urn.split("::", 2)[2], key_inputs(step)) for step in planned(stack)]
    return [
        {"urn": urn, **({"inputs": inputs} if inputs else {})} for urn, inputs in rows if not urn.startswith(EVERYWHERE)
    ]


@pytest.mark.parametrize("stack", STACKS)
def test_a_stack_previews_with_no_account(stack: str) -> None:
    path = GOLDEN / f"{stack}.json"
    found = json.loads(json.dumps(summary(stack)))
    if os.environ.get("FOOTPLATE_WRITE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        rows = ",\n".join(f"  {json.dumps(row)}" for row in found)
        path.write_text(f"[\n{rows}\n]\n")
    assert found == json.loads(path.read_text())
    assert {step.op for step in planned(stack)} == {Op.CREATE}


@pytest.mark.parametrize("stack", STACKS)
def test_every_input_is_of_the_sdks_type(stack: str) -> None:
    wrong = [
        f"{step.type} {step.name}{problem}" for step in planned(stack) for problem in problems(step.type, step.inputs)
    ]
    assert wrong == []
    checked = [step for step in planned(stack) if args_of(step.type) is not None]
    assert len(checked) > 90


def test_what_is_wrong_is_found() -> None:
    """The checker itself: a name, a type, something required, an enum."""
    group = "aws:ec2/placementGroup:PlacementGroup"
    assert problems(group, {"strategy": "cluster"}) == []
    assert problems(group, {"strategy": "near"}) == [".strategy: 'near' is none of ['spread', 'cluster']"]
    assert problems(group, {}) == [".strategy: is required and missing"]
    assert problems("aws:ec2/vpc:Vpc", {"cidrBlok": "10.0.0.0/16"}) == [".cidrBlok: VpcArgs has no such property"]
    assert problems("aws:ec2/vpc:Vpc", {"enableDnsSupport": "yes"}) == [".enableDnsSupport: is str 'yes', not bool"]
    policy = {"networkFirewallPolicyEnforcementOrder": "FIRST"}
    assert problems("gcp:compute/network:Network", policy) == [
        ".networkFirewallPolicyEnforcementOrder: 'FIRST' is none of the documented BEFORE_CLASSIC_FIREWALL, "
        "AFTER_CLASSIC_FIREWALL"
    ]
    nested = {"spec": {"ports": [{"port": 80, "targetPort": "http", "protcol": "TCP"}]}}
    assert problems("kubernetes:core/v1:Service", nested) == [
        ".spec.ports[0].protcol: ServicePortArgs has no such property"
    ]


@pytest.mark.parametrize("stack", STACKS)
def test_a_charts_kinds_are_a_release_of_their_own_that_stays(stack: str) -> None:
    releases = {step.name: step for step in planned(stack) if step.type == "kubernetes:helm.sh/v3:Release"}
    for chart, kinds in (("karpenter", "karpenter-crd"), ("kube-prometheus-stack", "prometheus-operator-crds")):
        if chart not in releases:
            assert stack.endswith("gcp"), "GKE has its own autoscaler"
            continue
        assert releases[chart].inputs["skipCrds"] is True
        assert releases[kinds].inputs["namespace"] == releases[chart].inputs["namespace"]


@pytest.mark.parametrize("stack", STACKS)
def test_what_costs_money_is_labelled(stack: str) -> None:
    wanted = {"environment", "cost-center", "owner"}
    if stack.endswith("aws"):
        (provider,) = [step for step in planned(stack) if step.type == "pulumi:providers:aws"]
        assert {*wanted, "footplate"} <= json.loads(provider.inputs["defaultTags"])["tags"].keys()
    labelled = [step for step in planned(stack) if step.type in LABELS and not step.type.startswith("aws:")]
    assert labelled
    for step in labelled:
        assert wanted <= at(step.inputs, LABELS[step.type]).keys(), step.urn
