"""Watches Workspaces and whatever decides their fate, and brings each to what its spec says."""

from __future__ import annotations

import secrets
from dataclasses import replace
from datetime import timedelta

from footplate.api import Environment, Workspace, labels
from footplate.api.home import PASSWORD_SECRET
from footplate.api.workspace import WorkspacePhase, WorkspaceStatus, token_secret
from footplate.controllers import caches, cluster, contention, kinds, loop
from footplate.controllers.bounds import Bounds
from footplate.controllers.caches import Caches
from footplate.controllers.children import CHANGE_REFUSED, Applier, Slot, compare
from footplate.controllers.cluster import Metadata
from footplate.controllers.collector.reports import Reports
from footplate.controllers.contenders import ASK_AGAIN, Contenders
from footplate.controllers.loop import Refusals, Said, Shared
from footplate.controllers.workspace import homewords, idleness, storage
from footplate.controllers.workspace import pod as pods
from footplate.controllers.workspace.desired import desired
from footplate.controllers.workspace.observed import Observed, has_home, home_name, pod_name
from footplate.controllers.workspace.status import next_look, status, unworkable
from footplate.kube.store import Key

TOKENS_KNOWN = 60.0
"""Seconds for which a token's Secret is taken to be there after it was made or found."""
SETTLE, SETTLE_BUSY = timedelta(seconds=2), timedelta(seconds=10)
SPREAD = 0.05
"""Seconds between those who wait, oldest first, when something was set free: each sees what the one before took."""


