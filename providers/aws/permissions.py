"""What the cluster's controllers may do in the account. A row that could be narrower is a mistake.

Karpenter's rows: its getting-started CloudFormation template (v1.14). External-dns': its AWS tutorial. The load balancer
controller's: docs/install/iam_policy.json of v3, without what the platform does not use (WAF, Shield, Cognito, Global
Accelerator).
"""

from __future__ import annotations

from providers.aws.iam import Permission
from providers.aws.place import Place


def karpenter(place: Place, node_role: str, queue: str) -> list[Permission]:
    """`node_role`, `queue`: ARNs."""
    owned = f"kubernetes.io/cluster/{place.cluster}"
    made_for = {f"aws:RequestTag/{owned}": "owned", "aws:RequestTag/eks:eks-cluster-name": place.cluster}
    its_own = {f"aws:ResourceTag/{owned}": "owned"}
    regional = {"aws:RequestTag/topology.kubernetes.io/region": place.region}
    profile = place.arn("iam", "instance-profile/*", region=False)
    launched = [
        place.arn("ec2", f"{kind}/*", account=True)
        for kind in ("fleet", "instance", "volume", "network-interface", "launch-template", "spot-instances-request")
    ]
    used = [
        *(place.arn("ec2", f"{kind}/*", account=False) for kind in ("image", "snapshot")),
        *(
            place.arn("ec2", f"{kind}/*")
            for kind in ("security-group", "subnet", "capacity-reservation", "placement-group")
        ),
    ]
    return [
        Permission("UseOfParts", "A node is launched from these parts.", ["ec2:RunInstances", "ec2:CreateFleet"], used),
        Permission(
            "UseOfItsTemplates",
            "From launch templates that it made for this cluster.",
            ["ec2:RunInstances", "ec2:CreateFleet"],
            [place.arn("ec2", "launch-template/*")],
            {"StringEquals": its_own, "StringLike": {"aws:ResourceTag/karpenter.sh/nodepool": "*"}},
        ),
        Permission(
            "LaunchTagged",
            "What it launches carries the cluster's tags, by which the rows below know it.",
            ["ec2:RunInstances", "ec2:CreateFleet", "ec2:CreateLaunchTemplate"],
            launched,
            {"StringEquals": made_for, "StringLike": {"aws:RequestTag/karpenter.sh/nodepool": "*"}},
        ),
        Permission(
            "TagAtLaunch",
            "Those tags are set in the same call.",
            ["ec2:CreateTags"],
            launched,
            {
                "StringEquals": {
                    **made_for,
                    "ec2:CreateAction": ["RunInstances", "CreateFleet", "CreateLaunchTemplate"],
                },
                "StringLike": {"aws:RequestTag/karpenter.sh/nodepool": "*"},
            },
        ),
        Permission(
            "NameItsNodes",
            "A node that has joined gets its name as a tag.",
            ["ec2:CreateTags"],
            [place.arn("ec2", "instance/*")],
            {
                "StringEquals": its_own,
                "StringLike": {"aws:ResourceTag/karpenter.sh/nodepool": "*"},
                "ForAllValues:StringEquals": {
                    "aws:TagKeys": ["eks:eks-cluster-name", "karpenter.sh/nodeclaim", "Name"]
                },
            },
        ),
        Permission(
            "RemoveItsOwn",
            "Nodes that are empty or broken go, and templates with them.",
            ["ec2:TerminateInstances", "ec2:DeleteLaunchTemplate"],
            [place.arn("ec2", "instance/*"), place.arn("ec2", "launch-template/*")],
            {"StringEquals": its_own, "StringLike": {"aws:ResourceTag/karpenter.sh/nodepool": "*"}},
        ),
        Permission(
            "PassNodeRole",
            "Nodes run as the node role, and as no other.",
            ["iam:PassRole"],
            [node_role],
            {"StringEquals": {"iam:PassedToService": ["ec2.amazonaws.com"]}},
        ),
        Permission(
            "MakeProfiles",
            "A node class has an instance profile, made for this cluster.",
            ["iam:CreateInstanceProfile"],
            [profile],
            {
                "StringEquals": {**made_for, **regional},
                "StringLike": {"aws:RequestTag/karpenter.k8s.aws/ec2nodeclass": "*"},
            },
        ),
        Permission(
            "TagProfiles",
            "Its tags follow the node class.",
            ["iam:TagInstanceProfile"],
            [profile],
            {
                "StringEquals": {**its_own, **made_for, **regional},
                "StringLike": {"aws:ResourceTag/karpenter.k8s.aws/ec2nodeclass": "*"},
            },
        ),
        Permission(
            "ManageProfiles",
            "It goes with the node class.",
            ["iam:AddRoleToInstanceProfile", "iam:RemoveRoleFromInstanceProfile", "iam:DeleteInstanceProfile"],
            [profile],
            {
                "StringEquals": {**its_own, "aws:ResourceTag/topology.kubernetes.io/region": place.region},
                "StringLike": {"aws:ResourceTag/karpenter.k8s.aws/ec2nodeclass": "*"},
            },
        ),
        Permission("ReadProfiles", "To know whether it is there.", ["iam:GetInstanceProfile"], [profile]),
        Permission(
            "ListProfiles",
            "To remove those of node classes that have gone; has no resource.",
            ["iam:ListInstanceProfiles"],
            ["*"],
        ),
        Permission("FindCluster", "The endpoint that nodes join.", ["eks:DescribeCluster"], [place.cluster_arn]),
        Permission(
            "HearInterruptions",
            "Notices of spot interruptions and maintenance.",
            ["sqs:DeleteMessage", "sqs:GetQueueUrl", "sqs:ReceiveMessage"],
            [queue],
        ),
        Permission(
            "SeeWhatIsOffered",
            "Reads of EC2, which have no resource; of this region alone.",
            [
                f"ec2:Describe{what}"
                for what in (
                    "CapacityReservations",
                    "Images",
                    "Instances",
                    "InstanceStatus",
                    "InstanceTypeOfferings",
                    "InstanceTypes",
                    "LaunchTemplates",
                    "PlacementGroups",
                    "SecurityGroups",
                    "SpotPriceHistory",
                    "Subnets",
                )
            ],
            ["*"],
            {"StringEquals": {"aws:RequestedRegion": place.region}},
        ),
        Permission(
            "FindImages",
            "AWS publishes the ids of node images as parameters.",
            ["ssm:GetParameter"],
            [place.arn("ssm", "parameter/aws/service/*", account=False)],
        ),
        Permission("ReadPrices", "To prefer the cheaper; has no resource.", ["pricing:GetProducts"], ["*"]),
    ]


