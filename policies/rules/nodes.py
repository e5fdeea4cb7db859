"""Nodes and other machines: metadata service, addresses, boot integrity, the identity they run as."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from policies.rule import Level, Resource, ResourceRule, Settings, Severity
from policies.rules.clusters import GKE, GKE_POOL
from policies.values import at, is_unknown, mapping, mappings, may_be, number

INSTANCE = "aws:ec2/instance:Instance"
LAUNCH_TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
NODE_CLASS = "kubernetes:karpenter.k8s.aws/v1:EC2NodeClass"
NOTEBOOK = "aws:sagemaker/notebookInstance:NotebookInstance"
VM = "gcp:compute/instance:Instance"
VM_TEMPLATE = "gcp:compute/instanceTemplate:InstanceTemplate"
WORKBENCH = "gcp:workbench/instance:Instance"


class Imds(Settings, frozen=True):
    #: Network hops that an answer of the metadata service may take; with 1, pods that do not use the host's network get none.
    hop_limit: int = 1


def _metadata(resource: Resource) -> tuple[str, Any]:
    path = "spec.metadataOptions" if resource.type == NODE_CLASS else "metadataOptions"
    return path, at(resource.properties, path)


def _imds(resource: Resource, settings: Imds) -> Iterator[str]:
    if resource.type == NOTEBOOK:
        if not may_be(
            at(resource.properties, "instanceMetadataServiceConfiguration.minimumInstanceMetadataServiceVersion"), "2"
        ):
            yield 'instanceMetadataServiceConfiguration.minimumInstanceMetadataServiceVersion is not "2": set it'
        return
    path, options = _metadata(resource)
    if is_unknown(options) or may_be(at(options, "httpEndpoint"), "disabled"):
        return
    # Karpenter's own defaults are strict; EC2's are not.
    unset = {"httpTokens": "required", "httpPutResponseHopLimit": 1} if resource.type == NODE_CLASS else {}
    options = {**unset, **mapping(options)}
    if not may_be(options.get("httpTokens"), "required"):
        yield f"{path}.httpTokens is {options.get('httpTokens', 'unset')}: set it to required (IMDSv2)"
    limit = options.get("httpPutResponseHopLimit")
    if not is_unknown(limit) and (number(limit) or 64) > settings.hop_limit:
        yield f"{path}.httpPutResponseHopLimit is {limit or 'unset'}: set it to {settings.hop_limit}, so that pods cannot take the node's credentials"


def _with_imdsv2(resource: Resource, settings: Imds) -> Mapping[str, Any] | None:
    if not any(_imds(resource, settings)):
        return None
    if resource.type == NOTEBOOK:
        return {"instanceMetadataServiceConfiguration": {"minimumInstanceMetadataServiceVersion": "2"}}
    _, options = _metadata(resource)
    safe = {**mapping(options), "httpTokens": "required", "httpPutResponseHopLimit": settings.hop_limit}
    if resource.type == NODE_CLASS:
        return {"spec": {**mapping(resource.properties.get("spec")), "metadataOptions": safe}}
    return {"metadataOptions": {"httpEndpoint": "enabled", **safe}}


IMDSV2 = ResourceRule(
    name="imdsv2",
    description="The metadata service of EC2 instances wants a session token and does not answer pods.",
    severity=Severity.HIGH,
    source="CKV_AWS_79, CKV_AWS_341",
    types=frozenset({INSTANCE, LAUNCH_TEMPLATE, NODE_CLASS, NOTEBOOK}),
    check=_imds,
    settings=Imds,
    level=Level.REMEDIATE,
    mend=_with_imdsv2,
)


def _addresses(resource: Resource, _: Settings) -> Iterator[str]:
    properties = resource.properties
    on = (True, "true")
    match resource.type:
        case "aws:ec2/instance:Instance":
            if properties.get("associatePublicIpAddress") in on:
                yield "associatePublicIpAddress is true: set it to false and reach out through NAT"
        case "aws:ec2/launchTemplate:LaunchTemplate":
            for index, interface in enumerate(mappings(properties.get("networkInterfaces"))):
                if interface.get("associatePublicIpAddress") in on:
                    yield f"networkInterfaces[{index}].associatePublicIpAddress is true: set it to false"
        case "aws:ec2/subnet:Subnet":
            if properties.get("mapPublicIpOnLaunch") in on:
                yield "mapPublicIpOnLaunch is true: every machine in the subnet gets a public address; set it to false"
        case "kubernetes:karpenter.k8s.aws/v1:EC2NodeClass":
            if at(properties, "spec.associatePublicIPAddress") in on:
                yield "spec.associatePublicIPAddress is true: set it to false"
        case _:
            for index, interface in enumerate(mappings(properties.get("networkInterfaces"))):
                for kind in ("accessConfigs", "ipv6AccessConfigs"):
                    if interface.get(kind):
                        yield f"networkInterfaces[{index}].{kind} gives the machine a public address: leave it out and use Cloud NAT"


PUBLIC_ADDRESSES = ResourceRule(
    name="no-public-node-ips",
    description="Nodes and machines have no public addresses.",
    severity=Severity.HIGH,
    source="CKV_AWS_88, CKV_AWS_130, CKV_GCP_40",
    types=frozenset({INSTANCE, LAUNCH_TEMPLATE, NODE_CLASS, "aws:ec2/subnet:Subnet", VM, VM_TEMPLATE}),
    check=_addresses,
    settings=Settings,
)


class Shielded(Settings, frozen=True):
    #: Also require secure boot; it keeps unsigned GPU drivers from loading.
    secure_boot: bool = False


def _shielded(resource: Resource, settings: Shielded) -> Iterator[str]:
    if resource.type == GKE:
        if not may_be(resource.properties.get("enableShieldedNodes"), True, None):
            yield "enableShieldedNodes is false: leave it out or set it to true"
        return
    path = "nodeConfig.shieldedInstanceConfig" if resource.type == GKE_POOL else "shieldedInstanceConfig"
    if not may_be(at(resource.properties, f"{path}.enableIntegrityMonitoring"), True, None):
        yield f"{path}.enableIntegrityMonitoring is false: leave it out or set it to true"
    if settings.secure_boot and not may_be(at(resource.properties, f"{path}.enableSecureBoot"), True):
        yield f"{path}.enableSecureBoot is not true: set it"


SHIELDED_NODES = ResourceRule(
    name="shielded-nodes",
    description="GKE nodes and Compute Engine machines start verified (Shielded VM).",
    severity=Severity.MEDIUM,
    source="CKV_GCP_71, CKV_GCP_72, CKV_GCP_68",
    types=frozenset({GKE, GKE_POOL, VM, VM_TEMPLATE}),
    check=_shielded,
    settings=Shielded,
)

_DEFAULT_ACCOUNT = "-compute@developer.gserviceaccount.com"


def _account_paths(resource: Resource) -> Iterator[tuple[str, Any]]:
    properties = resource.properties
    if resource.type == GKE_POOL:
        yield "nodeConfig.serviceAccount", at(properties, "nodeConfig.serviceAccount")
    elif resource.type == GKE:
        provisioning = at(properties, "clusterAutoscaling.enabled")
        if provisioning is True:
            path = "clusterAutoscaling.autoProvisioningDefaults.serviceAccount"
            yield path, at(properties, path)
        if not may_be(properties.get("removeDefaultNodePool"), True) and not may_be(
            properties.get("enableAutopilot"), True
        ):
            yield "nodeConfig.serviceAccount", at(properties, "nodeConfig.serviceAccount")
    elif resource.type == WORKBENCH:
        yield "gceSetup.serviceAccounts.email", at(properties, "gceSetup.serviceAccounts.email")
    else:
        yield "serviceAccount.email", at(properties, "serviceAccount.email")


def _service_account(resource: Resource, _: Settings) -> Iterator[str]:
    for path, account in _account_paths(resource):
        if is_unknown(account):
            continue
        if account in (None, "", "default") or str(account).endswith(_DEFAULT_ACCOUNT):
            yield (
                f"{path} is {account or 'unset'}: the Compute Engine default account can edit the whole project; give it a "
                "service account of its own with roles/container.defaultNodeServiceAccount"
            )


NODE_SERVICE_ACCOUNT = ResourceRule(
    name="no-default-service-account",
    description="No node or machine runs as the project's default service account.",
    severity=Severity.HIGH,
    source="CKV_GCP_30",
    types=frozenset({GKE, GKE_POOL, VM, VM_TEMPLATE, WORKBENCH}),
    check=_service_account,
    settings=Settings,
)

RULES = (IMDSV2, PUBLIC_ADDRESSES, SHIELDED_NODES, NODE_SERVICE_ACCOUNT)