class WorkspaceController:
    name = "workspace"

    def __init__(
        self,
        caches_: Caches,
        applier: Applier,
        shared: Shared,
        bounds: Bounds,
        reports: Reports,
        contenders: Contenders,
    ) -> None:
        self.queue = loop.new_queue(self.name, shared.metrics, shared.clock)
        self._caches = caches_
        self._applier = applier
        self._shared = shared
        self._bounds = bounds
        self._reports = reports
        self._contenders = contenders
        contenders.attend(Workspace, self.queue.add)
        self._refusals = Refusals(shared.clock)
        self._vanished: dict[str, str] = {}
        """By workspace: the last pod that was seen to go."""
        self._tokens: dict[tuple[str, str], float] = {}

    def watch(self) -> None:
        c = self._caches
        c.workspaces.add_handler(self._workspace_changed)
        c.pods.add_handler(self._pod_changed)
        c.claims.add_handler(self._claim_changed)
        c.environments.add_handler(self._environment_changed)
        c.settings.add_handler(lambda key, old, new: self._all())
        c.nodes.add_handler(self._node_changed)
        c.quotas.add_handler(lambda key, old, new: self._freed(key.namespace))

    async def reconcile(self, key: Key) -> float | None:
        try:
            return await self._reconcile(key)
        except loop.AT_FAULT as error:
            await loop.give_up(self._shared, self._caches.workspaces, key, error, unworkable)
            return None

    async def _reconcile(self, key: Key) -> float | None:
        ws = self._caches.workspaces.store.get(key)
        if ws is None or ws.metadata.deletion_timestamp is not None:
            return None  # what it owned goes with it
        observed = self._observe(ws)
        actions = compare(desired(ws, observed, self._shared.now()), self._present(ws, observed))
        if actions:
            refusal = await self._applier.apply(actions, key.namespace, ws.metadata.uid)
            if refusal is None:
                self._made(ws, [child.slot for child in actions.create])
            elif refusal.reason != CHANGE_REFUSED:
                self._refusals.add(ws.metadata, refusal)
            observed = replace(self._observe(ws), refused=refusal)
        now = self._shared.now()
        found = status(ws, observed, now)
        after = Workspace(ws.metadata, ws.spec, found)
        if found != ws.status:
            await loop.write_status(self._shared, self._caches.workspaces, ws, found)
            loop.tell(self._shared, ws, said(ws.status, found))
            if compare(desired(after, observed, now), self._present(ws, observed)):
                return 0.0  # what was just written asks for it
        if idleness.is_to_stop(after):
            await self._stop(key, ws)
            return None
        retry = self._refusals.due(ws.metadata) if observed.refused else None
        asks = self._contenders.ask(after, now) if contention.waits(after) else None
        claimed = ASK_AGAIN if found.activity is not None and found.activity.claimed_by is not None else None
        return loop.earliest(next_look(after, observed, now), retry, asks, claimed)

    async def _stop(self, key: Key, ws: Workspace) -> None:
        """As if its owner had asked for it. Raises Conflict where it changed since the decision, which is then made anew."""
        latest = self._caches.workspaces.store.get(key)
        if latest is None or latest.metadata.uid != ws.metadata.uid:
            return
        spec: dict[str, object] = {"desiredState": "Stopped"}
        if ws.spec.idle is not None:
            spec["idle"] = {"keepUntil": None, "stopWhenFinished": None}
        version = {"resourceVersion": latest.metadata.resource_version}
        await self._shared.client.patch(kinds.WORKSPACE, key.name, {"metadata": version, "spec": spec}, key.namespace)

    def _observe(self, ws: Workspace) -> Observed:
        c, namespace = self._caches, ws.metadata.namespace
        secret = token_secret(ws.spec.owner)
        pod = c.pods.store.get(Key(namespace, pod_name(ws)))
        if ws.spec.desired_state == "Stopped":
            self._vanished.pop(ws.metadata.uid, None)
        there = self._knows(namespace, secret)
        return Observed(
            facts=c.facts(namespace, ws.spec.datasets),
            pod=pod,
            home=c.claims.store.get(Key(namespace, home_name(ws))),
            tasks=self._tasks(ws),
            node=c.nodes.store.get(Key("", pod.spec.node_name)) if pod is not None and pod.spec.node_name else None,
            service=Key(namespace, pods.SERVICE) in c.services.store,
            new_token="" if there and not pods.misses(pod, secret) else secrets.token_hex(32),
            new_password="" if self._knows(namespace, PASSWORD_SECRET) else secrets.token_hex(32),
            settle=SETTLE_BUSY if self._shared.busy() else SETTLE,
            vanished=self._vanished.get(ws.metadata.uid),
            refused=self._refusals.standing(ws.metadata),
            claimed_by=self._contenders.claimant(ws, self._shared.now()),
            heard=self._reports.heard(pod.metadata.uid) if pod is not None else None,
            listening=self._reports.listening,
            bounds=self._bounds,
        )

    def _knows(self, namespace: str, secret: str) -> bool:
        return self._tokens.get((namespace, secret), 0.0) > self._shared.clock()

    def _tasks(self, ws: Workspace) -> tuple[cluster.Pod, ...]:
        index = caches.home_index(ws.metadata.namespace, ws.metadata.name)
        pods_ = self._caches.pods.store.by_index(caches.BY_HOME, index)
        return tuple(pod for pod in pods_ if pod.metadata.owned_by(ws.metadata.uid))

    def _present(self, ws: Workspace, observed: Observed) -> dict[Slot, Metadata]:
        """Its pods, and its home where it has one: a home is never removed but with its workspace."""
        found: dict[Slot, Metadata] = {(kinds.POD, pod.name): pod.metadata for pod in observed.tasks}
        uid = ws.metadata.uid
        if observed.pod is not None and observed.pod.metadata.owned_by(uid):
            found[kinds.POD, observed.pod.name] = observed.pod.metadata
        if observed.home is not None and observed.home.metadata.owned_by(uid) and has_home(ws):
            found[kinds.CLAIM, observed.home.metadata.name] = observed.home.metadata
        return found

    def _made(self, ws: Workspace, slots: list[Slot]) -> None:
        self._refusals.forget(ws.metadata.uid)
        for resource, name in slots:
            if resource is kinds.SECRET:
                self._tokens[ws.metadata.namespace, name] = self._shared.clock() + TOKENS_KNOWN

    # What changed, and whom it concerns.

    def _workspace_changed(self, key: Key, old: Workspace | None, new: Workspace | None) -> None:
        if new is None and old is not None:
            self._refusals.forget(old.metadata.uid)
            self._vanished.pop(old.metadata.uid, None)
            return
        self.queue.add(key)

    def _pod_changed(self, key: Key, old: cluster.Pod | None, new: cluster.Pod | None) -> None:
        pod = new or old
        name = pod.metadata.labels.get(labels.WORKSPACE) if pod else None
        if pod is not None and (of_home := pod.metadata.labels.get(labels.HOME)):
            self.queue.add(Key(key.namespace, of_home))
        if pod is None or name is None:
            return
        of = Key(key.namespace, name)
        ws = self._caches.workspaces.store.get(of)
        if new is None:
            self._reports.forget(pod.metadata.uid)
        if new is None and ws is not None and pod.metadata.owned_by(ws.metadata.uid):
            self._vanished[ws.metadata.uid] = pod.metadata.uid
        self.queue.add(of)

    def _claim_changed(self, key: Key, old: cluster.Claim | None, new: cluster.Claim | None) -> None:
        claim = new or old
        name = claim.metadata.labels.get(labels.WORKSPACE) if claim else None
        if name is not None:
            self.queue.add(Key(key.namespace, name))
        if old is None or new is None:
            self._add(self._caches.workspaces.store.by_index(caches.BY_CLAIM, caches.claim_index(*key)))

    def _environment_changed(self, key: Key, old: Environment | None, new: Environment | None) -> None:
        self._add(self._caches.workspaces.store.by_index(caches.BY_ENVIRONMENT, key.name))

    def _all(self) -> None:
        self._add(list(self._caches.workspaces.store))

    def _node_changed(self, key: Key, old: cluster.Node | None, new: cluster.Node | None) -> None:
        self._freed(caches.EVERYWHERE)
        if old is None or new is None or (old.ready, old.spec) != (new.ready, new.spec):
            self._add(self._caches.workspaces.store.by_index(caches.BY_HOST, key.name))

    def _freed(self, where: str) -> None:
        waiting = self._caches.workspaces.store.by_index(caches.BY_WAITING, where)
        waiting.sort(key=_age)
        for place, ws in enumerate(waiting):
            self.queue.add_after(_key(ws), place * SPREAD)

    def _add(self, found: list[Workspace]) -> None:
        for ws in found:
            self.queue.add(_key(ws))


