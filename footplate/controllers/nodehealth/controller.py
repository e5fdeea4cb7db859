"""Writes on a node what jobs found out about it: once an incident, and once when the last of them is forgotten."""

from __future__ import annotations

from footplate.api import TrainingJob
from footplate.controllers import caches, kinds, loop
from footplate.controllers.caches import Caches
from footplate.controllers.loop import Shared
from footplate.controllers.nodehealth import suspicion
from footplate.kube.errors import NotFound
from footplate.kube.store import Key


class NodeHealthController:
    name = "nodehealth"

    def __init__(self, caches_: Caches, shared: Shared) -> None:
        self.queue = loop.new_queue(self.name, shared.metrics, shared.clock)
        self._caches = caches_
        self._shared = shared

    def watch(self) -> None:
        self._caches.training_jobs.add_handler(self._job_changed)

    async def reconcile(self, key: Key) -> float | None:
        node = self._caches.nodes.store.get(key)
        if node is None:
            return None
        now = self._shared.now()
        jobs = self._caches.training_jobs.store.by_index(caches.BY_SUSPECT, key.name)
        written = node.metadata.annotations.get(suspicion.ANNOTATION)
        found = [incident for job in jobs for incident in suspicion.of_job(job, key.name)]
        incidents = suspicion.remembered(suspicion.decode(written), found, now)
        text = suspicion.encode(incidents)
        if text != written:
            body = {"metadata": {"annotations": {suspicion.ANNOTATION: text}}}
            try:
                await self._shared.client.patch(kinds.NODE, key.name, body)
            except NotFound:
                return None
        due = suspicion.forgets(incidents)
        return max((due - now).total_seconds(), 1.0) if due is not None else None

    def _job_changed(self, key: Key, old: TrainingJob | None, new: TrainingJob | None) -> None:
        """At every change of a job that has suspects: what we wrote ourselves is no longer seen as a change here."""
        for name in suspicion.suspects_of(new) if new is not None else ():
            self.queue.add(Key("", name))
