"""Contention as the caches have it: who of those that hold nodes should leave now, and for whom."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from footplate.api import TrainingJob, Workspace
from footplate.api.platform import PRIORITIES
from footplate.controllers import caches, contention
from footplate.controllers.caches import Caches
from footplate.controllers.contention import Holder
from footplate.controllers.trainingjob.observed import last_attempt
from footplate.controllers.trainingjob.queueing import Queueing, choose
from footplate.controllers.workspace.observed import pod_name
from footplate.kube.store import Key

ASK_AGAIN = 30.0
"""Seconds between looks while something waits for room, or is about to leave for it."""


class Contenders:
    """One for the controllers of both kinds, each of which says how its objects are made to look at themselves."""

    def __init__(self, caches_: Caches, patience: timedelta) -> None:
        """`patience`: who waits for room waits at least so long before others are asked for it."""
        self._caches = caches_
        self._patience = patience
        self._look: dict[type[TrainingJob | Workspace], Callable[[Key], None]] = {}

    def attend(self, kind: type[TrainingJob | Workspace], look: Callable[[Key], None]) -> None:
        self._look[kind] = look

    def ask(self, waiting: TrainingJob | Workspace, now: datetime) -> float | None:
        """Those who should make room for it look at themselves; seconds until it is worth asking again."""
        due = contention.asks_at(waiting, self._patience)
        if due is None or (isinstance(waiting, TrainingJob) and self._by_kueue()):
            return None
        if now < due:
            return max((due - now).total_seconds(), 0.0) + 0.1
        holders = self._holders(waiting, now)
        for victim in self._victims(waiting, holders, now):
            self._look[type(victim.of)](Key(victim.of.metadata.namespace, victim.of.metadata.name))
        return ASK_AGAIN if holders else None

    def job_to_leave_for(self, job: TrainingJob, now: datetime) -> TrainingJob | None:
        last = last_attempt(job)
        if last is None or last.end is not None or last.cause is not None:
            return None
        above = [
            other for other in self._waiting_jobs() if PRIORITIES[other.spec.priority] < PRIORITIES[job.spec.priority]
        ]
        first = contention.head(above, now, self._patience)
        return first if first is not None and self._is_chosen(job, first, now) else None

    def claimant(self, ws: Workspace, now: datetime) -> TrainingJob | Workspace | None:
        """Who waits for the GPU of an idle workspace, as far as the others that leave for it do not suffice."""
        if not contention.idle(ws, now):
            return None
        activity = ws.status.activity
        claimed = activity.claimed_by if activity is not None else None
        if claimed is not None:
            # Told once, it is spared only if that one waits no more.
            found = [
                one for one in (*self._waiting_jobs(), *self._waiting_workspaces()) if contention.key(one) == claimed
            ]
            return found[0] if found and contention.waits(found[0]) else None
        heads = (
            contention.head(self._waiting_workspaces(), now, self._patience),
            contention.head(self._waiting_jobs(), now, self._patience),
        )
        return next((first for first in heads if first is not None and self._is_chosen(ws, first, now)), None)

    def _by_kueue(self) -> bool:
        platform = self._caches.platform
        return platform is None or choose(platform, self._caches.served) is Queueing.KUEUE

    def _is_chosen(self, holder: TrainingJob | Workspace, first: TrainingJob | Workspace, now: datetime) -> bool:
        chosen = self._victims(first, self._holders(first, now), now)
        return any(victim.of.metadata.uid == holder.metadata.uid for victim in chosen)

    def _victims(self, waiting: TrainingJob | Workspace, holders: list[Holder], now: datetime) -> list[Holder]:
        c = self._caches
        return contention.victims(waiting, holders, c.capacity.rooms, c.usage.by_node, now)

    def _waiting_jobs(self) -> list[TrainingJob]:
        if self._by_kueue():
            return []
        return self._caches.training_jobs.store.by_index(caches.BY_WAITING, caches.EVERYWHERE)

    def _waiting_workspaces(self) -> list[Workspace]:
        return self._caches.workspaces.store.by_index(caches.BY_WAITING, caches.EVERYWHERE)

    def _holders(self, waiting: TrainingJob | Workspace, now: datetime) -> list[Holder]:
        """Who could leave for it."""
        found: list[Holder] = []
        if waiting.spec.resources.gpu is not None:
            found += [Holder(ws, (node,)) for ws in self._caches.workspaces.store if (node := self._node_of(ws, now))]
        if isinstance(waiting, TrainingJob):
            found += self._jobs_below(waiting)
        return found

    def _node_of(self, ws: Workspace, now: datetime) -> str:
        if not (contention.idle(ws, now) or ws.spec.desired_state == "Stopped"):
            return ""
        pod = self._caches.pods.store.get(Key(ws.metadata.namespace, pod_name(ws)))
        return pod.spec.node_name if pod is not None and not pod.ended else ""

    def _jobs_below(self, waiting: TrainingJob) -> list[Holder]:
        found: list[Holder] = []
        for other in self._caches.training_jobs.store:
            last = last_attempt(other)
            below = PRIORITIES[other.spec.priority] > PRIORITIES[waiting.spec.priority]
            if not below or last is None or last.end is not None:
                continue
            index = caches.job_index(other.metadata.namespace, other.metadata.name)
            pods = self._caches.pods.store.by_index(caches.BY_JOB, index)
            nodes = tuple(pod.spec.node_name for pod in pods if pod.spec.node_name and not pod.ended)
            if nodes:
                found.append(Holder(other, nodes))
        return found
