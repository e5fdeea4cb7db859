"""Artifact Registry: a repository for the stack's images, and copies on demand of public ones for a closed network."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_gcp as gcp

from providers.gcp.foundation import Foundation
from providers.gcp.identity import Identities

#: Public registries that the add-ons and the standard tools come from.
UPSTREAMS: Mapping[str, str] = {
    "docker": "https://registry-1.docker.io",
    "ghcr": "https://ghcr.io",
    "kubernetes": "https://registry.k8s.io",
    "nvcr": "https://nvcr.io",
    "quay": "https://quay.io",
}

_Registry = gcp.artifactregistry


class Repositories(pulumi.ComponentResource):
    """`readers`: who pulls; the nodes. A tag that was pushed stays what it is."""

    def __init__(
        self,
        foundation: Foundation,
        identities: Identities,
        reader: pulumi.Input[str] | None,
        *,
        copies: bool,
        protect: bool,
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("footplate:gcp:Repositories", "registry", None, opts)
        self._foundation = foundation
        self._identities = identities
        self._reader = reader
        key, self._after = foundation.key("images", ["artifactregistry"], protect=protect)
        self._key = key
        self._repository(
            "images",
            docker_config=_Registry.RepositoryDockerConfigArgs(immutable_tags=True),
            cleanup_policies=[
                _Registry.RepositoryCleanupPolicyArgs(
                    id="untagged",
                    action="DELETE",
                    condition=_Registry.RepositoryCleanupPolicyConditionArgs(
                        tag_state="UNTAGGED", older_than="2592000s"
                    ),
                )
            ],
        )
        if copies:
            for name, upstream in UPSTREAMS.items():
                self._repository(name, upstream=upstream)
        self.register_outputs({})

    def prefix(self, name: str = "images") -> str:
        return f"{self._foundation.region}-docker.pkg.dev/{self._foundation.project}/{self._id(name)}"

    def _id(self, name: str) -> str:
        return f"{self._foundation.site.name}-{name}"

    def _repository(
        self,
        name: str,
        *,
        upstream: str | None = None,
        docker_config: gcp.artifactregistry.RepositoryDockerConfigArgs | None = None,
        cleanup_policies: list[gcp.artifactregistry.RepositoryCleanupPolicyArgs] | None = None,
    ) -> None:
        foundation = self._foundation
        child = pulumi.ResourceOptions(parent=self)
        remote = _remote(upstream) if upstream else None
        repository = _Registry.Repository(
            name,
            repository_id=self._id(name),
            project=foundation.project,
            location=foundation.region,
            format="DOCKER",
            mode="REMOTE_REPOSITORY" if remote else "STANDARD_REPOSITORY",
            remote_repository_config=remote,
            docker_config=docker_config,
            cleanup_policies=cleanup_policies,
            kms_key_name=self._key.id,
            vulnerability_scanning_config=_Registry.RepositoryVulnerabilityScanningConfigArgs(
                enablement_config="INHERITED"
            ),
            labels=dict(foundation.site.labels),
            opts=foundation.options(child, apis=["artifactregistry"], after=self._after),
        )
        if self._reader is not None:
            _Registry.RepositoryIamMember(
                name,
                project=foundation.project,
                location=foundation.region,
                repository=repository.name,
                role=self._identities.role("pull"),
                member=self._reader,
                opts=foundation.options(child),
            )


def _remote(upstream: str) -> gcp.artifactregistry.RepositoryRemoteRepositoryConfigArgs:
    return _Registry.RepositoryRemoteRepositoryConfigArgs(
        description=f"Copies, on demand, of {upstream}",
        common_repository=_Registry.RepositoryRemoteRepositoryConfigCommonRepositoryArgs(uri=upstream),
    )
