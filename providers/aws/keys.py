"""Keys of the stack's own in KMS: one for the cluster's secrets, one for data."""

from __future__ import annotations

import json

import pulumi
import pulumi_aws as aws

from providers.aws.place import Place


def key(
    name: str, place: Place, what: str, opts: pulumi.ResourceOptions, services: dict[str, str] | None = None
) -> aws.kms.Key:
    """`services`: principals of AWS's services that encrypt with it, each with the ARN pattern that they do it for."""
    statements: list[dict[str, object]] = [
        {
            "Sid": "AccountDecidesByIam",
            "Effect": "Allow",
            "Principal": {"AWS": place.arn("iam", "root", region=False)},
            "Action": "kms:*",
            "Resource": "*",
        }
    ]
    for service, pattern in (services or {}).items():
        statements.append(
            {
                "Sid": "".join(part.title() for part in service.split(".")[0].split("-")),
                "Effect": "Allow",
                "Principal": {"Service": service},
                "Action": ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey"],
                "Resource": "*",
                "Condition": {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": pattern}},
            }
        )
    made = aws.kms.Key(
        name,
        description=f"{place.site.name}: {what}",
        enable_key_rotation=True,
        deletion_window_in_days=30,
        policy=json.dumps({"Version": "2012-10-17", "Statement": statements}),
        opts=opts,
    )
    aws.kms.Alias(name, name=f"alias/{place.site.name}-{name}", target_key_id=made.key_id, opts=opts)
    return made
