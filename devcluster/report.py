"""What a cluster looks like from outside, for `status` and `list`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Literal

import msgspec

from devcluster import addresses, processes
from devcluster import spec as specs
from devcluster.cluster import cluster_paths
from devcluster.launch import read_status
from devcluster.paths import ClusterPaths
from devcluster.plan import ComponentStatus
from devcluster.processes import SUPERVISOR
from devcluster.spec import Profile

State = Literal["Running", "Degraded", "Stopped"]
ComponentState = Literal["Ready", "Starting", "Restarting", "Down"]


class ComponentReport(msgspec.Struct, frozen=True, rename="camel"):
    name: str
    state: ComponentState
    pid: int | None
    restarts: int  # since the supervisor's start
    since: float | None  # Unix time of the process's start
    last_exit: str
    memory_mib: int  # resident


class ClusterReport(msgspec.Struct, frozen=True, rename="camel"):
    name: str
    profile: Profile
    state: State
    message: str
    kubernetes_version: str
    context: str
    kubeconfig: str
    server: str
    object_store: str  # endpoint; empty without one
    simulated_gpus: str
    simulated_nodes: int
    components: tuple[ComponentReport, ...]


def of(name: str, environment: Mapping[str, str] = os.environ) -> ClusterReport:
    """Raises ClusterNotFound."""
    place = cluster_paths(name, environment)
    spec, endpoints = specs.read(place.spec, name), addresses.read(place)
    components = _components(place)
    supervised = any(process.component == SUPERVISOR for process in processes.of_cluster(place.root))
    state, message = overall(components, supervised=supervised)
    return ClusterReport(
        name=name,
        profile=spec.profile,
        state=state,
        message=message,
        kubernetes_version=spec.kubernetes_version,
        context=spec.context,
        kubeconfig=str(place.kubeconfig),
        server=endpoints.server if endpoints else "",
        object_store=endpoints.s3_url if endpoints and spec.profile == "full" else "",
        simulated_gpus=spec.gpus,
        simulated_nodes=spec.kwok_nodes,
        components=components,
    )


def overall(components: tuple[ComponentReport, ...], *, supervised: bool) -> tuple[State, str]:
    alive = [component for component in components if component.pid]
    if not supervised and not alive:
        return "Stopped", ""
    problems = [
        f"{component.name} is {component.state.lower()}" for component in components if component.state != "Ready"
    ]
    if not supervised:
        problems.insert(0, "nothing supervises its components; `footplate cluster start` does again")
    return ("Degraded", ", ".join(problems)) if problems else ("Running", "")


def component_state(status: ComponentStatus, *, is_alive: bool, is_ready: bool) -> ComponentState:
    if is_ready:
        return "Ready"
    if is_alive:
        return "Starting"
    return "Restarting" if status.restarts else "Down"


def _components(place: ClusterPaths) -> tuple[ComponentReport, ...]:
    if (status := read_status(place)) is None:
        return ()
    return tuple(_component(place, name, found) for name, found in status.components.items())


def _component(place: ClusterPaths, name: str, status: ComponentStatus) -> ComponentReport:
    process = processes.read(status.pid, place.root)
    alive = process is not None and process.start_ticks == status.start_ticks
    ready = status.ready and alive
    return ComponentReport(
        name=name,
        state=component_state(status, is_alive=alive, is_ready=ready),
        pid=status.pid if alive else None,
        restarts=status.restarts,
        since=status.since if alive else None,
        last_exit=status.last_exit,
        memory_mib=processes.resident_mib(status.pid) if alive else 0,
    )
