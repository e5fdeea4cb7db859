"""EKS Pod Identity: one role a team or part of the platform, for what was granted to it and no more."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from providers.aws import iam
from providers.aws.cluster import AwsCluster
from providers.aws.iam import Permission
from providers.aws.place import Place
from providers.contract import Grant, WorkloadIdentity, WorkloadIdentitySpec


class AwsIdentity(pulumi.ComponentResource):
    def __init__(
        self, place: Place, cluster: AwsCluster, asked: WorkloadIdentitySpec, opts: pulumi.ResourceOptions
    ) -> None:
        super().__init__("footplate:aws:WorkloadIdentity", asked.name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        grants = store_permissions(place, asked.grants)
        if asked.offload is not None:
            grants += _offload(place, asked)
        role = iam.role(asked.name, place, iam.pod_trust(place), grants, child)
        if asked.store.key is not None:
            _key_grant(asked.name, asked.store.key, role, child)
        for account in asked.service_accounts:
            aws.eks.PodIdentityAssociation(
                f"{asked.name}-{account}",
                cluster_name=cluster.eks.name,
                namespace=asked.namespace,
                service_account=account,
                role_arn=role.arn,
                opts=child,
            )
        self.result = WorkloadIdentity(id=role.arn)
        self.register_outputs({"role": role.arn})


def store_permissions(place: Place, grants: Sequence[Grant]) -> list[Permission]:
    found: list[Permission] = []
    for index, grant in enumerate(grants):
        bucket, _, prefix = grant.uri.removeprefix("s3://").partition("/")
        arn = f"arn:{place.partition}:s3:::{bucket}"
        within = {"StringLike": {"s3:prefix": [f"{prefix}/*", prefix]}} if prefix else {}
        writes = ["s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
        found += [
            Permission(
                f"List{index}",
                "Datasets and checkpoints are listed; of this bucket or prefix alone.",
                ["s3:ListBucket", "s3:GetBucketLocation", "s3:ListBucketMultipartUploads"],
                [arn],
                within,
            ),
            Permission(
                f"Objects{index}",
                "Objects are read, and written where the grant says so.",
                ["s3:GetObject", *(writes if grant.access == "read-write" else [])],
                [f"{arn}/{prefix}/*" if prefix else f"{arn}/*"],
            ),
        ]
    return found


def _key_grant(name: str, key: pulumi.Input[str], role: aws.iam.Role, opts: pulumi.ResourceOptions) -> None:
    """The key's ARN is known only once it is made, so it has a document of its own."""

    def written(arn: str) -> str:
        row = Permission(
            "ObjectsKey",
            "Objects are encrypted with the stack's key; through S3 alone it is of use.",
            ["kms:Decrypt", "kms:GenerateDataKey"],
            [arn],
            {"StringLike": {"kms:ViaService": "s3.*.amazonaws.com"}},
        )
        return iam.document([row])

    document = pulumi.Output.from_input(key).apply(written)
    aws.iam.RolePolicy(f"{name}-key", name="key", role=role.name, policy=document, opts=opts)


def _offload(place: Place, asked: WorkloadIdentitySpec) -> list[Permission]:
    """Jobs on SageMaker, of the team's name alone."""
    job = place.arn("sagemaker", f"training-job/{asked.name}-*")
    return [
        Permission(
            "OffloadJobs",
            "The team's jobs run on SageMaker when the cluster is full; they are known by their names.",
            [
                "sagemaker:CreateTrainingJob",
                "sagemaker:DescribeTrainingJob",
                "sagemaker:StopTrainingJob",
                "sagemaker:AddTags",
            ],
            [job],
        ),
        Permission(
            "PassJobRole",
            "Such a job runs as the team's job role.",
            ["iam:PassRole"],
            [place.role_arn(f"{place.site.name}-offload-{asked.name}")],
            {"StringEquals": {"iam:PassedToService": "sagemaker.amazonaws.com"}},
        ),
        Permission(
            "ReadJobLogs",
            "What an offloaded job prints is shown like any other job's.",
            ["logs:GetLogEvents", "logs:DescribeLogStreams"],
            [
                place.arn("logs", "log-group:/aws/sagemaker/TrainingJobs"),
                place.arn("logs", f"log-group:/aws/sagemaker/TrainingJobs:log-stream:{asked.name}-*"),
            ],
        ),
    ]