def said(before: WorkspaceStatus, after: WorkspaceStatus) -> list[Said]:
    """What people should hear of: what went wrong. The rest is in the status."""
    return [*storage.said(before, after), *homewords.said(before, after), *_said(before, after)]


def _said(before: WorkspaceStatus, after: WorkspaceStatus) -> list[Said]:
    reason = _ready_reason(after)
    message = after.message or ""
    if about_idleness := idleness.said(before, after):
        return about_idleness
    if after.phase is WorkspacePhase.FAILED and before.phase is not WorkspacePhase.FAILED:
        return [Said("Warning", reason, "Start", message)]
    if reason == "PodLost" and (after.restarts, after.retry_at) != (before.restarts, before.retry_at):
        return [Said("Warning", reason, "Restart", message)]
    if after.phase is WorkspacePhase.QUEUED and reason != _ready_reason(before):
        return [Said("Warning", reason, "Start", message)]
    return []


def _ready_reason(found: WorkspaceStatus) -> str:
    return next((c.reason for c in found.conditions if c.type == "Ready"), "")


def _key(ws: Workspace) -> Key:
    return Key(ws.metadata.namespace, ws.metadata.name)


def _age(ws: Workspace) -> tuple[float, str]:
    created = ws.metadata.creation_timestamp
    return created.timestamp() if created else 0.0, ws.metadata.name
