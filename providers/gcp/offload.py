"""Vertex AI: what its training jobs run as, and how their machines reach the stack's network. The jobs come at run time."""

from __future__ import annotations

from collections.abc import Mapping

import pulumi
import pulumi_gcp as gcp

from providers.contract import Grant, OffloadTargetSpec
from providers.gcp.buckets import Buckets
from providers.gcp.foundation import Foundation
from providers.gcp.identity import Identities
from providers.gcp.network import Network


class Vertex(pulumi.ComponentResource):
    """`accounts`: team → identity of its jobs. They have private addresses in the stack's network alone.

    Source: https://cloud.google.com/vertex-ai/docs/training/psc-i-egress
    """

    def __init__(
        self,
        foundation: Foundation,
        identities: Identities,
        spec: OffloadTargetSpec,
        network: Network,
        buckets: Buckets | None,
        opts: pulumi.ResourceOptions,
    ) -> None:
        super().__init__("footplate:gcp:Vertex", "offload", None, opts)
        self._foundation = foundation
        self._identities = identities
        self._child = pulumi.ResourceOptions(parent=self)
        if buckets and buckets.key:
            foundation.may_use(buckets.key, "data", "aiplatform")
        self.attachment = self._attachment(network)
        self.accounts: Mapping[str, gcp.serviceaccount.Account] = {
            team: self._account(team, spec.store.team_uris[team], buckets) for team in spec.teams
        }
        self.register_outputs({})

    def _attachment(self, network: Network) -> gcp.compute.NetworkAttachment:
        foundation = self._foundation
        subnet = gcp.compute.Subnetwork(
            "offload",
            name=f"{foundation.site.name}-offload",
            network=network.vpc.id,
            ip_cidr_range=str(network.ranges.offload),
            private_ip_google_access=True,
            project=foundation.project,
            region=foundation.region,
            opts=foundation.options(self._child),
        )
        self._identities.in_project("offload-network", foundation.agent("aiplatform"), "offload-network", self._child)
        return gcp.compute.NetworkAttachment(
            "offload",
            name=f"{foundation.site.name}-offload",
            connection_preference="ACCEPT_MANUAL",
            subnetworks=[subnet.id],
            project=foundation.project,
            region=foundation.region,
            # Vertex AI adds the project that its machines are in.
            opts=foundation.options(self._child, apis=["aiplatform"], ignore_changes=["producerAcceptLists"]),
        )

    def _account(self, team: str, uri: str, buckets: Buckets | None) -> gcp.serviceaccount.Account:
        name = f"{team}-offload"
        account = self._identities.account(name, f"Jobs of team {team} on Vertex AI.", self._child)
        self._identities.in_project("offload-run", account.member, name, self._child)
        if uri.startswith("gs://"):
            made = buckets.by_name if buckets else {}
            self._identities.on_bucket(Grant(uri), account.member, name, made, self._child)
        return account