def external_dns(place: Place, zone: str) -> list[Permission]:
    """`zone`: its id. Of this zone alone."""
    return [
        Permission(
            "WriteRecords",
            "Names of Ingress objects become records.",
            ["route53:ChangeResourceRecordSets", "route53:ListResourceRecordSets", "route53:ListTagsForResources"],
            [f"arn:{place.partition}:route53:::hostedzone/{zone}"],
        ),
        Permission("FindZone", "To find the zone by its name; has no resource.", ["route53:ListHostedZones"], ["*"]),
    ]


def load_balancers(place: Place) -> list[Permission]:
    cluster = {"StringEquals": {"aws:ResourceTag/elbv2.k8s.aws/cluster": place.cluster}}
    requested = {"StringEquals": {"aws:RequestTag/elbv2.k8s.aws/cluster": place.cluster}}
    group = place.arn("ec2", "security-group/*")
    elb = [
        place.arn("elasticloadbalancing", f"{kind}/*")
        for kind in ("loadbalancer/app", "loadbalancer/net", "targetgroup")
    ]
    rules = [
        place.arn("elasticloadbalancing", f"{kind}/*")
        for kind in ("listener/app", "listener/net", "listener-rule/app", "listener-rule/net")
    ]
    return [
        Permission(
            "SeeNetwork",
            "Reads of EC2 that have no resource; of this region alone.",
            [
                f"ec2:Describe{what}"
                for what in (
                    "AccountAttributes",
                    "Addresses",
                    "AvailabilityZones",
                    "InternetGateways",
                    "Instances",
                    "NetworkInterfaces",
                    "RouteTables",
                    "SecurityGroups",
                    "SecurityGroupRules",
                    "Subnets",
                    "Tags",
                    "VpcPeeringConnections",
                    "Vpcs",
                )
            ],
            ["*"],
            {"StringEquals": {"aws:RequestedRegion": place.region}},
        ),
        Permission(
            "SeeLoadBalancers",
            "Reads of load balancers that have no resource.",
            [
                f"elasticloadbalancing:Describe{what}"
                for what in (
                    "ListenerAttributes",
                    "ListenerCertificates",
                    "Listeners",
                    "LoadBalancerAttributes",
                    "LoadBalancers",
                    "Rules",
                    "SSLPolicies",
                    "Tags",
                    "TargetGroupAttributes",
                    "TargetGroups",
                    "TargetHealth",
                    "TrustStores",
                )
            ],
            ["*"],
        ),
        Permission(
            "FindCertificates",
            "The certificate of a host name; has no resource.",
            ["acm:ListCertificates", "acm:DescribeCertificate"],
            ["*"],
        ),
        Permission(
            "MakeGroups",
            "A load balancer has a security group.",
            ["ec2:CreateSecurityGroup"],
            [group, place.arn("ec2", "vpc/*")],
        ),
        Permission(
            "TagGroups",
            "Tagged for this cluster as it is made.",
            ["ec2:CreateTags"],
            [group],
            {"StringEquals": {**requested["StringEquals"], "ec2:CreateAction": "CreateSecurityGroup"}},
        ),
        Permission(
            "RuleItsGroups",
            "Who reaches it: rules of groups that it made.",
            [
                "ec2:AuthorizeSecurityGroupIngress",
                "ec2:RevokeSecurityGroupIngress",
                "ec2:DeleteSecurityGroup",
                "ec2:CreateTags",
            ],
            [group],
            cluster,
        ),
        Permission(
            "RuleNodeGroup",
            "The nodes' group lets it in; that group is known by EKS' own tag.",
            ["ec2:AuthorizeSecurityGroupIngress", "ec2:RevokeSecurityGroupIngress"],
            [group],
            {"StringEquals": {"aws:ResourceTag/aws:eks:cluster-name": place.cluster}},
        ),
        Permission(
            "MakeBalancers",
            "Tagged for this cluster as they are made.",
            [
                "elasticloadbalancing:CreateLoadBalancer",
                "elasticloadbalancing:CreateTargetGroup",
                "elasticloadbalancing:AddTags",
            ],
            elb,
            requested,
        ),
        Permission(
            "MakeListeners",
            "Listeners and rules of load balancers of this cluster.",
            ["elasticloadbalancing:CreateListener", "elasticloadbalancing:CreateRule", "elasticloadbalancing:AddTags"],
            [*elb, *rules],
            cluster,
        ),
        Permission(
            "ManageBalancers",
            "What it made follows the Ingress objects, and goes with them.",
            [
                f"elasticloadbalancing:{what}"
                for what in (
                    "DeleteLoadBalancer",
                    "DeleteTargetGroup",
                    "DeregisterTargets",
                    "ModifyLoadBalancerAttributes",
                    "ModifyTargetGroup",
                    "ModifyTargetGroupAttributes",
                    "RegisterTargets",
                    "RemoveTags",
                    "SetIpAddressType",
                    "SetSecurityGroups",
                    "SetSubnets",
                )
            ],
            elb,
            cluster,
        ),
        Permission(
            "ManageListeners",
            "Likewise its listeners and rules.",
            [
                f"elasticloadbalancing:{what}"
                for what in (
                    "AddListenerCertificates",
                    "DeleteListener",
                    "DeleteRule",
                    "ModifyListener",
                    "ModifyListenerAttributes",
                    "ModifyRule",
                    "RemoveListenerCertificates",
                    "RemoveTags",
                    "SetRulePriorities",
                )
            ],
            rules,
            cluster,
        ),
        Permission(
            "ServiceRole",
            "The first load balancer of an account needs its service-linked role.",
            ["iam:CreateServiceLinkedRole"],
            [place.arn("iam", "role/aws-service-role/elasticloadbalancing.amazonaws.com/*", region=False)],
            {"StringEquals": {"iam:AWSServiceName": "elasticloadbalancing.amazonaws.com"}},
        ),
    ]
