"""What a team's pods are to the cloud: an identity for the team's data, and for its jobs on the training service."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi

from components.config import PlatformConfig
from components.foundation import Foundation
from footplate.api import labels, records
from footplate.api.platform import SERVICE_ACCOUNT_HOME, SERVICE_ACCOUNT_JOB, SERVICE_ACCOUNT_WORKSPACE, homes_uri
from providers.contract import (
    Grant,
    ObjectStore,
    OffloadTarget,
    OffloadTargetSpec,
    Provider,
    WorkloadIdentity,
    WorkloadIdentitySpec,
)


class Workloads:
    """`offload`: None where the stack does not offload."""

    def __init__(
        self,
        config: PlatformConfig,
        provider: Provider,
        foundation: Foundation,
        store: ObjectStore,
        opts: pulumi.ResourceOptions,
    ) -> None:
        self.offload: OffloadTarget | None = None
        if config.offload.enabled:
            teams = [team.name for team in config.teams]
            asked = OffloadTargetSpec(config.offload, teams, foundation.network, store)
            self.offload = provider.offload_target(asked, opts)
        self._identities: dict[str, WorkloadIdentity] = {
            team.name: provider.workload_identity(
                WorkloadIdentitySpec(
                    f"team-{team.name}",
                    foundation.cluster,
                    f"{labels.TEAM_NAMESPACE_PREFIX}{team.name}",
                    (SERVICE_ACCOUNT_WORKSPACE, SERVICE_ACCOUNT_JOB),
                    [Grant(store.team_uris[team.name]), Grant(records.team_uri(store.state_uri, team.name))],
                    store,
                    self.offload,
                ),
                opts,
            )
            for team in config.teams
        }
        # Apart from the team's own: what runs in a workspace cannot touch the snapshots of it.
        self._homes: dict[str, WorkloadIdentity] = {
            team.name: provider.workload_identity(
                WorkloadIdentitySpec(
                    f"home-{team.name}",
                    foundation.cluster,
                    f"{labels.TEAM_NAMESPACE_PREFIX}{team.name}",
                    (SERVICE_ACCOUNT_HOME,),
                    [Grant(homes_uri(store.state_uri, team.name))],
                    store,
                ),
                opts,
            )
            for team in config.teams
        }

    def annotations(self, team: str) -> Mapping[str, pulumi.Input[str]]:
        return self._identities[team].annotations

    def home_annotations(self, team: str) -> Mapping[str, pulumi.Input[str]]:
        return self._homes[team].annotations
