"""A port of this machine's loopback that leads to a Service of the cluster, for as long as a command needs it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from footplate.client.kinds import POD, SERVICE
from footplate.client.relaying import listening, relay
from footplate.errors import ClusterAccess
from footplate.kube.client import Client
from footplate.kube.errors import KubeError


@dataclass(frozen=True)
class ServicePort:
    namespace: str
    name: str
    port: int


def service_of(url: str) -> ServicePort | None:
    """`http://store.system.svc:7070` → its Service; None for an address that is not within a cluster."""
    parts = urlsplit(url)
    labels = (parts.hostname or "").split(".")
    if len(labels) < 3 or labels[2] != "svc" or labels[3:] not in ([], ["cluster", "local"]):
        return None
    return ServicePort(labels[1], labels[0], parts.port or 80)


@asynccontextmanager
async def forwarded(kube: Client, service: ServicePort) -> AsyncGenerator[int]:
    """The local port. Each connection goes to a pod of the Service that is ready at its start."""
    await _pod(kube, service)  # an error now says more than a connection that breaks later

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            name, port = await _pod(kube, service)
            async with kube.port_forward(service.namespace, name, port) as pod:
                await relay(reader, writer, pod)
        except (OSError, KubeError, ClusterAccess):
            pass  # the client of this connection sees it closed, and tries again

    async with listening(handle) as port:
        yield port


async def _pod(kube: Client, service: ServicePort) -> tuple[str, int]:
    """Name and port of a pod behind the Service. Raises ClusterAccess where none is ready."""
    found = await kube.get(SERVICE, service.name, service.namespace)
    entry: dict[str, Any] = next(
        (port for port in found["spec"]["ports"] if port["port"] == service.port), found["spec"]["ports"][0]
    )
    pods = (await kube.list(POD, service.namespace, labels=found["spec"]["selector"])).items
    for pod in pods:
        if any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", ())):
            return pod["metadata"]["name"], _target_port(pod, entry.get("targetPort", service.port))
    raise ClusterAccess(
        f"No pod of Service {service.namespace}/{service.name} is ready.",
        f"see `kubectl get pods -n {service.namespace}`",
    )


def _target_port(pod: dict[str, Any], wanted: int | str) -> int:
    if isinstance(wanted, int):
        return wanted
    ports = (port for container in pod["spec"]["containers"] for port in container.get("ports", ()))
    return next(port["containerPort"] for port in ports if port.get("name") == wanted)
