"""Labels by which the bill is split."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import field

from policies.rule import Level, Resource, ResourceRule, Settings, Severity
from policies.values import at, is_unknown, mapping, mappings

#: Type → where its labels are. What it lacks costs nothing, or gets its labels from what made it.
LABELS = {
    "aws:ebs/volume:Volume": "tags",
    "aws:ec2/capacityReservation:CapacityReservation": "tags",
    "aws:ec2/instance:Instance": "tags",
    "aws:ec2/natGateway:NatGateway": "tags",
    "aws:ecr/repository:Repository": "tags",
    "aws:efs/fileSystem:FileSystem": "tags",
    "aws:eks/cluster:Cluster": "tags",
    "aws:eks/nodeGroup:NodeGroup": "tags",
    "aws:fsx/lustreFileSystem:LustreFileSystem": "tags",
    "aws:s3/bucket:Bucket": "tags",
    "aws:s3/bucketV2:BucketV2": "tags",
    "aws:sagemaker/domain:Domain": "tags",
    "aws:sagemaker/notebookInstance:NotebookInstance": "tags",
    "aws:sagemaker/trainingJob:TrainingJob": "tags",
    "gcp:artifactregistry/repository:Repository": "labels",
    "gcp:compute/disk:Disk": "labels",
    "gcp:compute/instance:Instance": "labels",
    "gcp:container/cluster:Cluster": "resourceLabels",
    "gcp:container/nodePool:NodePool": "nodeConfig.resourceLabels",
    "gcp:filestore/instance:Instance": "labels",
    "gcp:lustre/instance:Instance": "labels",
    "gcp:storage/bucket:Bucket": "labels",
    "gcp:vertex/aiPersistentResource:AiPersistentResource": "labels",
    "gcp:workbench/instance:Instance": "labels",
    "kubernetes:karpenter.k8s.aws/v1:EC2NodeClass": "spec.tags",
}


class CostLabels(Settings, frozen=True):
    #: Label → the value that a resource without it gets; {stack} and {project} stand for their names. Empty: it has to
    #: be given.
    required: dict[str, str] = field(default_factory=lambda: {"environment": "{stack}", "owner": "{project}"})


def _missing(resource: Resource, settings: CostLabels) -> list[str]:
    own = at(resource.properties, LABELS[resource.type])
    if is_unknown(own):
        return []
    present = {*mapping(own), *_of_provider(resource)}
    return [label for label in settings.required if label not in present]


def _of_provider(resource: Resource) -> Mapping[str, Any]:
    """`defaultTags` (AWS) and `defaultLabels` (GCP), which the provider adds; objects in its inputs are JSON text."""
    name = "defaultTags" if resource.type.startswith("aws:") else "defaultLabels"
    given = resource.provider.get(name)
    if isinstance(given, str) and given.startswith("{"):
        given = json.loads(given)
    return mapping(at(given, "tags") if name == "defaultTags" else given)


def _unlabelled(resource: Resource, settings: CostLabels) -> Iterator[str]:
    for label in _missing(resource, settings):
        yield f"{LABELS[resource.type]}.{label} is unset: nobody will know whose cost it is; set it"


def _labelled(resource: Resource, settings: CostLabels) -> Mapping[str, Any] | None:
    _, _, stack, project, *_ = resource.urn.replace("::", ":").split(":")
    fill = {"stack": stack, "project": project}
    values = {label: settings.required[label].format_map(fill) for label in _missing(resource, settings)}
    if resource.type.startswith("gcp:"):
        values = {label: re.sub(r"[^-_a-z0-9]", "-", value.lower())[:63] for label, value in values.items()}
    given = {label: value for label, value in values.items() if value}
    return _with(resource.properties, LABELS[resource.type].split("."), given) if given else None


def _with(properties: Mapping[str, Any], path: list[str], labels: Mapping[str, str]) -> dict[str, Any]:
    """The top-level property, copied down to the labels."""
    head, *rest = path
    inner = mapping(properties.get(head))
    return {head: {**inner, **(_with(inner, rest, labels) if rest else labels)}}


COST_LABELS = ResourceRule(
    name="cost-labels",
    description="What costs money says whose it is.",
    severity=Severity.LOW,
    source="CKV_GCP_21",
    types=frozenset(LABELS),
    check=_unlabelled,
    settings=CostLabels,
    level=Level.REMEDIATE,
    mend=_labelled,
)


class InstanceTags(Settings, frozen=True):
    #: Kinds that a launch template must tag, as EKS does not hand its node groups' tags on.
    kinds: tuple[str, ...] = ("instance", "volume")


def _untagged(template: Resource, settings: InstanceTags) -> Iterator[str]:
    given = template.properties.get("tagSpecifications")
    if is_unknown(given):
        return
    tagged = {one.get("resourceType") for one in mappings(given) if one.get("tags")}
    for kind in settings.kinds:
        if kind not in tagged:
            yield f"tagSpecifications has no tags for resourceType {kind}: what it starts cannot be told apart in the bill; add them"


INSTANCE_TAGS = ResourceRule(
    name="launch-template-tags",
    description="What launch templates start is tagged.",
    severity=Severity.LOW,
    source="https://docs.aws.amazon.com/eks/latest/userguide/eks-using-tags.html",
    types=frozenset({"aws:ec2/launchTemplate:LaunchTemplate"}),
    check=_untagged,
    settings=InstanceTags,
    level=Level.ADVISORY,
)

RULES = (COST_LABELS, INSTANCE_TAGS)
