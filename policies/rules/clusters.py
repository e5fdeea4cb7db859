"""Kubernetes control planes: who reaches them, what they encrypt and record, how workloads prove who they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from policies.rule import Finding, Resource, ResourceRule, Settings, Severity, StackRule
from policies.values import at, is_unknown, listed, mappings, may_be, texts

EKS = "aws:eks/cluster:Cluster"
GKE = "gcp:container/cluster:Cluster"
GKE_POOL = "gcp:container/nodePool:NodePool"
EVERYWHERE = frozenset({"0.0.0.0/0", "::/0"})


def _eks_endpoint(cluster: Resource, _: Settings) -> Iterator[str]:
    if may_be(at(cluster.properties, "vpcConfig.endpointPublicAccess"), False):
        return
    cidrs = at(cluster.properties, "vpcConfig.publicAccessCidrs")
    if is_unknown(cidrs):
        return
    open_to = EVERYWHERE.intersection(texts(cidrs))
    if open_to or not listed(cidrs):
        shown = ", ".join(sorted(open_to)) or "unset, which is 0.0.0.0/0"
        yield (
            f"vpcConfig.endpointPublicAccess is on and publicAccessCidrs is {shown}: name the networks that administer "
            "the cluster, or set endpointPublicAccess to false"
        )


EKS_ENDPOINT = ResourceRule(
    name="eks-endpoint-limited",
    description="The EKS API endpoint is private or open to named networks only.",
    severity=Severity.HIGH,
    source="CKV_AWS_38, CKV_AWS_39",
    types=frozenset({EKS}),
    check=_eks_endpoint,
    settings=Settings,
)


def _eks_secrets(cluster: Resource, _: Settings) -> Iterator[str]:
    encryption = at(cluster.properties, "encryptionConfig")
    if is_unknown(encryption):
        return
    resources = at(encryption, "resources")
    if not is_unknown(resources) and "secrets" not in texts(resources):
        yield 'encryptionConfig does not cover Kubernetes secrets: set {resources: ["secrets"], provider: {keyArn}}'
    elif at(encryption, "provider.keyArn") is None:
        yield "encryptionConfig.provider.keyArn is unset: name the KMS key that encrypts Kubernetes secrets"


EKS_SECRETS = ResourceRule(
    name="eks-secrets-encrypted",
    description="EKS encrypts Kubernetes secrets with a KMS key.",
    severity=Severity.HIGH,
    source="CKV_AWS_58",
    types=frozenset({EKS}),
    check=_eks_secrets,
    settings=Settings,
)


def _eks_logs(cluster: Resource, _: Settings) -> Iterator[str]:
    logs = cluster.properties.get("enabledClusterLogTypes")
    missing = {"audit", "authenticator"}.difference(texts(logs))
    if missing and not is_unknown(logs):
        yield f"enabledClusterLogTypes lacks {', '.join(sorted(missing))}: who did what is not recorded; add them"


EKS_AUDIT_LOGS = ResourceRule(
    name="eks-audit-logs",
    description="EKS records who did what.",
    severity=Severity.MEDIUM,
    source="CKV_AWS_37",
    types=frozenset({EKS}),
    check=_eks_logs,
    settings=Settings,
)


def _gke_private_nodes(resource: Resource, _: Settings) -> Iterator[str]:
    if resource.type == GKE:
        if not may_be(at(resource.properties, "privateClusterConfig.enablePrivateNodes"), True):
            yield "privateClusterConfig.enablePrivateNodes is not true: nodes get public addresses; set it"
    elif not may_be(at(resource.properties, "networkConfig.enablePrivateNodes"), True, None):
        yield "networkConfig.enablePrivateNodes is false: this pool's nodes get public addresses; leave it out or set it"


GKE_PRIVATE_NODES = ResourceRule(
    name="gke-private-nodes",
    description="GKE nodes have private addresses only.",
    severity=Severity.HIGH,
    source="CKV_GCP_25",
    types=frozenset({GKE, GKE_POOL}),
    check=_gke_private_nodes,
    settings=Settings,
)


def _gke_endpoint(cluster: Resource, _: Settings) -> Iterator[str]:
    private = at(cluster.properties, "privateClusterConfig.enablePrivateEndpoint")
    addresses = at(cluster.properties, "controlPlaneEndpointsConfig.ipEndpointsConfig.enabled")
    if may_be(private, True) or may_be(addresses, False):
        return
    networks = cluster.properties.get("masterAuthorizedNetworksConfig")
    if is_unknown(networks):
        return
    if networks is None:
        yield (
            "masterAuthorizedNetworksConfig is unset: the control plane answers everyone; name the networks, set "
            "privateClusterConfig.enablePrivateEndpoint, or leave only the DNS endpoint"
        )
    for block in mappings(at(networks, "cidrBlocks")):
        if block.get("cidrBlock") in EVERYWHERE:
            yield f"masterAuthorizedNetworksConfig admits {block['cidrBlock']}: name the networks that administer the cluster"


GKE_ENDPOINT = ResourceRule(
    name="gke-authorized-networks",
    description="The GKE control plane is private or open to named networks only.",
    severity=Severity.HIGH,
    source="CKV_GCP_18, CKV_GCP_20",
    types=frozenset({GKE}),
    check=_gke_endpoint,
    settings=Settings,
)


def _gke_secrets(cluster: Resource, _: Settings) -> Iterator[str]:
    if not may_be(at(cluster.properties, "databaseEncryption.state"), "ENCRYPTED"):
        yield "databaseEncryption.state is not ENCRYPTED: set it, with keyName of a Cloud KMS key"
    elif at(cluster.properties, "databaseEncryption.keyName") is None:
        yield "databaseEncryption.keyName is unset: name the Cloud KMS key that encrypts Kubernetes secrets"


GKE_SECRETS = ResourceRule(
    name="gke-secrets-encrypted",
    description="GKE encrypts Kubernetes secrets with a Cloud KMS key.",
    severity=Severity.HIGH,
    source="CIS GKE 5.3.1",
    types=frozenset({GKE}),
    check=_gke_secrets,
    settings=Settings,
)


def _gke_workload_identity(resource: Resource, _: Settings) -> Iterator[str]:
    if resource.type == GKE_POOL:
        if not may_be(at(resource.properties, "nodeConfig.workloadMetadataConfig.mode"), "GKE_METADATA"):
            yield (
                "nodeConfig.workloadMetadataConfig.mode is not GKE_METADATA: pods see the node's own credentials; set it"
            )
    elif not may_be(resource.properties.get("enableAutopilot"), True) and not at(
        resource.properties, "workloadIdentityConfig.workloadPool"
    ):
        yield "workloadIdentityConfig.workloadPool is unset: set it to <project>.svc.id.goog"


GKE_WORKLOAD_IDENTITY = ResourceRule(
    name="gke-workload-identity",
    description="Pods on GKE have identities of their own (Workload Identity).",
    severity=Severity.HIGH,
    source="CKV_GCP_69",
    types=frozenset({GKE, GKE_POOL}),
    check=_gke_workload_identity,
    settings=Settings,
)


_ADDON = "aws:eks/addon:Addon"
_ISSUER = "aws:iam/openIdConnectProvider:OpenIdConnectProvider"


def _eks_workload_identity(resources: Sequence[Resource], _: Settings) -> Iterator[Finding]:
    for cluster in resources:
        if cluster.type != EKS or may_be(at(cluster.properties, "computeConfig.enabled"), True):
            continue
        if not any(_gives_identity(other, cluster) for other in resources):
            yield Finding(
                "nothing gives its pods identities of their own: add the add-on eks-pod-identity-agent, or an IAM OpenID "
                "Connect provider for the cluster's issuer",
                cluster.urn,
            )


def _gives_identity(resource: Resource, cluster: Resource) -> bool:
    properties = resource.properties
    if resource.type == _ISSUER:
        return cluster.urn in resource.uses.get("url", ()) or "oidc.eks." in str(properties.get("url"))
    if resource.type != _ADDON or properties.get("addonName") != "eks-pod-identity-agent":
        return False
    named = properties.get("clusterName")
    return cluster.urn in resource.uses.get("clusterName", ()) or named == cluster.properties.get("name")


EKS_WORKLOAD_IDENTITY = StackRule(
    name="eks-workload-identity",
    description="Pods on EKS have identities of their own (Pod Identity or IRSA).",
    severity=Severity.HIGH,
    source="EKS best practices guide, Identity and access management",
    types=frozenset({EKS, _ADDON, _ISSUER}),
    check=_eks_workload_identity,
    settings=Settings,
)

RULES = (
    EKS_ENDPOINT,
    EKS_SECRETS,
    EKS_AUDIT_LOGS,
    EKS_WORKLOAD_IDENTITY,
    GKE_ENDPOINT,
    GKE_PRIVATE_NODES,
    GKE_SECRETS,
    GKE_WORKLOAD_IDENTITY,
)
