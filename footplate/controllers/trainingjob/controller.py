"""Watches TrainingJobs and whatever decides their fate, and brings each to what its spec says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

from footplate.api import Environment, TrainingJob, labels
from footplate.api.trainingjob import JobPhase, TrainingJobStatus
from footplate.controllers import caches, cluster, contention, kinds, loop
from footplate.controllers.bounds import Bounds
from footplate.controllers.caches import Caches
from footplate.controllers.children import Applier, Slot, compare
from footplate.controllers.cluster import Metadata
from footplate.controllers.collector.heartbeats import Heartbeats
from footplate.controllers.contenders import Contenders
from footplate.controllers.failure.nodes import gpu_trouble, lost, reclaimed
from footplate.controllers.loop import Refusals, Said, Shared
from footplate.controllers.trainingjob import asked, hanging
from footplate.controllers.trainingjob.attempts import removal
from footplate.controllers.trainingjob.desired import desired
from footplate.controllers.trainingjob.hanging import Vital
from footplate.controllers.trainingjob.observed import Observed, current, last_attempt, number_of
from footplate.controllers.trainingjob.pulse import SILENT
from footplate.controllers.trainingjob.status import next_look, status, unworkable
from footplate.kube.errors import Conflict, NotFound
from footplate.kube.resource import Resource
from footplate.kube.store import Key

SPREAD = 0.05
"""Seconds between those who wait, oldest first, when something was set free: each sees what the one before took."""

HOLD = 5.0
"""Seconds between looks while room is kept for another."""

T = TypeVar("T", cluster.Job, cluster.Pod, cluster.PodGroup, cluster.Bare)
Labelled = cluster.Job | cluster.Pod | cluster.PodGroup | cluster.Bare


class TrainingJobController:
    name = "trainingjob"

    def __init__(
        self,
        caches_: Caches,
        applier: Applier,
        shared: Shared,
        bounds: Bounds,
        heartbeats: Heartbeats,
        contenders: Contenders,
    ) -> None:
        self.queue = loop.new_queue(self.name, shared.metrics, shared.clock)
        self._caches = caches_
        self._applier = applier
        self._shared = shared
        self._bounds = bounds
        self._heartbeats = heartbeats
        self._contenders = contenders
        contenders.attend(TrainingJob, self.queue.add)
        self._refusals = Refusals(shared.clock)

    def watch(self) -> None:
        c = self._caches
        c.training_jobs.add_handler(self._job_changed)
        c.pods.add_handler(self._pod_changed)
        for informer in (c.jobs, c.services):
            informer.add_handler(self._child_changed)
        if c.served.pod_groups:
            c.pod_groups.add_handler(self._child_changed)
        if c.served.kueue:
            c.admissions.add_handler(self._admission_changed)
        c.claims.add_handler(self._claim_changed)
        c.environments.add_handler(self._environment_changed)
        c.settings.add_handler(lambda key, old, new: self._freed(caches.EVERYWHERE))
        c.nodes.add_handler(self._node_changed)
        c.quotas.add_handler(lambda key, old, new: self._freed(key.namespace))

    async def reconcile(self, key: Key) -> float | None:
        try:
            return await self._reconcile(key)
        except loop.AT_FAULT as error:
            await loop.give_up(self._shared, self._caches.training_jobs, key, error, unworkable)
            return None

    async def _reconcile(self, key: Key) -> float | None:
        job = self._caches.training_jobs.store.get(key)
        if job is None or job.metadata.deletion_timestamp is not None:
            return None  # what it owned goes with it
        now = self._shared.now()
        over = removal(job)
        if over is not None and over <= now:
            await self._remove(job)
            return None
        observed = await self._observe(job, now)
        actions = compare(desired(job, observed, now), _present(job, observed))
        if actions:
            refusal = await self._applier.apply(actions, key.namespace, job.metadata.uid)
            if refusal is not None:
                self._refusals.add(job.metadata, refusal)
            observed = replace(await self._observe(job, now), refused=refusal)
        now = self._shared.now()
        found = status(job, observed, now)
        after = TrainingJob(job.metadata, job.spec, found)
        if found != job.status:
            await loop.write_status(self._shared, self._caches.training_jobs, job, found)
            loop.tell(self._shared, job, said(job.status, found))
            if compare(desired(after, observed, now), _present(job, observed)):
                return 0.0  # what was just written asks for it
        self._ask_for_stacks(after, observed)
        retry = self._refusals.due(job.metadata) if observed.refused else None
        asks = self._contenders.ask(after, now) if contention.waits(after) else None
        holds = HOLD if observed.holds_for is not None else None
        return loop.earliest(next_look(after, observed, now), retry, asks, holds)

    def _ask_for_stacks(self, job: TrainingJob, observed: Observed) -> None:
        batch, last = observed.jobs.get(current(job)), last_attempt(job)
        if batch is None or last is None or last.cause is not None:
            return
        found = hanging.examine(observed.pulse, last.nodes, hanging.timeout_of(job), self._bounds)
        if found.vital is Vital.HUNG and observed.pulse.asked is None:
            self._heartbeats.ask(batch.metadata.uid)
        elif found.vital is Vital.ALIVE and observed.pulse.asked is not None:
            self._heartbeats.withdraw(batch.metadata.uid)

    def _holds_for(self, job: TrainingJob, now: datetime) -> str | None:
        last, name = last_attempt(job), contention.gave_way_to(job)
        if last is None or last.end is None or name is None or now >= last.end + self._bounds.handover:
            return None
        other = self._caches.training_jobs.store.get(Key(*name.split("/", 1)))
        return name if contention.still_comes(other) else None

    async def _remove(self, job: TrainingJob) -> None:
        try:
            await self._shared.client.delete(
                kinds.TRAINING_JOB, job.metadata.name, job.metadata.namespace, uid=job.metadata.uid
            )
        except (NotFound, Conflict):
            pass

    async def _observe(self, job: TrainingJob, now: datetime) -> Observed:
        c, uid = self._caches, job.metadata.uid
        index = caches.job_index(job.metadata.namespace, job.metadata.name)
        jobs = _by_attempt(c.jobs.store.by_index(caches.BY_JOB, index), uid)
        batch = jobs.get(current(job))
        pods = _pods_by_attempt(job, jobs, c.pods.store.by_index(caches.BY_JOB, index))
        ranks, client = pods.get(current(job), ()), self._shared.client
        return Observed(
            facts=c.facts(job.metadata.namespace, job.spec.datasets),
            jobs=jobs,
            pods=pods,
            groups=_by_attempt(c.pod_groups.store.by_index(caches.BY_JOB, index), uid),
            services=_by_attempt(c.services.store.by_index(caches.BY_JOB, index), uid),
            nodes=self._nodes_of(ranks),
            admission=_first(c.admissions.store.by_index(caches.BY_OWNER, batch.metadata.uid)) if batch else None,
            claimed_by=self._contenders.job_to_leave_for(job, now),
            holds_for=self._holds_for(job, now),
            pods_refused=await asked.pods_refused(client, job, batch, len(ranks), now, self._bounds.pods_created),
            unseen=await asked.unseen(client, job, batch, ranks),
            refused=self._refusals.standing(job.metadata),
            bounds=self._bounds,
            pulse=self._heartbeats.heard(batch.metadata.uid) if batch else SILENT,
            reporting=self._heartbeats.load.attempts,
        )

    def _nodes_of(self, pods: tuple[cluster.Pod, ...]) -> dict[str, cluster.Node | None]:
        names = {pod.spec.node_name for pod in pods if pod.spec.node_name}
        return {name: self._caches.nodes.store.get(Key("", name)) for name in names}

    # What changed, and whom it concerns.

    def _job_changed(self, key: Key, old: TrainingJob | None, new: TrainingJob | None) -> None:
        if new is None and old is not None:
            self._refusals.forget(old.metadata.uid)
            return
        self.queue.add(key)

    def _child_changed(self, key: Key, old: Labelled | None, new: Labelled | None) -> None:
        child = new or old
        name = child.metadata.labels.get(labels.JOB) if child else None
        if name is not None:
            self.queue.add(Key(key.namespace, name))

    def _pod_changed(self, key: Key, old: cluster.Pod | None, new: cluster.Pod | None) -> None:
        if new is None and old is not None:
            for owner in old.metadata.owner_references:
                self._heartbeats.forget(owner.uid, old.metadata.uid)
        self._child_changed(key, old, new)

    def _admission_changed(self, key: Key, old: cluster.Admission | None, new: cluster.Admission | None) -> None:
        workload = new or old
        for owner in workload.metadata.owner_references if workload else ():
            batch = self._caches.jobs.store.get(Key(key.namespace, owner.name))
            name = batch.metadata.labels.get(labels.JOB) if batch else None
            if name is not None:
                self.queue.add(Key(key.namespace, name))

    def _claim_changed(self, key: Key, old: cluster.Claim | None, new: cluster.Claim | None) -> None:
        if old is None or new is None:
            self._add(self._caches.training_jobs.store.by_index(caches.BY_CLAIM, caches.claim_index(*key)))

    def _environment_changed(self, key: Key, old: Environment | None, new: Environment | None) -> None:
        self._add(self._caches.training_jobs.store.by_index(caches.BY_ENVIRONMENT, key.name))

    def _node_changed(self, key: Key, old: cluster.Node | None, new: cluster.Node | None) -> None:
        if _health(old) != _health(new):
            for pod in self._caches.pods.store.by_index(caches.BY_NODE, key.name):
                self._child_changed(Key(pod.metadata.namespace, pod.name), None, pod)
        self._freed(caches.EVERYWHERE)

    def _freed(self, where: str) -> None:
        waiting = self._caches.training_jobs.store.by_index(caches.BY_WAITING, where)
        waiting.sort(key=_age)
        for place, job in enumerate(waiting):
            self.queue.add_after(_key(job), place * SPREAD)

    def _add(self, found: Iterable[TrainingJob]) -> None:
        for job in found:
            if job.status.phase is None or not job.status.phase.ended:
                self.queue.add(_key(job))


def _present(job: TrainingJob, observed: Observed) -> dict[Slot, Metadata]:
    found: dict[Slot, Metadata] = {}
    ranks = [pod for pod in observed.pods.get(current(job), ()) if not pod.ended]
    kept: tuple[tuple[Resource, Iterable[Metadata]], ...] = (
        (kinds.POD, (pod.metadata for pod in ranks) if current(job) in observed.jobs else ()),
        (kinds.JOB, (batch.metadata for batch in observed.jobs.values())),
        (kinds.SERVICE, (service.metadata for service in observed.services.values())),
        (kinds.POD_GROUP, (group.metadata for group in observed.groups.values())),
    )
    for resource, many in kept:
        for metadata in many:
            found[resource, metadata.name] = metadata
    return found


def _by_attempt(found: list[T], uid: str) -> dict[int, T]:
    return {number_of(obj.metadata): obj for obj in found if obj.metadata.owned_by(uid)}


def _pods_by_attempt(
    job: TrainingJob, jobs: dict[int, cluster.Job], found: list[cluster.Pod]
) -> dict[int, tuple[cluster.Pod, ...]]:
    """With those whose Job is gone already; a predecessor of the same name left pods that are older than this job."""
    owners = {batch.metadata.uid for batch in jobs.values()}
    born = job.metadata.creation_timestamp
    pods: dict[int, tuple[cluster.Pod, ...]] = {}
    for pod in found:
        created = pod.metadata.creation_timestamp
        ours = any(owner.uid in owners for owner in pod.metadata.owner_references)
        if ours or born is None or created is None or created >= born:
            number = number_of(pod.metadata)
            pods[number] = (*pods.get(number, ()), pod)
    return pods


def _health(node: cluster.Node | None) -> object:
    """What of a node decides on the ranks that run there."""
    return (lost(node), gpu_trouble(node), reclaimed(node)) if node is not None else None


def _first(found: list[cluster.Admission]) -> cluster.Admission | None:
    return found[0] if found else None


def said(before: TrainingJobStatus, after: TrainingJobStatus) -> list[Said]:
    """What people should hear of: attempts that failed, and how the job ended."""
    found: list[Said] = []
    told = {attempt.number for attempt in before.attempts if attempt.end is not None}
    for attempt in after.attempts:
        if attempt.end is not None and attempt.cause is not None and attempt.number not in told:
            note = f"Attempt {attempt.number} ended: {attempt.cause.evidence}."
            found.append(Said("Warning", f"Attempt{attempt.cause.class_}", "Run", note))
    if after.phase is not None and after.phase.ended and after.phase is not before.phase:
        kind = "Warning" if after.phase is JobPhase.FAILED else "Normal"
        found.append(Said(kind, after.phase.value, "End", after.message or ""))
    return found


def _key(job: TrainingJob) -> Key:
    return Key(job.metadata.namespace, job.metadata.name)


def _age(job: TrainingJob) -> tuple[float, str]:
    created = job.metadata.creation_timestamp
    return created.timestamp() if created else 0.0, job.metadata.name
