"""Managed training and notebooks (SageMaker, Vertex AI): in one's own network, and not forgotten."""

from __future__ import annotations

from collections.abc import Iterator

from policies.rule import Resource, ResourceRule, Settings, Severity
from policies.values import at, is_unknown, may_be

DOMAIN = "aws:sagemaker/domain:Domain"
NOTEBOOK = "aws:sagemaker/notebookInstance:NotebookInstance"
TRAINING = "aws:sagemaker/trainingJob:TrainingJob"
MODEL = "aws:sagemaker/model:Model"
PERSISTENT = "gcp:vertex/aiPersistentResource:AiPersistentResource"
ENDPOINT = "gcp:vertex/aiEndpoint:AiEndpoint"
INDEX_ENDPOINT = "gcp:vertex/aiIndexEndpoint:AiIndexEndpoint"
WORKBENCH = "gcp:workbench/instance:Instance"
COLAB = "gcp:colab/runtimeTemplate:RuntimeTemplate"


def _exposed(resource: Resource, _: Settings) -> Iterator[str]:
    properties = resource.properties
    match resource.type:
        case "aws:sagemaker/domain:Domain":
            if not may_be(properties.get("appNetworkAccessType"), "VpcOnly"):
                yield "appNetworkAccessType is not VpcOnly: notebooks reach the internet past the VPC; set it"
        case "aws:sagemaker/notebookInstance:NotebookInstance":
            if not may_be(properties.get("directInternetAccess"), "Disabled"):
                yield "directInternetAccess is not Disabled: set it, with subnetId and securityGroups"
        case "aws:sagemaker/trainingJob:TrainingJob" | "aws:sagemaker/model:Model":
            if properties.get("vpcConfig") is None:
                yield "vpcConfig is unset: it runs outside the VPC; set subnets and securityGroupIds"
        case "gcp:vertex/aiPersistentResource:AiPersistentResource":
            if properties.get("network") is None and at(properties, "pscInterfaceConfig.networkAttachment") is None:
                yield "neither network nor pscInterfaceConfig.networkAttachment is set: name the platform's network"
        case "gcp:vertex/aiEndpoint:AiEndpoint":
            private = at(properties, "privateServiceConnectConfig.enablePrivateServiceConnect")
            if properties.get("network") is None and not may_be(private, True):
                yield "neither network nor privateServiceConnectConfig is set: the endpoint is public"
        case "gcp:vertex/aiIndexEndpoint:AiIndexEndpoint":
            if may_be(properties.get("publicEndpointEnabled"), True) and not is_unknown(
                properties.get("publicEndpointEnabled")
            ):
                yield "publicEndpointEnabled is true: leave it out and set network"
        case "gcp:workbench/instance:Instance":
            if not may_be(at(properties, "gceSetup.disablePublicIp"), True):
                yield "gceSetup.disablePublicIp is not true: set it"
        case _:
            if not may_be(at(properties, "networkSpec.enableInternetAccess"), False):
                yield "networkSpec.enableInternetAccess is not false: set it, with network and subnetwork"


OFFLOAD_PRIVATE = ResourceRule(
    name="offload-private",
    description="Managed jobs, notebooks and endpoints run in the platform's own network.",
    severity=Severity.HIGH,
    source="CKV_AWS_122, CKV_GCP_89",
    types=frozenset({DOMAIN, NOTEBOOK, TRAINING, MODEL, PERSISTENT, ENDPOINT, INDEX_ENDPOINT, WORKBENCH, COLAB}),
    check=_exposed,
    settings=Settings,
)


def _unbounded(job: Resource, _: Settings) -> Iterator[str]:
    if at(job.properties, "stoppingCondition.maxRuntimeInSeconds") is None:
        yield "stoppingCondition.maxRuntimeInSeconds is unset: a job that hangs is paid for until SageMaker's own limit; set it"


OFFLOAD_DEADLINE = ResourceRule(
    name="offload-deadline",
    description="Managed jobs end at a time that is set.",
    severity=Severity.MEDIUM,
    source="none",
    types=frozenset({TRAINING}),
    check=_unbounded,
    settings=Settings,
)

RULES = (OFFLOAD_PRIVATE, OFFLOAD_DEADLINE)
