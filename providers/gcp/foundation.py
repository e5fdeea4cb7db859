"""What the resources of a stack have in common on Google Cloud: project, provider, APIs, keys, and Google's own identities."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

import pulumi
import pulumi_gcp as gcp

from providers.contract import Site

#: Google's own identity for a service, which must be allowed to use a key. `{}` is the project's number.
#: Source: https://cloud.google.com/iam/docs/service-agents
AGENTS = {
    "compute": "service-{}@compute-system.iam.gserviceaccount.com",
    "container": "service-{}@container-engine-robot.iam.gserviceaccount.com",
    "storage": "service-{}@gs-project-accounts.iam.gserviceaccount.com",
    "artifactregistry": "service-{}@gcp-sa-artifactregistry.iam.gserviceaccount.com",
    "file": "service-{}@cloud-filer.iam.gserviceaccount.com",
    "lustre": "service-{}@gcp-sa-lustre.iam.gserviceaccount.com",
    "gkebackup": "service-{}@gcp-sa-gkebackup.iam.gserviceaccount.com",
    "aiplatform": "service-{}@gcp-sa-aiplatform.iam.gserviceaccount.com",
}
#: Those that are there only when asked for. The others come with the API, or with the first use of it.
ON_REQUEST = frozenset({"artifactregistry", "file", "lustre", "gkebackup", "aiplatform"})

ROTATION = "7776000s"  # 90 days


class Foundation:
    """Made as they are needed, each once; names come from what is made, so their order changes nothing."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self._apis: dict[str, gcp.projects.Service] = {}

    @property
    def project(self) -> str:
        return self.site.account

    @property
    def region(self) -> str:
        return self.site.region

    @cached_property
    def provider(self) -> gcp.Provider:
        return gcp.Provider("gcp", project=self.project, region=self.region)

    @cached_property
    def project_number(self) -> pulumi.Output[str]:
        return gcp.organizations.get_project_output(
            project_id=self.project, opts=pulumi.InvokeOutputOptions(provider=self.provider)
        ).number

    def options(
        self,
        opts: pulumi.ResourceOptions,
        *,
        apis: Iterable[str] = (),
        after: Iterable[pulumi.Resource] = (),
        protect: bool | None = None,
        delete_before_replace: bool | None = None,
        ignore_changes: list[str] | None = None,
    ) -> pulumi.ResourceOptions:
        """Those of a resource of Google Cloud, which comes after the APIs that it needs."""
        own = pulumi.ResourceOptions(
            provider=self.provider,
            depends_on=[*(self.api(name) for name in apis), *after],
            protect=protect,
            delete_before_replace=delete_before_replace,
            ignore_changes=ignore_changes,
        )
        return pulumi.ResourceOptions.merge(opts, own)

    def api(self, name: str) -> gcp.projects.Service:
        """An API stays enabled when the stack is destroyed: others may have come to use it."""
        if name not in self._apis:
            self._apis[name] = gcp.projects.Service(
                name,
                project=self.project,
                service=f"{name}.googleapis.com",
                disable_on_destroy=False,
                opts=pulumi.ResourceOptions(provider=self.provider),
            )
        return self._apis[name]

    @cached_property
    def key_ring(self) -> gcp.kms.KeyRing:
        """A key ring is never deleted, so its name has random letters: a stack can be made again."""
        return gcp.kms.KeyRing(
            self.site.name,
            project=self.project,
            location=self.region,
            opts=pulumi.ResourceOptions(provider=self.provider, depends_on=[self.api("cloudkms")]),
        )

    def key(
        self, purpose: str, users: Iterable[str], *, protect: bool
    ) -> tuple[gcp.kms.CryptoKey, list[pulumi.Resource]]:
        """A key that Google's `users` (of AGENTS) may use, and the grants to wait for. Without the key its data is lost."""
        key = gcp.kms.CryptoKey(
            f"{self.site.name}-{purpose}",
            key_ring=self.key_ring.id,
            purpose="ENCRYPT_DECRYPT",
            rotation_period=ROTATION,
            destroy_scheduled_duration="2592000s",
            labels=dict(self.site.labels),
            opts=pulumi.ResourceOptions(provider=self.provider, protect=protect),
        )
        return key, [self.may_use(key, purpose, user) for user in users]

    def may_use(self, key: gcp.kms.CryptoKey, purpose: str, user: str) -> pulumi.Resource:
        return gcp.kms.CryptoKeyIAMMember(
            f"{self.site.name}-{purpose}-{user}",
            crypto_key_id=key.id,
            role="roles/cloudkms.cryptoKeyEncrypterDecrypter",
            member=self.agent(user),
            opts=pulumi.ResourceOptions(provider=self.provider, parent=key, depends_on=self._there(user)),
        )

    def agent(self, service: str) -> pulumi.Output[str]:
        """Google's own identity for a service, as the member of a policy."""
        return self.project_number.apply(lambda number: f"serviceAccount:{AGENTS[service].format(number)}")

    def _there(self, service: str) -> list[pulumi.Resource]:
        if service not in ON_REQUEST:
            return [self.api(service)]
        return [self._identity(service)]

    def _identity(self, service: str) -> gcp.projects.ServiceIdentity:
        if service not in self._identities:
            self._identities[service] = gcp.projects.ServiceIdentity(
                service,
                project=self.project,
                service=f"{service}.googleapis.com",
                opts=pulumi.ResourceOptions(provider=self.provider, depends_on=[self.api(service)]),
            )
        return self._identities[service]

    @cached_property
    def _identities(self) -> dict[str, gcp.projects.ServiceIdentity]:
        return {}
