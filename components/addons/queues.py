"""Kueue's queues from the teams' quotas: one flavor a GPU pool, one ClusterQueue and LocalQueue a team, one cohort.

A team uses what others leave, and gives it back when they want it. Source: kueue.x-k8s.io/v1beta2, of the pinned chart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from components.config import PlatformConfig, Team
from components.objects import standard_labels
from footplate.api import labels
from footplate.api.gpu_types import TYPE_LABEL
from providers.contract import POOL_LABEL, GpuPool

API_VERSION = "kueue.x-k8s.io/v1beta2"
COHORT = "footplate"
#: The queue that jobs name when they name none. Source: Kueue, LocalQueueDefaulting.
DEFAULT_QUEUE = "default"
#: Nodes without GPUs.
CPU_FLAVOR = "cpu"
#: CPU and memory are what nodes bring, which grow as they are needed: the flavor sets no bound of its own.
UNBOUNDED = {"cpu": "100k", "memory": "1000Ti"}


class Queues(pulumi.ComponentResource):
    def __init__(
        self,
        name: str,
        config: PlatformConfig,
        pools: Sequence[GpuPool],
        teams: Mapping[str, pulumi.Output[str]],
        after: Sequence[pulumi.Resource],
        opts: pulumi.ResourceOptions,
    ) -> None:
        """`teams`: name → namespace."""
        super().__init__("footplate:index:Queues", name, None, opts)
        self._pools = pools
        self._child = pulumi.ResourceOptions(parent=self, depends_on=list(after))
        flavors = [self._flavor(CPU_FLAVOR, {}, [])] + [
            self._flavor(
                pool.group.name,
                {POOL_LABEL: pool.group.name, TYPE_LABEL: pool.group.gpu, **pool.selector},
                [{"key": taint.key, "value": taint.value, "effect": taint.effect} for taint in pool.taints],
            )
            for pool in pools
        ]
        held = pulumi.ResourceOptions(parent=self, depends_on=[*after, *flavors])
        for team in config.teams:
            queue = self._cluster_queue(team, held)
            kubernetes.apiextensions.CustomResource(
                f"{team.name}-queue",
                api_version=API_VERSION,
                kind="LocalQueue",
                metadata={
                    "name": DEFAULT_QUEUE,
                    "namespace": teams[team.name],
                    "labels": standard_labels("queueing", **{labels.TEAM: team.name}),
                },
                spec={"clusterQueue": team.name},
                opts=pulumi.ResourceOptions(parent=self, depends_on=[queue]),
            )
        self.register_outputs({})

    def _flavor(self, name: str, node_labels: dict[str, str], taints: list[dict[str, str]]) -> pulumi.Resource:
        return kubernetes.apiextensions.CustomResource(
            f"flavor-{name}",
            api_version=API_VERSION,
            kind="ResourceFlavor",
            metadata={"name": name, "labels": standard_labels("queueing")},
            spec={
                "nodeLabels": node_labels,
                "nodeTaints": taints,
                # The taint of GPU nodes is for pods that want none; those of a job get their toleration here.
                "tolerations": [
                    {"key": taint["key"], "operator": "Exists", "effect": taint["effect"]} for taint in taints
                ],
            },
            opts=self._child,
        )

    def _cluster_queue(self, team: Team, opts: pulumi.ResourceOptions) -> pulumi.Resource:
        return kubernetes.apiextensions.CustomResource(
            f"{team.name}-cluster-queue",
            api_version=API_VERSION,
            kind="ClusterQueue",
            metadata={"name": team.name, "labels": standard_labels("queueing", **{labels.TEAM: team.name})},
            spec={
                "cohortName": COHORT,
                "namespaceSelector": {"matchLabels": {labels.TEAM: team.name}},
                "queueingStrategy": "BestEffortFIFO",
                "resourceGroups": resource_groups(team, self._pools),
                "preemption": {"reclaimWithinCohort": "Any", "withinClusterQueue": "LowerPriority"},
                "flavorFungibility": {"whenCanBorrow": "TryNextFlavor", "whenCanPreempt": "TryNextFlavor"},
            },
            opts=opts,
        )


def resource_groups(team: Team, pools: Sequence[GpuPool]) -> list[dict[str, Any]]:
    """One group: Kueue wants all flavors of a pod's CPU, memory and GPUs together, and each to have all of them."""
    resources = sorted({pool.resource for pool in pools})
    covered = [*UNBOUNDED, *resources]
    flavors = [_quotas(CPU_FLAVOR, dict.fromkeys(resources, "0"))]
    left = dict(team.quota.gpu_types)
    for pool in pools:
        most = pool.group.max_nodes * pool.group.gpus * pool.shares
        share = most
        if team.quota.gpu is not None:
            share = min(share, team.quota.gpu)
        if team.quota.gpu_types:
            # Pools of one GPU share the team's number of it, the first named first.
            share = min(share, left.get(pool.group.gpu, 0))
            left[pool.group.gpu] = left.get(pool.group.gpu, 0) - share
        counts = {name: str(share) if name == pool.resource else "0" for name in resources}
        flavors.append(_quotas(pool.group.name, counts))
    return [{"coveredResources": covered, "flavors": flavors}]


def _quotas(flavor: str, gpus: Mapping[str, str]) -> dict[str, Any]:
    amounts = {**UNBOUNDED, **gpus}
    return {"name": flavor, "resources": [{"name": name, "nominalQuota": amount} for name, amount in amounts.items()]}
