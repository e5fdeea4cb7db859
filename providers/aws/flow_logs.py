"""Who spoke with whom in the VPC, in CloudWatch Logs."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws

from providers.aws import iam
from providers.aws.place import Place

DAYS = 30


class FlowLogs(pulumi.ComponentResource):
    def __init__(self, name: str, place: Place, vpc: pulumi.Input[str], opts: pulumi.ResourceOptions) -> None:
        super().__init__("footplate:aws:FlowLogs", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        group_name = f"/footplate/{place.site.name}/flow-logs"
        group = aws.cloudwatch.LogGroup(name, name=group_name, retention_in_days=DAYS, opts=child)
        writes = iam.Permission(
            "WriteFlowLogs",
            "The flow logs service writes its records as this role.",
            ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
            [place.arn("logs", f"log-group:{group_name}"), place.arn("logs", f"log-group:{group_name}:log-stream:*")],
        )
        role = iam.role(
            name,
            place,
            iam.trust("vpc-flow-logs.amazonaws.com", place, source=place.arn("ec2", "vpc-flow-log/*")),
            [writes],
            child,
        )
        aws.ec2.FlowLog(
            name,
            vpc_id=vpc,
            traffic_type="ALL",
            log_destination_type="cloud-watch-logs",
            log_destination=group.arn,
            iam_role_arn=role.arn,
            opts=child,
        )
        self.register_outputs({})
