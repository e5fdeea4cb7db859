"""The controllers' view of the cluster: one informer a kind, shared by all of them, with only the fields they decide on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from footplate.api import Environment, TrainingJob, Workspace, labels
from footplate.api.platform import CONFIG_MAP as PLATFORM
from footplate.api.platform import Platform, Team, from_config_map_data
from footplate.api.resources import Dataset
from footplate.api.trainingjob import JobPhase
from footplate.api.workspace import WorkspacePhase
from footplate.controllers import capacity, cluster, kinds
from footplate.controllers.capacity import Capacity
from footplate.controllers.nodehealth.suspicion import suspects_of
from footplate.controllers.podshape import claim_of
from footplate.controllers.room import Amounts, Usage
from footplate.kube.client import Client
from footplate.kube.informer import Informer
from footplate.kube.resource import Resource
from footplate.kube.store import Key

log = logging.getLogger(__name__)

BY_JOB = "job"
BY_NAMESPACE = "namespace"
BY_ENVIRONMENT = "environment"
BY_CLAIM = "claim"
BY_WAITING = "waiting"
BY_OWNER = "owner"
BY_NODE = "node"
BY_SUSPECT = "suspect"
BY_HOME = "home"
BY_HOST = "host"
BY_WORKSPACES_OF = "workspaces-of"

WORKSPACE_NAMES = f"{labels.TEAM},{labels.WORKSPACES}"
EVERYWHERE = "*"

_WORKSPACE_WAITS = (WorkspacePhase.QUEUED, WorkspacePhase.FAILED)


@dataclass(frozen=True)
class Served:
    """What of the optional API the cluster serves; found out once, at start."""

    pod_groups: bool = False
    kueue: Resource | None = None
    """Kueue's Workload, in the version that is served."""


async def detect(client: Client) -> Served:
    native = await client.resources(kinds.POD_GROUP.api_version)
    kueue: Resource | None = None
    for version in kinds.KUEUE_VERSIONS:
        kueue = kueue or next((r for r in await client.resources(version) if r.kind == "Workload"), None)
    return Served(any(resource.kind == "PodGroup" for resource in native), kueue)


@dataclass(frozen=True)
class Facts:
    """What an object's fate depends on beside its own children."""

    platform: Platform | None
    team: Team | None
    """That whose namespace it is in."""
    environments: Mapping[str, Environment]
    capacity: Capacity
    quotas: tuple[cluster.Quota, ...]
    """Of its namespace."""
    claims: Mapping[str, cluster.Claim]
    """Those that its datasets name, where they exist."""
    served: Served
    used: Mapping[str, Amounts] = field(default_factory=dict[str, Amounts])
    """What the platform's pods ask for, by node."""


