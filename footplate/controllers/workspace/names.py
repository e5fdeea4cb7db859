"""DNS names of a team's workspaces: EndpointSlices of the headless Service `workspaces`, one for many workspaces.

A Service with a selector would do it without a line of code here, and at a price: Kubernetes writes all endpoints of the
Service anew for each pod that becomes ready, so that 500 workspaces that start together cost hundreds of writes of up
to 500 addresses. Here a namespace is written at most once in `PAUSE` seconds, with all that has changed meanwhile.

Source: https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from footplate.api import labels
from footplate.api.workspace import PORT
from footplate.controllers import caches, cluster, kinds, loop
from footplate.controllers.caches import Caches
from footplate.controllers.children import labelled, team_of
from footplate.controllers.cluster import Endpoint, EndpointConditions, EndpointSlice, Pod
from footplate.controllers.loop import Shared
from footplate.controllers.workspace.pod import SERVICE
from footplate.kube.errors import AlreadyExists, Conflict, NotFound
from footplate.kube.store import Key

Json = dict[str, Any]

PAUSE, PAUSE_BUSY = 1.0, 4.0
MOST = 1000
"""Endpoints in a slice, by the API's own rule."""


def desired(pods: Iterable[Pod]) -> dict[str, tuple[str, tuple[Endpoint, ...]]]:
    """Slices by name: address type and endpoints. Ready pods only: a name leads to a server that answers."""
    found: dict[str, tuple[str, tuple[Endpoint, ...]]] = {}
    ready = sorted((pod for pod in pods if pod.ready and pod.status.pod_ip), key=lambda pod: pod.name)
    for type_, marks in (("IPv4", False), ("IPv6", True)):
        family = [pod for pod in ready if (":" in pod.status.pod_ip) is marks]
        for number, part in enumerate(_parts(family)):
            name = f"{SERVICE}-{type_.lower()}-{number}"
            found[name] = (type_, tuple(_endpoint(pod) for pod in part))
    return found


def _parts(pods: list[Pod]) -> list[list[Pod]]:
    return [pods[start : start + MOST] for start in range(0, len(pods), MOST)]


def _endpoint(pod: Pod) -> Endpoint:
    return Endpoint((pod.status.pod_ip,), pod.metadata.labels[labels.WORKSPACE], EndpointConditions(ready=True))


def manifest(namespace: str, name: str, type_: str, endpoints: tuple[Endpoint, ...]) -> Json:
    ours = labelled("workspace", SERVICE, team_of(namespace), None)
    del ours[labels.OWNER]
    ours |= {
        labels.WORKSPACES: "names",
        "kubernetes.io/service-name": SERVICE,
        "endpointslice.kubernetes.io/managed-by": kinds.MANAGER,
    }
    listed = [{"addresses": e.addresses, "hostname": e.hostname, "conditions": {"ready": True}} for e in endpoints]
    ports = [{"name": "http", "port": PORT, "protocol": "TCP"}]
    return {"metadata": {"name": name, "labels": ours}, "addressType": type_, "endpoints": listed, "ports": ports}


class NamesController:
    """Its keys are namespaces."""

    name = "names"

    def __init__(self, caches_: Caches, shared: Shared) -> None:
        self.queue = loop.new_queue(self.name, shared.metrics, shared.clock)
        self._caches = caches_
        self._shared = shared
        self._next: dict[str, float] = {}
        """By namespace: when it may be written again."""

    def watch(self) -> None:
        self._caches.pods.add_handler(self._pod_changed)
        self._caches.slices.add_handler(lambda key, old, new: self.queue.add(Key("", key.namespace)))

    async def reconcile(self, key: Key) -> float | None:
        namespace = key.name
        wait = self._next.get(namespace, 0.0) - self._shared.clock()
        if wait > 0:
            return wait
        pods = self._caches.pods.store.by_index(caches.BY_WORKSPACES_OF, namespace)
        wanted = desired(pods)
        there = {s.metadata.name: s for s in self._caches.slices.store.by_index(caches.BY_NAMESPACE, namespace)}
        changed = [name for name, what in wanted.items() if not _same(there.get(name), *what)]
        extra = [found for name, found in there.items() if name not in wanted]
        if not changed and not extra:
            return None
        self._next[namespace] = self._shared.clock() + (PAUSE_BUSY if self._shared.busy() else PAUSE)
        for name in changed:
            await self._write(namespace, manifest(namespace, name, *wanted[name]), there.get(name))
        for found in extra:
            await self._remove(namespace, found)
        return None

    async def _write(self, namespace: str, body: Json, there: EndpointSlice | None) -> None:
        informer = self._caches.slices
        try:
            if there is None:
                made = await self._shared.client.create(informer.resource, body, namespace, type=informer.type)
            else:
                body["metadata"]["resourceVersion"] = there.metadata.resource_version
                made = await self._shared.client.replace(informer.resource, body, namespace, type=informer.type)
        except (AlreadyExists, NotFound):
            return  # the cache is behind: the slice's event comes
        informer.learn(made)

    async def _remove(self, namespace: str, found: EndpointSlice) -> None:
        try:
            await self._shared.client.delete(
                kinds.ENDPOINT_SLICE, found.metadata.name, namespace, uid=found.metadata.uid
            )
        except (NotFound, Conflict):
            pass

    def _pod_changed(self, key: Key, old: cluster.Pod | None, new: cluster.Pod | None) -> None:
        pod = new or old
        if pod is not None and labels.WORKSPACE in pod.metadata.labels and _shows(old) != _shows(new):
            self.queue.add(Key("", key.namespace))


def _shows(pod: Pod | None) -> str:
    return pod.status.pod_ip if pod is not None and pod.ready else ""


def _same(there: EndpointSlice | None, type_: str, endpoints: tuple[Endpoint, ...]) -> bool:
    return there is not None and there.address_type == type_ and there.endpoints == endpoints
