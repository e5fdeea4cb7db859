"""S3: one bucket for the platform's state, and one a team for its data, checkpoints, code and outputs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import pulumi
import pulumi_aws as aws

from providers import spec
from providers.aws import keys
from providers.aws.place import Place
from providers.contract import ObjectStore, ProviderError

#: Source: S3 User Guide, "General purpose bucket naming rules".
LONGEST_NAME = 63
#: Prefixes whose objects may expire, and the field of `storage.lifecycle` that says when: of a team's bucket, and of the state.
EXPIRING = {"checkpoints/": "checkpoints", "outputs/": "outputs"}
EXPIRING_STATE = {"jobs/": "records"}


class AwsBuckets(pulumi.ComponentResource):
    def __init__(
        self, name: str, place: Place, asked: spec.Storage, teams: Sequence[str], opts: pulumi.ResourceOptions
    ) -> None:
        super().__init__("footplate:aws:Buckets", name, None, opts)
        self._place = place
        self._asked = asked
        child = pulumi.ResourceOptions(parent=self)
        own = asked.encryption == "own-key"
        self._key = keys.key("data", place, "buckets, volumes and filesystems", child) if own else None
        self._bucket("state", EXPIRING_STATE)
        for team in teams:
            self._bucket(f"team-{team}", EXPIRING)
        self.result = ObjectStore(
            state_uri=f"s3://{self._name_of('state')}",
            team_uris={team: f"s3://{self._name_of(f'team-{team}')}" for team in teams},
            region=place.region,
            expires=True,
            key=self._key.arn if self._key is not None else None,
        )
        self.register_outputs({})

    def _name_of(self, purpose: str) -> str:
        """Known before it is made: the documents of roles name it."""
        name = f"{self._asked.bucket_prefix}-{purpose}"
        if len(name) > LONGEST_NAME:
            raise ProviderError(
                f"footplate:storage.bucketPrefix: the bucket {name!r} has {len(name)} characters, and S3 takes "
                f"{LONGEST_NAME}: shorten the prefix, or the team's name"
            )
        return name

    def _bucket(self, purpose: str, expiring: Mapping[str, str]) -> None:
        child = pulumi.ResourceOptions(parent=self)
        bucket = aws.s3.Bucket(
            purpose,
            bucket=self._name_of(purpose),
            force_destroy=False,
            opts=pulumi.ResourceOptions(parent=self, protect=self._asked.protect),
        )
        aws.s3.BucketPublicAccessBlock(
            purpose,
            bucket=bucket.id,
            block_public_acls=True,
            block_public_policy=True,
            ignore_public_acls=True,
            restrict_public_buckets=True,
            opts=child,
        )
        aws.s3.BucketOwnershipControls(
            purpose,
            bucket=bucket.id,
            rule=aws.s3.BucketOwnershipControlsRuleArgs(object_ownership="BucketOwnerEnforced"),
            opts=child,
        )
        versioning = aws.s3.BucketVersioning(
            purpose,
            bucket=bucket.id,
            versioning_configuration=aws.s3.BucketVersioningVersioningConfigurationArgs(status="Enabled"),
            opts=child,
        )
        default = aws.s3.BucketServerSideEncryptionConfigurationRuleApplyServerSideEncryptionByDefaultArgs(
            sse_algorithm="aws:kms" if self._key is not None else "AES256",
            kms_master_key_id=self._key.arn if self._key is not None else None,
        )
        aws.s3.BucketServerSideEncryptionConfiguration(
            purpose,
            bucket=bucket.id,
            rules=[
                aws.s3.BucketServerSideEncryptionConfigurationRuleArgs(
                    apply_server_side_encryption_by_default=default,
                    # One call to the key service for many objects: checkpoints have thousands.
                    bucket_key_enabled=self._key is not None,
                )
            ],
            opts=child,
        )
        aws.s3.BucketPolicy(
            purpose, bucket=bucket.id, policy=_tls_only(self._name_of(purpose), self._place), opts=child
        )
        aws.s3.BucketLifecycleConfiguration(
            purpose,
            bucket=bucket.id,
            rules=self._rules(expiring),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[versioning]),
        )

    def _rules(self, expiring: Mapping[str, str]) -> list[aws.s3.BucketLifecycleConfigurationRuleArgs]:
        lifecycle = self._asked.lifecycle
        rules = [
            aws.s3.BucketLifecycleConfigurationRuleArgs(
                id="old-versions",
                status="Enabled",
                filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=""),
                noncurrent_version_expiration=aws.s3.BucketLifecycleConfigurationRuleNoncurrentVersionExpirationArgs(
                    noncurrent_days=lifecycle.old_versions
                ),
                abort_incomplete_multipart_upload=aws.s3.BucketLifecycleConfigurationRuleAbortIncompleteMultipartUploadArgs(
                    days_after_initiation=7
                ),
                expiration=aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(expired_object_delete_marker=True),
            )
        ]
        for prefix, field in expiring.items():
            days: int | None = getattr(lifecycle, field)
            if days is not None:
                rules.append(
                    aws.s3.BucketLifecycleConfigurationRuleArgs(
                        id=field,
                        status="Enabled",
                        filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix=prefix),
                        expiration=aws.s3.BucketLifecycleConfigurationRuleExpirationArgs(days=days),
                    )
                )
        if lifecycle.cold_data is not None and expiring is EXPIRING:
            rules.append(
                aws.s3.BucketLifecycleConfigurationRuleArgs(
                    id="cold-data",
                    status="Enabled",
                    filter=aws.s3.BucketLifecycleConfigurationRuleFilterArgs(prefix="data/"),
                    transitions=[
                        aws.s3.BucketLifecycleConfigurationRuleTransitionArgs(
                            days=lifecycle.cold_data, storage_class="GLACIER_IR"
                        )
                    ],
                )
            )
        return rules


def _tls_only(bucket: str, place: Place) -> str:
    arn = f"arn:{place.partition}:s3:::{bucket}"
    statement = {
        "Sid": "OverTlsAlone",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