class Caches:
    def __init__(self, client: Client, served: Served, system: str = labels.SYSTEM_NAMESPACE) -> None:
        ours = labels.TEAM  # everything that the controllers make has this label
        self.served = served
        self.workspaces = Informer(
            client,
            kinds.WORKSPACE,
            type=Workspace,
            indexers={
                BY_ENVIRONMENT: lambda ws: (ws.spec.environment or "",),
                BY_CLAIM: lambda ws: _claims(ws.metadata.namespace, ws.spec.datasets),
                BY_WAITING: lambda ws: _waits(ws.metadata.namespace, ws.status.phase in _WORKSPACE_WAITS),
                BY_HOST: lambda ws: (ws.status.node_name,) if ws.status.node_name else (),
            },
        )
        self.training_jobs = Informer(
            client,
            kinds.TRAINING_JOB,
            type=TrainingJob,
            indexers={
                BY_ENVIRONMENT: lambda job: (job.spec.environment or "",),
                BY_CLAIM: lambda job: _claims(job.metadata.namespace, job.spec.datasets),
                BY_WAITING: lambda job: _waits(job.metadata.namespace, job.status.phase is JobPhase.QUEUED),
                BY_SUSPECT: suspects_of,
            },
        )
        self.environments = Informer(client, kinds.ENVIRONMENT, type=Environment)
        self.pods = Informer(
            client,
            kinds.POD,
            type=cluster.Pod,
            labels=ours,
            indexers={
                BY_JOB: _by_job,
                BY_WORKSPACES_OF: _by_workspaces_of,
                BY_NODE: _ranks_by_node,
                BY_HOME: _by_home,
            },
        )
        self.claims = Informer(client, kinds.CLAIM, type=cluster.Claim)
        self.services = Informer(client, kinds.SERVICE, type=cluster.Bare, labels=ours, indexers={BY_JOB: _by_job})
        self.slices = Informer(
            client,
            kinds.ENDPOINT_SLICE,
            type=cluster.EndpointSlice,
            labels=WORKSPACE_NAMES,
            indexers={BY_NAMESPACE: _by_namespace},
        )
        self.jobs = Informer(client, kinds.JOB, type=cluster.Job, labels=ours, indexers={BY_JOB: _by_job})
        self.pod_groups = Informer(
            client, kinds.POD_GROUP, type=cluster.PodGroup, labels=ours, indexers={BY_JOB: _by_job}
        )
        self.admissions = Informer(
            client, served.kueue or kinds.POD, type=cluster.Admission, indexers={BY_OWNER: _by_owner}
        )
        self.nodes = Informer(client, kinds.NODE, type=cluster.Node)
        self.quotas = Informer(client, kinds.QUOTA, type=cluster.Quota, indexers={BY_NAMESPACE: _by_namespace})
        only = {"metadata.name": PLATFORM}
        self.settings = Informer(client, kinds.CONFIG_MAP, type=cluster.ConfigMap, namespace=system, fields=only)
        self._platform_key = Key(system, PLATFORM)
        self._capacity: Capacity | None = None
        self._platform: tuple[cluster.ConfigMap | None, Platform | None] = (None, None)
        self.nodes.add_handler(self._nodes_changed)
        self.usage = Usage()
        self.pods.add_handler(lambda key, old, new: self.usage.change(old, new))

    def informers(self) -> list[Informer[Any]]:
        """Those that the cluster serves."""
        found: list[Informer[Any]] = [
            self.settings,
            self.environments,
            self.nodes,
            self.quotas,
            self.claims,
            self.services,
            self.slices,
            self.jobs,
            self.pods,
            self.workspaces,
            self.training_jobs,
        ]
        return [
            *([self.pod_groups] if self.served.pod_groups else []),
            *([self.admissions] if self.served.kueue else []),
            *found,
        ]

    def by_resource(self) -> dict[Resource, Informer[Any]]:
        return {informer.resource: informer for informer in self.informers()}

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for informer in self.informers():
                group.create_task(informer.run())

    async def synced(self) -> None:
        await asyncio.gather(*(informer.synced.wait() for informer in self.informers()))

    def missing(self) -> list[str]:
        """Kinds of which there is no copy yet."""
        return [informer.resource.plural for informer in self.informers() if not informer.synced.is_set()]

    def facts(self, namespace: str, datasets: Iterable[Dataset]) -> Facts:
        platform = self.platform
        return Facts(
            platform=platform,
            team=next((t for t in platform.teams if team_namespace(t.name) == namespace), None) if platform else None,
            environments={env.metadata.name: env for env in self.environments.store},
            capacity=self.capacity,
            quotas=tuple(self.quotas.store.by_index(BY_NAMESPACE, namespace)),
            claims=self._named_claims(namespace, datasets),
            served=self.served,
            used=self.usage.by_node,
        )

    @property
    def capacity(self) -> Capacity:
        if self._capacity is None:
            self._capacity = capacity.measure(self.nodes.store)
        return self._capacity

    @property
    def platform(self) -> Platform | None:
        """None where the platform is not set up, or its settings cannot be read."""
        found = self.settings.store.get(self._platform_key)
        if found is not self._platform[0]:
            self._platform = (found, _read(found) if found else None)
        return self._platform[1]

    def _named_claims(self, namespace: str, datasets: Iterable[Dataset]) -> dict[str, cluster.Claim]:
        names = [found[0] for dataset in datasets if (found := claim_of(dataset))]
        claims = {name: self.claims.store.get(Key(namespace, name)) for name in names}
        return {name: claim for name, claim in claims.items() if claim is not None}

    def _nodes_changed(self, key: Key, old: cluster.Node | None, new: cluster.Node | None) -> None:
        self._capacity = None


def _read(settings: cluster.ConfigMap) -> Platform | None:
    try:
        return from_config_map_data(settings.data)
    except (KeyError, msgspec.DecodeError) as error:
        log.error("ConfigMap %s cannot be read: %s", PLATFORM, error)
        return None


def team_namespace(team: str) -> str:
    return labels.TEAM_NAMESPACE_PREFIX + team


def job_index(namespace: str, name: str) -> str:
    return f"{namespace}/{name}"


def claim_index(namespace: str, claim: str) -> str:
    return f"{namespace}/{claim}"


def _by_job(obj: cluster.Pod | cluster.Job | cluster.Bare | cluster.PodGroup) -> tuple[str, ...]:
    name = obj.metadata.labels.get(labels.JOB)
    return (job_index(obj.metadata.namespace, name),) if name else ()


def home_index(namespace: str, workspace: str) -> str:
    return f"{namespace}/{workspace}"


def _by_home(obj: cluster.Pod) -> tuple[str, ...]:
    name = obj.metadata.labels.get(labels.HOME)
    return (home_index(obj.metadata.namespace, name),) if name else ()


def _waits(namespace: str, waits: bool) -> tuple[str, ...]:
    return (namespace, EVERYWHERE) if waits else ()


def _by_workspaces_of(obj: cluster.Pod) -> tuple[str, ...]:
    return (obj.metadata.namespace,) if labels.WORKSPACE in obj.metadata.labels else ()


def _ranks_by_node(obj: cluster.Pod) -> tuple[str, ...]:
    return (obj.spec.node_name,) if labels.JOB in obj.metadata.labels and obj.spec.node_name else ()


def _by_owner(obj: cluster.Admission) -> tuple[str, ...]:
    return tuple(owner.uid for owner in obj.metadata.owner_references)


def _by_namespace(obj: cluster.Quota | cluster.EndpointSlice | cluster.Pod) -> tuple[str, ...]:
    return (obj.metadata.namespace,)


def _claims(namespace: str, datasets: Iterable[Dataset]) -> tuple[str, ...]:
    return tuple(claim_index(namespace, found[0]) for dataset in datasets if (found := claim_of(dataset)))
