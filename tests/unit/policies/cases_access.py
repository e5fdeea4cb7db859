"""Of the network, data and identities."""

from __future__ import annotations

from policies.values import UNKNOWN
from tests.unit.policies.inputs import (
    BLOCK,
    GCS,
    GKE,
    GROUP_RULE,
    INSTANCE,
    S3,
    TEMPLATE,
    Case,
    bound,
    statement,
)

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
