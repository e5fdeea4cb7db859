"""What training jobs on SageMaker need: a role a team to run as, and the stack's own network to run in."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from providers.aws import iam
from providers.aws.iam import Permission
from providers.aws.identity import store_permissions
from providers.aws.place import Place
from providers.contract import Grant, OffloadTarget, OffloadTargetSpec


class AwsOffload(pulumi.ComponentResource):
    def __init__(self, place: Place, asked: OffloadTargetSpec, opts: pulumi.ResourceOptions) -> None:
        super().__init__("footplate:aws:Offload", "offload", None, opts)
        child = pulumi.ResourceOptions(parent=self)
        group = aws.ec2.SecurityGroup(
            "offload",
            description="Training jobs on SageMaker",
            vpc_id=asked.network.id,
            tags={"Name": f"{place.site.name}-offload"},
            opts=child,
        )
        # The ranks of a job speak to each other, over EFA too.
        aws.vpc.SecurityGroupIngressRule(
            "offload", security_group_id=group.id, referenced_security_group_id=group.id, ip_protocol="-1", opts=child
        )
        aws.vpc.SecurityGroupEgressRule(
            "offload-ranks",
            security_group_id=group.id,
            referenced_security_group_id=group.id,
            ip_protocol="-1",
            opts=child,
        )
        aws.vpc.SecurityGroupEgressRule(
            "offload-services",
            security_group_id=group.id,
            cidr_ipv4=asked.network.cidr if asked.network.closed else "0.0.0.0/0",
            ip_protocol="tcp",
            from_port=443,
            to_port=443,
            opts=child,
        )
        roles = {team: self._role(team, place, asked, child) for team in asked.teams}
        self.result = OffloadTarget(
            service="sagemaker",
            identities={team: role.arn for team, role in roles.items()},
            network={
                "subnets": list(asked.network.subnets.values()),
                "securityGroups": [group.id],
                "enableNetworkIsolation": False,
                "encryptInterContainerTraffic": True,
                "maxRuntime": asked.asked.max_runtime,
            },
        )
        self.register_outputs({})

    def _role(self, team: str, place: Place, asked: OffloadTargetSpec, opts: pulumi.ResourceOptions) -> aws.iam.Role:
        identity = f"team-{team}"
        network_interface = place.arn("ec2", "network-interface/*")
        grants = [
            *store_permissions(place, [Grant(asked.store.team_uris[team])]),
            Permission(
                "Images",
                "The job's image is pulled from the stack's own repositories.",
                ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability"],
                [place.arn("ecr", f"repository/{place.site.name}/*")],
            ),
            Permission("ImageLogin", "A login to the registry has no resource.", ["ecr:GetAuthorizationToken"], ["*"]),
            Permission(
                "Logs",
                "SageMaker writes what the job prints.",
                ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams"],
                [place.arn("logs", "log-group:/aws/sagemaker/TrainingJobs*")],
            ),
            Permission(
                "Attach",
                "A job in the stack's network has interfaces there.",
                [
                    "ec2:CreateNetworkInterface",
                    "ec2:CreateNetworkInterfacePermission",
                    "ec2:DeleteNetworkInterface",
                    "ec2:DeleteNetworkInterfacePermission",
                ],
                [network_interface, place.arn("ec2", "subnet/*"), place.arn("ec2", "security-group/*")],
            ),
            Permission(
                "SeeNetwork",
                "Reads of EC2 that have no resource; of this region alone.",
                [
                    "ec2:DescribeDhcpOptions",
                    "ec2:DescribeNetworkInterfaces",
                    "ec2:DescribeSecurityGroups",
                    "ec2:DescribeSubnets",
                    "ec2:DescribeVpcs",
                ],
                ["*"],
                {"StringEquals": {"aws:RequestedRegion": place.region}},
            ),
        ]
        trusted = iam.trust(
            "sagemaker.amazonaws.com", place, source=place.arn("sagemaker", f"training-job/{identity}-*")
        )
        return iam.role(f"offload-{identity}", place, trusted, grants, opts)
