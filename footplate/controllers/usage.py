"""Publishes what the cluster has, who holds it and who waits (`footplate.api.usage`), for explanations and reports."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from footplate.api import TrainingJob, Workspace, labels, usage
from footplate.api.trainingjob import JobPhase
from footplate.api.usage import Holder, Pool, Usage, Waiter
from footplate.controllers import contention, gpus, kinds, loop
from footplate.controllers.caches import Caches
from footplate.controllers.children import team_of
from footplate.controllers.cluster import ConfigMap, Pod
from footplate.controllers.loop import Shared
from footplate.controllers.nodehealth.suspicion import is_suspect
from footplate.controllers.room import Amounts, Room, amount, of_pod
from footplate.kube.errors import NotFound
from footplate.kube.store import Key

PAUSE = 5.0
"""Seconds between writes."""
MOST = 200
"""Holders and waiters named."""

log = logging.getLogger(__name__)


def measure(
    rooms: Iterable[Room],
    used: dict[str, Amounts],
    pods: Iterable[Pod],
    jobs: Iterable[TrainingJob],
    workspaces: Iterable[Workspace],
    now: datetime,
) -> Usage:
    rooms, jobs = tuple(rooms), tuple(jobs)
    types = {room.name: gpus.type_of(room.labels) for room in rooms}
    return Usage(
        _pools(rooms, used, types, now), _holders(pods, types, jobs), tuple(queue([*jobs, *workspaces])[:MOST])
    )


def _unit(room: Room) -> str:
    """What its pods are counted by: a kind of GPU where it has one."""
    return next((name for name in sorted(room.amounts) if name.startswith("nvidia.com/")), "cpu")


def _pools(rooms: tuple[Room, ...], used: dict[str, Amounts], types: dict[str, str], now: datetime) -> tuple[Pool, ...]:
    found: dict[tuple[str, str], list[Room]] = {}
    for room in rooms:
        found.setdefault((_unit(room), types[room.name]), []).append(room)
    pools: list[Pool] = []
    for (resource, gpu), members in sorted(found.items(), reverse=True):
        taken = {room.name: int(_used(room, used).get(resource, 0)) for room in members}
        has = {room.name: int(room.amounts.get(resource, 0)) for room in members}
        free = Counter(str(max(0, has[room.name] - taken[room.name])) for room in members if room.open)
        most = max(has.values())
        shared = [room for room in members if resource != "cpu" and not room.reserved]
        cpus = Counter(_free_cpus(room, used) for room in shared if room.open)
        pools.append(
            Pool(
                resource,
                gpu,
                len(members),
                sum(has.values()),
                sum(taken.values()),
                dict(sorted(free.items())),
                most,
                next(name for name, number in sorted(has.items()) if number == most),
                dict(sorted(cpus.items())),
                max((int(room.amounts.get("cpu", 0)) for room in shared), default=0),
                sum(not room.open for room in members),
                tuple(room.name for room in members if is_suspect(room.incidents, now))[:20],
            )
        )
    return tuple(pools)


def _free_cpus(room: Room, used: dict[str, Amounts]) -> str:
    return str(max(0, int(room.amounts.get("cpu", 0) - _used(room, used).get("cpu", 0))))


def _used(room: Room, used: dict[str, Amounts]) -> Amounts:
    return {gpus.offered(name, room.labels): number for name, number in used.get(room.name, {}).items()}


def _holders(pods: Iterable[Pod], types: dict[str, str], jobs: tuple[TrainingJob, ...]) -> tuple[Holder, ...]:
    known = {(job.metadata.namespace, job.metadata.name): job for job in jobs}
    units: Counter[tuple[str, str, str, str, str]] = Counter()
    for pod in pods:
        kind, name = _owner(pod)
        if not name or pod.ended or pod.spec.node_name not in types:
            continue
        for resource, number in of_pod(pod).items():
            if resource.startswith("nvidia.com/"):
                units[pod.metadata.namespace, name, kind, resource, types[pod.spec.node_name]] += int(number)
    holders: list[Holder] = []
    for (namespace, name, kind, resource, gpu), count in units.items():
        job = known.get((namespace, name)) if kind == "job" else None
        priority = job.spec.priority if job else "interactive"
        since = job.status.attempts[-1].start if job and job.status.attempts else None
        holders.append(Holder(team_of(namespace), name, kind, resource, gpu, count, priority, since))
    return tuple(sorted(holders, key=lambda h: (-h.units, h.team, h.name))[:MOST])


def _owner(pod: Pod) -> tuple[str, str]:
    marked = pod.metadata.labels
    return ("job", marked[labels.JOB]) if labels.JOB in marked else ("workspace", marked.get(labels.WORKSPACE, ""))


def queue(objects: Iterable[TrainingJob | Workspace]) -> list[Waiter]:
    """In the order in which they are placed."""
    return [_waiter(one) for one in sorted((one for one in objects if _waits(one)), key=contention.order)]


def _waits(one: TrainingJob | Workspace) -> bool:
    return contention.waits(one) if isinstance(one, Workspace) else one.status.phase is JobPhase.QUEUED


def _waiter(one: TrainingJob | Workspace) -> Waiter:
    gpu, workspace = one.spec.resources.gpu, isinstance(one, Workspace)
    units = gpu.count if gpu else int(amount(one.spec.resources.cpu).to_integral_value(rounding="ROUND_UP"))
    return Waiter(
        team_of(one.metadata.namespace),
        one.metadata.name,
        one.spec.priority,
        one.metadata.creation_timestamp,
        1 if isinstance(one, Workspace) else one.spec.nodes,
        (gpu.type or "any") if gpu else "",
        units,
        "workspace" if workspace else "job",
    )


class UsageController:
    """It has one key. What is written is compared with what is there, so that nothing is written twice."""

    name = "usage"

    def __init__(self, caches_: Caches, shared: Shared, system: str) -> None:
        self.queue = loop.new_queue(self.name, shared.metrics, shared.clock)
        self._caches = caches_
        self._shared = shared
        self._key = Key(system, usage.CONFIG_MAP)
        self._next = 0.0

    def watch(self) -> None:
        for informer in (self._caches.nodes, self._caches.training_jobs, self._caches.workspaces, self._caches.pods):
            informer.add_handler(lambda key, old, new: self.queue.add(self._key))

    async def reconcile(self, key: Key) -> float | None:
        wait = self._next - self._shared.clock()
        if wait > 0:
            return wait
        self._next = self._shared.clock() + PAUSE
        c, now = self._caches, self._shared.now()
        found = measure(
            c.capacity.rooms, dict(c.usage.by_node), c.pods.store, c.training_jobs.store, c.workspaces.store, now
        )
        data = usage.encode(found)
        try:
            there = await self._shared.client.get(kinds.CONFIG_MAP, key.name, key.namespace, type=ConfigMap)
            if there.data != data:
                await self._shared.client.patch(kinds.CONFIG_MAP, key.name, {"data": data}, key.namespace)
        except NotFound:
            log.warning("ConfigMap %s is missing: `footplate up` makes it", key)
        return None
