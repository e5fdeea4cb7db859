"""Google Cloud's identities: service accounts without keys, custom roles, and the link from Kubernetes' service accounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

import pulumi
import pulumi_gcp as gcp

from providers.contract import Grant
from providers.gcp.foundation import Foundation
from providers.gcp.names import account_id, digest, role_id
from providers.gcp.permissions import ROLES


class Identities:
    """Custom roles are the project's, each made once; who has them is said where it is granted."""

    def __init__(self, foundation: Foundation) -> None:
        self._foundation = foundation
        self._roles: dict[str, gcp.projects.IAMCustomRole] = {}

    def role(self, name: str) -> pulumi.Output[str]:
        """`projects/<project>/roles/<id>` of one of ROLES."""
        if name not in self._roles:
            foundation = self._foundation
            self._roles[name] = gcp.projects.IAMCustomRole(
                name,
                project=foundation.project,
                role_id=role_id(foundation.site.name, name),
                title=f"{foundation.site.name}: {ROLES[name].title}",
                permissions=sorted(ROLES[name].permissions),
                stage="GA",
                opts=pulumi.ResourceOptions(provider=foundation.provider, depends_on=[foundation.api("iam")]),
            )
        return self._roles[name].name

    def account(self, part: str, description: str, opts: pulumi.ResourceOptions) -> gcp.serviceaccount.Account:
        foundation = self._foundation
        return gcp.serviceaccount.Account(
            part,
            project=foundation.project,
            account_id=account_id(foundation.site.name, part),
            display_name=f"{foundation.site.name} {part}",
            description=description,
            opts=foundation.options(opts, apis=["iam"]),
        )

    def in_project(
        self, role: str, member: pulumi.Input[str], name: str, opts: pulumi.ResourceOptions
    ) -> gcp.projects.IAMMember:
        """Where the permissions of the role cannot be granted on anything smaller."""
        return gcp.projects.IAMMember(
            name,
            project=self._foundation.project,
            role=self.role(role),
            member=member,
            opts=self._foundation.options(opts),
        )

    def on_bucket(
        self,
        grant: Grant,
        member: pulumi.Input[str],
        name: str,
        made: Mapping[str, gcp.storage.Bucket],
        opts: pulumi.ResourceOptions,
    ) -> gcp.storage.BucketIAMMember:
        """Of a grant below a prefix, listing is allowed below that prefix alone. `made`: the stack's own buckets by name."""
        location = urlsplit(grant.uri)
        bucket, prefix = location.netloc, location.path.strip("/")
        role = "data-read" if grant.access == "read" else "data-write"
        return gcp.storage.BucketIAMMember(
            f"{name}-{digest(grant.uri)}-{grant.access}",
            bucket=made[bucket].name if bucket in made else bucket,
            role=self.role(role),
            member=member,
            condition=_below(bucket, prefix) if prefix else None,
            opts=self._foundation.options(opts),
        )

    def link(
        self,
        account: gcp.serviceaccount.Account,
        namespace: str,
        service_accounts: Sequence[str],
        name: str,
        opts: pulumi.ResourceOptions,
    ) -> None:
        """Pods of these Kubernetes service accounts, and no others, get tokens of the account.

        Source: https://cloud.google.com/kubernetes-engine/docs/how-to/workload-identity
        """
        for kubernetes_account in service_accounts:
            gcp.serviceaccount.IAMMember(
                f"{name}-{kubernetes_account}",
                service_account_id=account.name,
                role="roles/iam.workloadIdentityUser",
                member=f"serviceAccount:{self._foundation.project}.svc.id.goog[{namespace}/{kubernetes_account}]",
                opts=self._foundation.options(opts),
            )

    def act_as(
        self, email: pulumi.Input[str], member: pulumi.Input[str], name: str, opts: pulumi.ResourceOptions
    ) -> None:
        """`member` may start jobs as the account with this address."""
        resource = pulumi.Output.format("projects/{0}/serviceAccounts/{1}", self._foundation.project, email)
        gcp.serviceaccount.IAMMember(
            f"{name}-act-as",
            service_account_id=resource,
            role=self.role("act-as"),
            member=member,
            opts=self._foundation.options(opts),
        )


def _below(bucket: str, prefix: str) -> gcp.storage.BucketIAMMemberConditionArgs:
    """Source: https://cloud.google.com/iam/docs/conditions-attribute-reference (resource.name, objectListPrefix)."""
    objects = f"projects/_/buckets/{bucket}/objects/{prefix}/"
    listing = "api.getAttribute('storage.googleapis.com/objectListPrefix', '')"
    return gcp.storage.BucketIAMMemberConditionArgs(
        title=f"below {prefix}"[:100],
        expression=f"resource.name.startsWith('{objects}') || {listing}.startsWith('{prefix}/')",
    )
