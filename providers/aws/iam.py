"""Roles from tables: every permission is one row that says why it is there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_aws as aws

from providers.aws.place import Place
from providers.contract import ProviderError

#: Source: IAM User Guide, "IAM and AWS STS quotas".
LONGEST_NAME = 64

Conditions = Mapping[str, Mapping[str, str | Sequence[str]]]


@dataclass(frozen=True)
class Permission:
    sid: str
    why: str
    actions: Sequence[str]
    resources: Sequence[str]
    conditions: Conditions = field(default_factory=dict[str, Mapping[str, str]])


@dataclass(frozen=True)
class Managed:
    """A policy that AWS keeps for one purpose, such as what a worker node needs. `name` with its path, where it has one."""

    name: str
    why: str


def document(permissions: Sequence[Permission]) -> str:
    statements: list[dict[str, Any]] = []
    for row in permissions:
        statement: dict[str, Any] = {
            "Sid": row.sid,
            "Effect": "Allow",
            "Action": list(row.actions),
            "Resource": list(row.resources),
        }
        if row.conditions:
            statement["Condition"] = {operator: dict(keys) for operator, keys in row.conditions.items()}
        statements.append(statement)
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def trust(service: str, place: Place, *, source: str = "", tag_session: bool = False) -> str:
    """Who may take the role: a service, for this account alone, and for `source` (an ARN) alone where given."""
    conditions: dict[str, dict[str, str]] = {}
    if source:
        conditions = {"StringEquals": {"aws:SourceAccount": place.account}, "ArnLike": {"aws:SourceArn": source}}
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": ["sts:AssumeRole", "sts:TagSession"] if tag_session else ["sts:AssumeRole"],
    }
    if conditions:
        statement["Condition"] = conditions
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def pod_trust(place: Place) -> str:
    """EKS Pod Identity, of this cluster alone. Source: EKS User Guide, "Assign an IAM role to a Kubernetes service account"."""
    return trust("pods.eks.amazonaws.com", place, source=place.cluster_arn, tag_session=True)


def role(
    name: str,
    place: Place,
    assume: str,
    grants: Sequence[Permission | Managed],
    opts: pulumi.ResourceOptions,
) -> aws.iam.Role:
    """`name` in the program; with the stack's name before it in the account."""
    full = f"{place.site.name}-{name}"
    if len(full) > LONGEST_NAME:
        raise ProviderError(
            f"footplate:name: the role {full!r} has {len(full)} characters, and IAM takes {LONGEST_NAME}: shorten "
            f"{place.site.name!r}, or the team's name"
        )
    made = aws.iam.Role(
        name,
        name=full,
        assume_role_policy=assume,
        opts=opts,
    )
    own = [grant for grant in grants if isinstance(grant, Permission)]
    if own:
        aws.iam.RolePolicy(name, name=name, role=made.name, policy=document(own), opts=opts)
    for grant in grants:
        if isinstance(grant, Managed):
            aws.iam.RolePolicyAttachment(
                f"{name}-{grant.name.rpartition('/')[2]}",
                role=made.name,
                policy_arn=place.managed_policy(grant.name),
                opts=opts,
            )
    return made
