"""The leader's address behind the Service to which pods report: one EndpointSlice that it writes, and looks after.

Source: https://kubernetes.io/docs/concepts/services-networking/service/#services-without-selectors
"""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from footplate.api.platform import COLLECTOR, COLLECTOR_PORT
from footplate.controllers import kinds
from footplate.controllers.cluster import Endpoint, EndpointConditions, EndpointSlice
from footplate.kube.client import Client
from footplate.kube.errors import KubeError, NotFound

LOOK, RETRY = 60.0, 2.0
"""Seconds between looks at what is there, and before another try after an error."""

log = logging.getLogger(__name__)


def manifest(system: str, address: str) -> dict[str, Any]:
    family = "IPv6" if ":" in address else "IPv4"
    return {
        "metadata": {
            "name": COLLECTOR,
            "namespace": system,
            "labels": {
                "kubernetes.io/service-name": COLLECTOR,
                "endpointslice.kubernetes.io/managed-by": kinds.MANAGER,
            },
        },
        "addressType": family,
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
        "ports": [{"name": "http", "port": COLLECTOR_PORT, "protocol": "TCP"}],
    }


async def announce(client: Client, system: str, address: str) -> None:
    """Until it is cancelled."""
    while True:
        try:
            await _settle(client, system, address)
            await asyncio.sleep(LOOK)
        except KubeError as error:
            log.warning("the collector's address cannot be written: %s", error)
            await asyncio.sleep(RETRY)


async def _settle(client: Client, system: str, address: str) -> None:
    body = manifest(system, address)
    wanted = (Endpoint((address,), "", EndpointConditions(ready=True)),)
    try:
        found = await client.get(kinds.ENDPOINT_SLICE, COLLECTOR, system, type=EndpointSlice)
    except NotFound:
        await client.create(kinds.ENDPOINT_SLICE, body, system)
        return
    if found.address_type != body["addressType"]:  # which cannot be changed
        await client.delete(kinds.ENDPOINT_SLICE, COLLECTOR, system, uid=found.metadata.uid)
        await client.create(kinds.ENDPOINT_SLICE, body, system)
    elif found.endpoints != wanted:
        body["metadata"]["resourceVersion"] = found.metadata.resource_version
        await client.replace(kinds.ENDPOINT_SLICE, body, system)
