"""Of clusters and nodes."""

from __future__ import annotations

from policies.values import UNKNOWN
from tests.unit.policies.inputs import (
    EKS,
    GKE,
    GKE_POOL,
    INSTANCE,
    NODE_CLASS,
    TEMPLATE,
    VM,
    Case,
    vpc,
)

CLUSTERS = (
    Case(
        "eks-endpoint-limited",
        EKS,
        right=[
            vpc(endpointPublicAccess=False, endpointPrivateAccess=True),
            vpc(endpointPublicAccess=True, publicAccessCidrs=["198.51.100.0/24"]),
            vpc(endpointPublicAccess=True, publicAccessCidrs=UNKNOWN),
            {"vpcConfig": UNKNOWN},
        ],
        wrong=[
            (vpc(), "unset, which is 0.0.0.0/0"),
            (vpc(endpointPublicAccess=True, publicAccessCidrs=["10.0.0.0/8", "0.0.0.0/0"]), "is 0.0.0.0/0"),
        ],
    ),
    Case(
        "eks-secrets-encrypted",
        EKS,
        right=[{"encryptionConfig": {"resources": ["secrets"], "provider": {"keyArn": UNKNOWN}}}],
        wrong=[({}, "does not cover"), ({"encryptionConfig": {"resources": ["secrets"]}}, "keyArn is unset")],
    ),
    Case(
        "eks-audit-logs",
        EKS,
        right=[{"enabledClusterLogTypes": ["api", "audit", "authenticator"]}],
        wrong=[({}, "lacks audit, authenticator"), ({"enabledClusterLogTypes": ["audit"]}, "lacks authenticator")],
    ),
    Case(
        "gke-authorized-networks",
        GKE,
        right=[
            {"privateClusterConfig": {"enablePrivateEndpoint": True}},
            {"controlPlaneEndpointsConfig": {"ipEndpointsConfig": {"enabled": False}}},
            {"masterAuthorizedNetworksConfig": {"cidrBlocks": [{"cidrBlock": "198.51.100.0/24"}]}},
        ],
        wrong=[
            ({}, "answers everyone"),
            ({"masterAuthorizedNetworksConfig": {"cidrBlocks": [{"cidrBlock": "0.0.0.0/0"}]}}, "admits 0.0.0.0/0"),
        ],
    ),
    Case(
        "gke-private-nodes",
        GKE,
        right=[{"privateClusterConfig": {"enablePrivateNodes": True}}],
        wrong=[({}, "enablePrivateNodes is not true")],
    ),
    Case(
        "gke-private-nodes",
        GKE_POOL,
        right=[{}, {"networkConfig": {"enablePrivateNodes": True}}],
        wrong=[({"networkConfig": {"enablePrivateNodes": False}}, "this pool's nodes")],
    ),
    Case(
        "gke-secrets-encrypted",
        GKE,
        right=[{"databaseEncryption": {"state": "ENCRYPTED", "keyName": UNKNOWN}}],
        wrong=[({}, "not ENCRYPTED"), ({"databaseEncryption": {"state": "ENCRYPTED"}}, "keyName is unset")],
    ),
    Case(
        "gke-workload-identity",
        GKE,
        right=[{"workloadIdentityConfig": {"workloadPool": "acme.svc.id.goog"}}, {"enableAutopilot": True}],
        wrong=[({}, "workloadPool is unset")],
    ),
    Case(
        "gke-workload-identity",
        GKE_POOL,
        right=[{"nodeConfig": {"workloadMetadataConfig": {"mode": "GKE_METADATA"}}}],
        wrong=[({"nodeConfig": {}}, "see the node's own credentials")],
    ),
)

NODES = (
    Case(
        "imdsv2",
        TEMPLATE,
        right=[
            {"metadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": 1}},
            {"metadataOptions": {"httpEndpoint": "disabled"}},
        ],
        wrong=[
            ({}, "httpTokens is unset"),
            ({"metadataOptions": {"httpTokens": "required", "httpPutResponseHopLimit": 2}}, "HopLimit is 2"),
        ],
    ),
    Case(
        "imdsv2",
        NODE_CLASS,
        right=[{"spec": {"amiFamily": "AL2023"}}],
        wrong=[({"spec": {"metadataOptions": {"httpTokens": "optional"}}}, "httpTokens is optional")],
    ),
    Case(
        "imdsv2",
        "aws:sagemaker/notebookInstance:NotebookInstance",
        right=[{"instanceMetadataServiceConfiguration": {"minimumInstanceMetadataServiceVersion": "2"}}],
        wrong=[({}, "MetadataServiceVersion")],
    ),
    Case(
        "no-public-node-ips",
        TEMPLATE,
        right=[{"networkInterfaces": [{"associatePublicIpAddress": "false", "interfaceType": "efa"}]}],
        wrong=[({"networkInterfaces": [{}, {"associatePublicIpAddress": "true"}]}, "networkInterfaces[1]")],
    ),
    Case(
        "no-public-node-ips",
        INSTANCE,
        right=[{"associatePublicIpAddress": False}],
        wrong=[({"associatePublicIpAddress": True}, "reach out through NAT")],
    ),
    Case(
        "no-public-node-ips",
        "aws:ec2/subnet:Subnet",
        right=[{"vpcId": "vpc-1", "cidrBlock": "10.0.0.0/20"}],
        wrong=[({"vpcId": "vpc-1", "mapPublicIpOnLaunch": True}, "mapPublicIpOnLaunch")],
    ),
    Case(
        "no-public-node-ips",
        NODE_CLASS,
        right=[{"spec": {"associatePublicIPAddress": False}}],
        wrong=[({"spec": {"associatePublicIPAddress": True}}, "associatePublicIPAddress is true")],
    ),
    Case(
        "no-public-node-ips",
        VM,
        right=[{"networkInterfaces": [{"subnetwork": "nodes"}]}],
        wrong=[({"networkInterfaces": [{"subnetwork": "nodes", "accessConfigs": [{}]}]}, "use Cloud NAT")],
    ),
    Case(
        "shielded-nodes",
        GKE_POOL,
        right=[{}, {"nodeConfig": {"shieldedInstanceConfig": {"enableIntegrityMonitoring": True}}}],
        wrong=[
            ({"nodeConfig": {"shieldedInstanceConfig": {"enableIntegrityMonitoring": False}}}, "IntegrityMonitoring")
        ],
    ),
    Case(
        "shielded-nodes",
        GKE,
        right=[{}],
        wrong=[({"enableShieldedNodes": False}, "enableShieldedNodes is false")],
    ),
    Case(
        "no-default-service-account",
        GKE_POOL,
        right=[{"nodeConfig": {"serviceAccount": UNKNOWN}}],
        wrong=[
            ({"nodeConfig": {}}, "nodeConfig.serviceAccount is unset"),
            ({"nodeConfig": {"serviceAccount": "1-compute@developer.gserviceaccount.com"}}, "whole project"),
        ],
    ),
    Case(
        "no-default-service-account",
        GKE,
        right=[{"removeDefaultNodePool": True}],
        wrong=[
            (
                {"removeDefaultNodePool": True, "clusterAutoscaling": {"enabled": True}},
                "autoProvisioningDefaults.serviceAccount is unset",
            )
        ],
    ),
)
