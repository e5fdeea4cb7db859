"""Cloud Storage: one bucket for the platform's state, one a team. Versioned, under the stack's own key, closed to the public.

No hierarchical namespace: such a bucket keeps no versions
(https://cloud.google.com/storage/docs/hns-overview#limitations), and a checkpoint that was overwritten should come back.
"""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
import pulumi_gcp as gcp

from providers.gcp.foundation import Foundation
from providers.gcp.names import bucket
from providers.spec import Lifecycle, Storage

STATE = "state"
#: Prefixes of a team's bucket that have a lifecycle of their own. The first is where jobs' checkpoints go by default.
CHECKPOINTS, OUTPUTS, DATA = "checkpoints/", "outputs/", "data/"
#: And of the state's.
JOBS = "jobs/"

_Rule = gcp.storage.BucketLifecycleRuleArgs
_Action = gcp.storage.BucketLifecycleRuleActionArgs
_When = gcp.storage.BucketLifecycleRuleConditionArgs


class Buckets(pulumi.ComponentResource):
    """`by_name`: what has been made, for those who are granted something on it."""

    def __init__(
        self, foundation: Foundation, asked: Storage, teams: Sequence[str], opts: pulumi.ResourceOptions
    ) -> None:
        super().__init__("footplate:gcp:Buckets", "buckets", None, opts)
        self._foundation = foundation
        self._asked = asked
        self.key: gcp.kms.CryptoKey | None = None
        self._after: list[pulumi.Resource] = []
        if asked.encryption == "own-key":
            self.key, self._after = foundation.key("data", ["storage"], protect=asked.protect)
        self.state = self._bucket(STATE, {}, _of_state(asked.lifecycle))
        self.teams = {
            team: self._bucket(f"team-{team}", {"footplate-team": team}, _lifecycle(asked.lifecycle)) for team in teams
        }
        self.by_name = {self.name_of(STATE): self.state} | {
            self.name_of(f"team-{team}"): made for team, made in self.teams.items()
        }
        self.register_outputs({})

    def name_of(self, part: str) -> str:
        return bucket(self._asked.bucket_prefix, part)

    def _bucket(self, part: str, labels: dict[str, str], rules: Sequence[_Rule]) -> gcp.storage.Bucket:
        foundation = self._foundation
        return gcp.storage.Bucket(
            part,
            name=self.name_of(part),
            project=foundation.project,
            location=foundation.region.upper(),
            storage_class="STANDARD",
            uniform_bucket_level_access=True,
            public_access_prevention="enforced",
            versioning=gcp.storage.BucketVersioningArgs(enabled=True),
            soft_delete_policy=gcp.storage.BucketSoftDeletePolicyArgs(retention_duration_seconds=7 * 24 * 3600),
            encryption=gcp.storage.BucketEncryptionArgs(default_kms_key_name=self.key.id) if self.key else None,
            lifecycle_rules=list(rules),
            labels={**foundation.site.labels, **labels},
            force_destroy=False,
            opts=foundation.options(
                pulumi.ResourceOptions(parent=self), apis=["storage"], after=self._after, protect=self._asked.protect
            ),
        )


def _versions(asked: Lifecycle) -> list[_Rule]:
    return [
        _Rule(
            action=_Action(type="Delete"),
            condition=_When(days_since_noncurrent_time=asked.old_versions, with_state="ARCHIVED"),
        ),
        _Rule(action=_Action(type="AbortIncompleteMultipartUpload"), condition=_When(age=7)),
    ]


def _of_state(asked: Lifecycle) -> list[_Rule]:
    return [*_versions(asked), *_expiry(asked.records, JOBS)]


def _expiry(days: int | None, prefix: str) -> list[_Rule]:
    if days is None:
        return []
    when = _When(age=days, matches_prefixes=[prefix], with_state="LIVE")
    return [_Rule(action=_Action(type="Delete"), condition=when)]


def _lifecycle(asked: Lifecycle) -> list[_Rule]:
    rules = [*_versions(asked), *_expiry(asked.checkpoints, CHECKPOINTS), *_expiry(asked.outputs, OUTPUTS)]
    if asked.cold_data is not None:
        when = _When(age=asked.cold_data, matches_prefixes=[DATA], matches_storage_classes=["STANDARD"])
        rules.append(_Rule(action=_Action(type="SetStorageClass", storage_class="NEARLINE"), condition=when))
    return rules
