"""What each rule passes and what it finds, as plain inputs of resources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from policies.rule import Resource, Settings
from policies.rules.gpus import Types
from policies.values import UNKNOWN

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

GROUP_RULE = {"fromPort": 22, "toPort": 22, "protocol": "tcp"}
NETWORK = (
    Case(
        "no-open-ingress",
        "aws:ec2/securityGroup:SecurityGroup",
        right=[
            {"ingress": [{"fromPort": 443, "toPort": 443, "protocol": "tcp", "cidrBlocks": ["0.0.0.0/0"]}]},
            {"ingress": [{**GROUP_RULE, "cidrBlocks": ["10.0.0.0/8"]}]},
            {"ingress": [{**GROUP_RULE, "self": True}]},
        ],
        wrong=[
            ({"ingress": [{**GROUP_RULE, "cidrBlocks": ["0.0.0.0/0"]}]}, "ingress[0] opens ports 22 to 0.0.0.0/0"),
            ({"ingress": [{"fromPort": 0, "toPort": 0, "protocol": "-1", "ipv6CidrBlocks": ["::/0"]}]}, "0-65535"),
        ],
    ),
    Case(
        "no-open-ingress",
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        right=[{"ipProtocol": "tcp", "fromPort": 22, "toPort": 22, "cidrIpv4": "10.0.0.0/8"}],
        wrong=[({"ipProtocol": "tcp", "fromPort": 22, "toPort": 30, "cidrIpv4": "0.0.0.0/0"}, "ports 22-30")],
    ),
    Case(
        "no-open-ingress",
        "aws:ec2/securityGroupRule:SecurityGroupRule",
        right=[{"type": "egress", "fromPort": 0, "toPort": 0, "protocol": "-1", "cidrBlocks": ["0.0.0.0/0"]}],
        wrong=[({"type": "ingress", **GROUP_RULE, "cidrBlocks": ["0.0.0.0/0"]}, "opens ports 22")],
    ),
    Case(
        "no-open-ingress",
        "gcp:compute/firewall:Firewall",
        right=[
            {"allows": [{"protocol": "tcp", "ports": ["443"]}], "sourceRanges": ["0.0.0.0/0"]},
            {"allows": [{"protocol": "all"}], "sourceRanges": ["10.0.0.0/8"]},
            {"allows": [{"protocol": "all"}], "direction": "EGRESS", "destinationRanges": ["0.0.0.0/0"]},
        ],
        wrong=[({"allows": [{"protocol": "tcp", "ports": ["22", "80"]}], "sourceRanges": ["0.0.0.0/0"]}, "ports 22")],
    ),
)

BLOCK = {"blockPublicAcls": True, "blockPublicPolicy": True, "ignorePublicAcls": True, "restrictPublicBuckets": True}
STORAGE = (
    Case(
        "bucket-public-access-blocked",
        "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock",
        right=[BLOCK],
        wrong=[({**BLOCK, "ignorePublicAcls": False}, "ignorePublicAcls is not true")],
    ),
    Case("bucket-public-access-blocked", S3, right=[{}], wrong=[({"acl": "public-read"}, "acl is public-read")]),
    Case(
        "bucket-public-access-blocked",
        GCS,
        right=[{"location": "EU", "publicAccessPrevention": "enforced", "uniformBucketLevelAccess": True}],
        wrong=[
            ({"location": "EU", "uniformBucketLevelAccess": True}, "publicAccessPrevention"),
            ({"location": "EU", "publicAccessPrevention": "enforced"}, "uniformBucketLevelAccess"),
        ],
    ),
    Case(
        "bucket-public-access-blocked",
        "gcp:storage/bucketIAMMember:BucketIAMMember",
        right=[{"member": "group:ml@example.com", "role": "roles/storage.objectViewer"}],
        wrong=[({"member": "allUsers", "role": "roles/storage.objectViewer"}, "granted to allUsers")],
    ),
    Case(
        "bucket-public-access-blocked",
        "aws:s3/bucketPolicy:BucketPolicy",
        right=[
            {"policy": '{"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:*"}]}'},
            {"policy": '{"Statement": [{"Effect": "Allow", "Principal": {"AWS": "arn:a"}, "Action": "s3:GetObject"}]}'},
        ],
        wrong=[
            (
                {
                    "policy": '{"Statement": [{"Effect": "Allow", "Principal": {"AWS": ["*"]}, "Action": "s3:GetObject"}]}'
                },
                "policy admits everyone",
            )
        ],
    ),
    Case(
        "data-protected",
        GCS,
        right=[{"location": "EU"}],
        wrong=[({"location": "EU", "forceDestroy": True}, "deleted with all that is in it")],
    ),
    Case(
        "data-protected",
        "gcp:filestore/instance:Instance",
        right=[{"deletionProtectionEnabled": True}],
        wrong=[({}, "set deletionProtectionEnabled to true")],
        protect=False,
    ),
    Case("data-protected", S3, right=[], wrong=[({}, "protect=True")], protect=False),
    Case("data-protected", GKE, right=[{}], wrong=[({"deletionProtection": False}, "protect=True")], protect=False),
    Case(
        "disks-encrypted",
        "aws:efs/fileSystem:FileSystem",
        right=[{"encrypted": True}],
        wrong=[({}, "encrypted is not true")],
    ),
    Case(
        "disks-encrypted",
        TEMPLATE,
        right=[{"blockDeviceMappings": [{"deviceName": "/dev/xvda", "ebs": {"encrypted": "true"}}]}],
        wrong=[({"blockDeviceMappings": [{"deviceName": "/dev/xvda", "ebs": {"volumeSize": 100}}]}, "[0].ebs")],
    ),
    Case(
        "disks-encrypted",
        INSTANCE,
        right=[{"rootBlockDevice": {"encrypted": True}}],
        wrong=[({}, "rootBlockDevice.encrypted")],
    ),
    Case(
        "disks-encrypted",
        "kubernetes:storage.k8s.io/v1:StorageClass",
        right=[
            {"provisioner": "ebs.csi.aws.com", "parameters": {"encrypted": "true"}},
            {"provisioner": "pd.csi.storage.gke.io"},
        ],
        wrong=[({"provisioner": "ebs.csi.aws.com", "parameters": {"type": "gp3"}}, "parameters.encrypted")],
    ),
)

IDENTITY = (
    Case(
        "iam-no-wildcards",
        "aws:iam/policy:Policy",
        right=[
            statement(Action=["ec2:DescribeInstances"], Resource="*"),
            statement(Action="s3:*", Resource="arn:aws:s3:::data/*"),
            {"policy": '{"Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}'},
            {"policy": UNKNOWN},
        ],
        wrong=[
            (statement(Action="*", Resource="*"), "allows * on every resource"),
            (statement(Action=["s3:GetObject", "s3:*"], Resource=["*"]), "allows s3:*"),
            (statement(NotAction="iam:*", Resource="*"), "NotAction"),
            ({"policy": '{"Statement": [{"Effect": "Allow", "Action": ["*"], "Resource": "arn:a"}]}'}, "allows *"),
        ],
    ),
    Case(
        "iam-no-wildcards",
        "aws:iam/role:Role",
        right=[{"assumeRolePolicy": '{"Statement":[{"Effect":"Allow","Principal":{"Service":"eks.amazonaws.com"}}]}'}],
        wrong=[
            ({"assumeRolePolicy": '{"Statement":[{"Effect":"Allow","Principal":{"AWS":"*"}}]}'}, "trusts everyone"),
            (
                {"inlinePolicies": [{"name": "all", "policy": '{"Statement":[{"Effect":"Allow","Action":"*"}]}'}]},
                "inlinePolicies[0].policy",
            ),
        ],
    ),
    Case(
        "iam-no-broad-roles",
        "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        right=[{"role": "n", "policyArn": "arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy"}, {"policyArn": UNKNOWN}],
        wrong=[
            ({"role": "n", "policyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}, "AdministratorAccess"),
            ({"role": "n", "policyArn": "arn:aws:iam::aws:policy/AmazonS3FullAccess"}, "AmazonS3FullAccess"),
        ],
    ),
    Case(
        "iam-no-broad-roles",
        "gcp:projects/iAMMember:IAMMember",
        right=[{"project": "p", "role": "roles/container.defaultNodeServiceAccount", "member": UNKNOWN}],
        wrong=[
            ({"project": "p", "role": "roles/editor", "member": UNKNOWN}, "roles/editor"),
            ({"project": "p", "role": "roles/container.admin", "member": UNKNOWN}, "roles/container.admin"),
        ],
    ),
    Case(
        "rbac-no-wildcards",
        "kubernetes:rbac.authorization.k8s.io/v1:ClusterRole",
        right=[{"rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["*"]}]}],
        wrong=[({"rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]}, "rules[0]")],
    ),
    Case(
        "rbac-no-wildcards",
        "kubernetes:rbac.authorization.k8s.io/v1:ClusterRoleBinding",
        right=[bound("view", "ServiceAccount", "operator"), bound("cluster-admin", "Group", "platform@example.com")],
        wrong=[
            (bound("cluster-admin", "ServiceAccount", "operator"), "cluster-admin for operator"),
            (bound("cluster-admin", "Group", "system:authenticated"), "system:authenticated"),
        ],
    ),
    Case(
        "no-static-keys",
        "aws:iam/accessKey:AccessKey",
        right=[],
        wrong=[({"user": "ci"}, "a key that does not expire")],
    ),
    Case(
        "no-static-keys",
        "gcp:serviceaccount/key:Key",
        right=[],
        wrong=[({"serviceAccountId": UNKNOWN}, "Workload Identity")],
    ),
    Case(
        "no-static-keys",
        "kubernetes:core/v1:Secret",
        right=[{"stringData": {"token": "x", "config": "{"}}, {"data": {"token": "eA=="}}, {"stringData": UNKNOWN}],
        wrong=[
            ({"stringData": {"AWS_SECRET_ACCESS_KEY": "x"}}, "stringData.AWS_SECRET_ACCESS_KEY"),
            ({"stringData": {"key.json": '{"type": "service_account", "private_key": "k"}'}}, "stringData.key.json"),
            (
                {"data": {"key.json": "eyJ0eXBlIjogInNlcnZpY2VfYWNjb3VudCIsICJwcml2YXRlX2tleSI6ICJrIn0="}},
                "data.key.json",
            ),
        ],
    ),
)

LIMITED = {"name": "main", "resources": {"limits": {"nvidia.com/gpu": "1"}}}
KUBERNETES = (
    Case(
        "image-allowlist",
        DEPLOYMENT,
        right=[image("1234.dkr.ecr.us-east-1.amazonaws.com/train:1"), image("registry.k8s.io/kueue/kueue:v0.14.0")],
        wrong=[
            (image("python:3.12"), "python:3.12"),
            (image("evil.example.com/train:1"), "no registry that is allowed"),
        ],
    ),
    Case(
        "image-no-latest",
        DEPLOYMENT,
        right=[image("ghcr.io/a/b:1"), image("ghcr.io/a/b" + DIGEST), image("registry:5000/a:1"), image(UNKNOWN)],
        wrong=[(image("ghcr.io/a/b"), "name a version"), (image("registry:5000/a:latest"), "name a version")],
    ),
    Case(
        "image-digest-pinned",
        "kubernetes:footplate.dev/v1alpha1:Environment",
        right=[{"spec": {"image": "ghcr.io/a/b:1" + DIGEST}}],
        wrong=[({"spec": {"image": "ghcr.io/a/b:1"}}, "spec.image is ghcr.io/a/b:1")],
    ),
    Case(
        "pod-security-restricted",
        NAMESPACE,
        right=[
            {"metadata": {"name": "a", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}},
            {"metadata": {"name": "kube-system", "labels": {"pod-security.kubernetes.io/enforce": "privileged"}}},
        ],
        wrong=[
            ({"metadata": {"name": "a"}}, "unset: set it to restricted"),
            ({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "baseline"}}}, "is baseline"),
            ({"metadata": {"name": "monitoring"}}, "set it to privileged"),
        ],
    ),
    Case(
        "gpu-limit-set",
        DEPLOYMENT,
        right=[
            pod(nodeSelector={"kubernetes.io/os": "linux"}),
            pod(nodeSelector={"footplate.dev/gpu-type": "H100"}, containers=[LIMITED]),
            pod(tolerations=[{"operator": "Exists"}]),
        ],
        wrong=[
            (pod(nodeSelector={"cloud.google.com/gke-accelerator": "nvidia-l4"}), "no container has a limit"),
            (pod(tolerations=[{"key": "nvidia.com/gpu", "operator": "Exists"}]), "tolerations[0]"),
            (
                pod(containers=[{"name": "main", "resources": {"requests": {"nvidia.com/gpu": 2}}}]),
                "requests 2 of nvidia.com/gpu and has no equal limit",
            ),
        ],
    ),
)

LABELLED = {"environment": "dev", "owner": "platform"}
COST = (
    Case(
        "cost-labels",
        "aws:eks/nodeGroup:NodeGroup",
        right=[{"tags": LABELLED}, {"tags": UNKNOWN}],
        wrong=[({"tags": {"environment": "dev"}}, "tags.owner is unset"), ({}, "tags.environment is unset")],
    ),
    Case(
        "cost-labels",
        GKE_POOL,
        right=[{"nodeConfig": {"resourceLabels": LABELLED}}],
        wrong=[({"nodeConfig": {"labels": LABELLED}}, "nodeConfig.resourceLabels.owner")],
    ),
    Case(
        "launch-template-tags",
        TEMPLATE,
        right=[
            {
                "tagSpecifications": [
                    {"resourceType": "instance", "tags": LABELLED},
                    {"resourceType": "volume", "tags": LABELLED},
                ]
            }
        ],
        wrong=[({"tagSpecifications": [{"resourceType": "instance", "tags": LABELLED}]}, "resourceType volume")],
    ),
)

OFFLOAD = (
    Case(
        "offload-private",
        "aws:sagemaker/domain:Domain",
        right=[{"appNetworkAccessType": "VpcOnly"}],
        wrong=[({}, "appNetworkAccessType")],
    ),
    Case(
        "offload-private",
        "aws:sagemaker/notebookInstance:NotebookInstance",
        right=[{"directInternetAccess": "Disabled"}],
        wrong=[({}, "directInternetAccess")],
    ),
    Case(
        "offload-private",
        "aws:sagemaker/trainingJob:TrainingJob",
        right=[{"vpcConfig": {"subnets": ["s"], "securityGroupIds": ["g"]}}],
        wrong=[({}, "vpcConfig is unset")],
    ),
    Case(
        "offload-private",
        "gcp:vertex/aiPersistentResource:AiPersistentResource",
        right=[{"network": "projects/1/global/networks/n"}, {"pscInterfaceConfig": {"networkAttachment": UNKNOWN}}],
        wrong=[({}, "name the platform's network")],
    ),
    Case(
        "offload-private",
        "gcp:vertex/aiEndpoint:AiEndpoint",
        right=[{"privateServiceConnectConfig": {"enablePrivateServiceConnect": True}}],
        wrong=[({}, "the endpoint is public")],
    ),
    Case(
        "offload-private",
        "gcp:workbench/instance:Instance",
        right=[{"gceSetup": {"disablePublicIp": True}}],
        wrong=[({"gceSetup": {}}, "disablePublicIp")],
    ),
    Case(
        "offload-private",
        "gcp:colab/runtimeTemplate:RuntimeTemplate",
        right=[{"networkSpec": {"enableInternetAccess": False}}],
        wrong=[({}, "enableInternetAccess")],
    ),
    Case(
        "offload-deadline",
        "aws:sagemaker/trainingJob:TrainingJob",
        right=[{"stoppingCondition": {"maxRuntimeInSeconds": 3600}}],
        wrong=[({}, "maxRuntimeInSeconds is unset")],
    ),
)

CHEAP = Types(allowed=("T4", "L4"))
GPUS = (
    Case(
        "gpu-types",
        "aws:eks/nodeGroup:NodeGroup",
        right=[{"instanceTypes": ["g6.xlarge", "m7i.large"]}, {"instanceTypes": UNKNOWN}],
        wrong=[
            ({"instanceTypes": ["g6.xlarge", "p5.48xlarge"]}, "instanceTypes p5.48xlarge has the GPU H100"),
            ({"instanceTypes": ["p9.48xlarge"]}, "has the GPU p9.48xlarge"),
        ],
        settings=CHEAP,
    ),
    Case(
        "gpu-types",
        TEMPLATE,
        right=[{"instanceType": "g4dn.xlarge"}],
        wrong=[({"instanceType": "p4d.24xlarge"}, "A100-40GB: this environment allows T4, L4")],
        settings=CHEAP,
    ),
    Case(
        "gpu-types",
        GKE_POOL,
        right=[
            {
                "nodeConfig": {
                    "machineType": "n1-standard-8",
                    "guestAccelerators": [{"type": "nvidia-tesla-t4", "count": 1}],
                }
            },
            {"nodeConfig": {"machineType": "e2-standard-4"}},
        ],
        wrong=[
            ({"nodeConfig": {"machineType": "a3-highgpu-8g"}}, "nodeConfig.machineType a3-highgpu-8g has the GPU H100"),
            (
                {"nodeConfig": {"guestAccelerators": [{"type": "nvidia-tesla-v100", "count": 1}]}},
                "nodeConfig.guestAccelerators.type nvidia-tesla-v100",
            ),
        ],
        settings=CHEAP,
    ),
    Case(
        "gpu-types",
        GKE,
        right=[{"clusterAutoscaling": {"resourceLimits": [{"resourceType": "nvidia-l4", "maximum": 8}]}}],
        wrong=[
            (
                {"clusterAutoscaling": {"resourceLimits": [{"resourceType": "cpu"}, {"resourceType": "nvidia-b200"}]}},
                "B200",
            )
        ],
        settings=CHEAP,
    ),
    Case(
        "gpu-types",
        "aws:sagemaker/trainingJob:TrainingJob",
        right=[{"resourceConfig": {"instanceType": "ml.g6.xlarge"}}],
        wrong=[({"resourceConfig": {"instanceType": "ml.p5.48xlarge"}}, "H100")],
        settings=CHEAP,
    ),
    Case(
        "gpu-types",
        "gcp:vertex/aiPersistentResource:AiPersistentResource",
        right=[{"resourcePools": [{"machineSpec": {"machineType": "g2-standard-4", "acceleratorType": "NVIDIA_L4"}}]}],
        wrong=[({"resourcePools": [{"machineSpec": {"acceleratorType": "NVIDIA_H100_80GB"}}]}, "H100")],
        settings=CHEAP,
    ),
    Case(
        "gpu-types",
        "kubernetes:cloud.google.com/v1:ComputeClass",
        right=[{"spec": {"priorities": [{"nodepools": ["l4"]}, {"gpu": {"type": "nvidia-l4", "count": 1}}]}}],
        wrong=[
            ({"spec": {"priorities": [{"machineType": "a3-highgpu-8g"}]}}, "spec.priorities.machineType a3-highgpu-8g")
        ],
        settings=CHEAP,
    ),
    Case(
        "gpu-types",
        "kubernetes:footplate.dev/v1alpha1:TrainingJob",
        right=[{"spec": {"resources": {"gpu": {"count": 1, "type": "L4"}}}}],
        wrong=[({"spec": {"resources": {"gpu": {"count": 8, "type": "H100"}}}}, "spec.resources.gpu.type H100")],
        settings=CHEAP,
    ),
    Case(
        "gpu-types",
        KARPENTER,
        right=[karpenter(["g6.xlarge"]), karpenter(["m7i.large"])],
        wrong=[(karpenter(["g6.xlarge", "p5.48xlarge"]), "requirements admits H100")],
        settings=CHEAP,
    ),
    Case(
        "reservation-end-date",
        "aws:ec2/capacityReservation:CapacityReservation",
        right=[{"instanceType": "p5.48xlarge", "endDateType": "limited", "endDate": "2027-01-31T00:00:00Z"}],
        wrong=[({"instanceType": "p5.48xlarge"}, "until somebody cancels it"), ({"endDateType": "limited"}, "endDate")],
    ),
    Case(
        "reservation-end-date",
        "gcp:compute/reservation:Reservation",
        right=[{"deleteAtTime": "2027-01-31T00:00:00Z"}, {"deleteAfterDuration": {"seconds": "86400"}}],
        wrong=[({"specificReservation": {"count": 2}}, "deleteAtTime or deleteAfterDuration")],
    ),
    Case(
        "reservation-end-date",
        "gcp:compute/futureReservation:FutureReservation",
        right=[{"autoDeleteAutoCreatedReservations": True}],
        wrong=[({}, "autoCreatedReservationsDeleteTime")],
    ),
    Case(
        "idle-timeout",
        "kubernetes:footplate.dev/v1alpha1:Workspace",
        right=[{"spec": {"idle": {"timeout": "2h"}}}, {"spec": {"desiredState": "Stopped"}}],
        wrong=[({"spec": {"environment": "pytorch"}}, "spec.idle.timeout is unset")],
    ),
    Case(
        "idle-timeout",
        "aws:sagemaker/domain:Domain",
        right=[domain({"idleSettings": {"lifecycleManagement": "ENABLED", "idleTimeoutInMinutes": 60}})],
        wrong=[({"defaultUserSettings": {"executionRole": "r"}}, "is not ENABLED"), (domain({}), "is not ENABLED")],
    ),
    Case(
        "idle-timeout",
        "gcp:workbench/instance:Instance",
        right=[{"gceSetup": {"metadata": {"idle-timeout-seconds": "3600"}}}],
        wrong=[({"gceSetup": {"metadata": {}}}, "idle-timeout-seconds")],
    ),
    Case(
        "idle-timeout",
        "gcp:colab/runtimeTemplate:RuntimeTemplate",
        right=[{}, {"idleShutdownConfig": {"idleTimeout": "3600s"}}],
        wrong=[({"idleShutdownConfig": {"idleTimeout": "0s"}}, "never stop by themselves")],
    ),
)

CASES = (*GPUS, *CLUSTERS, *NODES, *NETWORK, *STORAGE, *IDENTITY, *KUBERNETES, *COST, *OFFLOAD)
