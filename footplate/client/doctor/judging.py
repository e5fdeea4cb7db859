"""Judgements on what was read; no I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from footplate.api import Environment, crds, duration
from footplate.api.meta import GROUP, ObjectMeta, Wire
from footplate.api.platform import Platform, Team
from footplate.api.quantity import human_bytes, parse
from footplate.client import names, versions
from footplate.client.doctor.finding import Finding, failed, ok, warning
from footplate.client.pods import Pod
from footplate.client.teams import none_there
from footplate.errors import ClusterAccess, FootplateError, MachineLacks, NotInstalled

_NEEDED_DISK = 5 << 30

GPU = "nvidia.com/gpu"
#: The platform's name of a node's GPU; else NVIDIA's.
GPU_TYPES = (f"{GROUP}/gpu-type", "nvidia.com/gpu.product")


class _DeploymentStatus(Wire, frozen=True):
    available_replicas: int = 0


class _DeploymentSpec(Wire, frozen=True):
    replicas: int = 1


class Deployment(Wire, frozen=True):
    spec: _DeploymentSpec = _DeploymentSpec()
    status: _DeploymentStatus = _DeploymentStatus()


class _LeaseSpec(Wire, frozen=True):
    holder_identity: str | None = None
    lease_duration_seconds: int = 15
    renew_time: datetime | None = None


class Lease(Wire, frozen=True):
    spec: _LeaseSpec = _LeaseSpec()


D = TypeVar("D", Deployment, Lease)


class _NodeSpec(Wire, frozen=True):
    unschedulable: bool = False


class _NodeStatus(Wire, frozen=True):
    capacity: dict[str, str] = {}
    allocatable: dict[str, str] = {}


class Node(Wire, frozen=True):
    metadata: ObjectMeta
    spec: _NodeSpec = _NodeSpec()
    status: _NodeStatus = _NodeStatus()


def machine(cores: int, memory: int, free_disk: int, where: str) -> Finding:
    detail = f"{cores} cores, {human_bytes(memory)}B memory, {human_bytes(free_disk)}B free in {where}"
    if free_disk < 100 << 20:
        remedy = "make room, or set FOOTPLATE_DATA to a directory on a larger disk"
        return failed("machine", MachineLacks(f"Only {human_bytes(free_disk)}B are free in {where}.", remedy))
    if free_disk < _NEEDED_DISK:
        return warning("machine", detail, f"an embedded cluster and its images need about {human_bytes(_NEEDED_DISK)}B")
    return ok("machine", detail)


def kubernetes(version: Mapping[str, object], server: str, context: str) -> Finding:
    """Raises nothing: a version that is too old is a finding."""
    found = versions.parse(dict(version))
    detail = f"Kubernetes {versions.text(found)} at {server} (context {context})"
    try:
        versions.require(dict(version))
    except ClusterAccess as error:
        return failed("cluster", error)
    if found > versions.NEWEST:
        return warning("cluster", detail, f"Footplate is tested up to {versions.text(versions.NEWEST)}")
    return ok("cluster", detail)


def platform(theirs: str, ours: str) -> Finding:
    if theirs == ours:
        return ok("platform", f"Footplate {theirs}")
    return warning(
        "platform",
        f"the cluster has Footplate {theirs}, this command is {ours}",
        "`footplate up` brings the cluster to this version",
    )


def kinds(served: Sequence[str]) -> Finding:
    missing = [d.kind for d in crds.DEFINITIONS if d.kind not in served]
    if missing:
        return failed(
            "kinds", NotInstalled(f"The cluster does not serve {', '.join(missing)}.", "`footplate up` installs them")
        )
    return ok("kinds", ", ".join(d.kind for d in crds.DEFINITIONS))


def controllers(deployment: Deployment | None, lease: Lease | None, now: datetime) -> Finding:
    """Footplate's controllers: whether one leads, and whether another could take over."""
    look = "see `kubectl -n footplate-system logs deployment/footplate-controllers`; `footplate up` brings them back"
    leads = leader(lease, now)
    if deployment is None:
        if leads:
            return ok("controllers", f"{leads}, outside of the cluster")
        return failed("controllers", NotInstalled("Footplate's controllers are not installed.", "run `footplate up`"))
    ready, wanted = deployment.status.available_replicas, deployment.spec.replicas
    if not leads:
        stale = f"; the last sign of life was {_ago(lease, now)}" if lease and lease.spec.renew_time else ""
        return failed(
            "controllers", FootplateError(f"No controller leads ({ready} of {wanted} are ready){stale}.", look)
        )
    if ready < wanted:
        return warning("controllers", f"{ready} of {wanted} ready; {leads}", look)
    return ok("controllers", f"{ready} of {wanted} ready; {leads}")


def with_trouble(finding: Finding, pods: Sequence[Pod]) -> Finding:
    """The finding, with what holds up the controllers' pods: what their logs could not say."""
    trouble = next((f"{pod.name}: {why}" for pod in pods if (why := pod.held_up_by)), None)
    return replace(finding, detail=f"{finding.detail} ({trouble})") if trouble else finding


def leader(lease: Lease | None, now: datetime) -> str | None:
    """Who leads; None where nobody has renewed the lease in time."""
    spec = lease.spec if lease else None
    if spec is None or spec.renew_time is None or not spec.holder_identity:
        return None
    if now - spec.renew_time > timedelta(seconds=spec.lease_duration_seconds):
        return None
    return f"{spec.holder_identity.partition('_')[0]} leads"


def _ago(lease: Lease, now: datetime) -> str:
    return f"{duration.human(now - lease.spec.renew_time)} ago" if lease.spec.renew_time else "never"


def environments(found: Sequence[Environment]) -> Finding:
    if not found:
        return warning(
            "environments",
            "none: workspaces and jobs need an --image",
            "`footplate images build` and `footplate up` register the standard ones",
        )
    return ok("environments", names.listing(item.metadata.name for item in found))


def teams(mine: Sequence[Team], platform: Platform) -> Finding:
    if not platform.teams:
        return failed("team", none_there())
    if not mine:
        known = names.listing(team.name for team in platform.teams)
        return warning("team", "you are in none of this platform's teams", f"ask to be added to one of: {known}")
    return ok("team", ", ".join(f"{team.name} (data in {team.data_uri})" for team in mine))


def gpus(nodes: Sequence[Node]) -> Finding:
    """Of nodes that take pods. A device that a node has and does not offer has failed."""
    totals: Counter[str] = Counter()
    with_gpus = [node for node in nodes if GPU in node.status.allocatable and not node.spec.unschedulable]
    for node in with_gpus:
        known = (node.metadata.labels[label] for label in GPU_TYPES if label in node.metadata.labels)
        totals[next(known, "GPU")] += int(parse(node.status.allocatable[GPU]))
    if not totals:
        return ok("GPU nodes", f"none among {len(nodes)} nodes: work that asks for GPUs waits or is refused")
    listed = ", ".join(f"{count} × {kind}" for kind, count in sorted(totals.items()))
    detail = f"{listed} on {len(with_gpus)} of {len(nodes)} nodes"
    broken = {node.metadata.name: lacking for node in with_gpus if (lacking := _lacking(node))}
    if not broken:
        return ok("GPU nodes", detail)
    where = ", ".join(f"{count} on {name}" for name, count in broken.items())
    return warning("GPU nodes", f"{detail}; unhealthy: {where}", "`kubectl describe node` has the device plugin's word")


def _lacking(node: Node) -> int:
    have = node.status.capacity.get(GPU)
    return int(parse(have)) - int(parse(node.status.allocatable[GPU])) if have else 0
