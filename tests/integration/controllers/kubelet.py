"""A node whose kubelet is the test: pods reach it by its GPU type, and do what the test says through their status."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from footplate.controllers import gpus
from footplate.controllers.kinds import NODE, POD
from footplate.kube.client import Client
from footplate.kube.errors import Gone, KubeError, NotFound

Json = dict[str, Any]


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Kubelet:
    """Ends pods that are deleted; everything else is the test's to say."""

    def __init__(self, client: Client, node: str, gpu_type: str, namespace: str) -> None:
        self.node, self.gpu_type = node, gpu_type
        self._client = client
        self._namespace = namespace
        self.ends_pods = asyncio.Event()
        """Cleared: deleted pods stay as they are, as on a node that does not answer."""
        self.ends_pods.set()

    async def run(self) -> None:
        while True:
            try:
                listing = await self._client.list(POD, self._namespace, fields={"spec.nodeName": self.node})
                for pod in listing.items:
                    await self._end(pod)
                events = self._client.watch(
                    POD, self._namespace, fields={"spec.nodeName": self.node}, resource_version=listing.resource_version
                )
                async with aclosing(events):
                    async for event in events:
                        if event.type in ("ADDED", "MODIFIED"):
                            await self._end(event.object)
            except (Gone, KubeError):
                await asyncio.sleep(0.1)

    async def _end(self, pod: Json) -> None:
        if "deletionTimestamp" not in pod["metadata"]:
            return
        await self.ends_pods.wait()
        name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
        try:
            if pod["status"].get("phase") not in ("Failed", "Succeeded"):
                await self.ended(name, 143)
            await self._client.delete(POD, name, self._namespace, grace_seconds=0, uid=uid)
        except KubeError:
            pass

    async def running(self, pod: str, *, ready: bool = True) -> None:
        await self._client.wait(POD, pod, self._namespace, bound, 10.0)
        state: Json = {"running": {"startedAt": now()}}
        await self._set(pod, "Running", state, ready=ready)

    async def waiting(self, pod: str, reason: str, message: str) -> None:
        await self._client.wait(POD, pod, self._namespace, bound, 10.0)
        await self._set(pod, "Pending", {"waiting": {"reason": reason, "message": message}}, ready=False)

    async def ended(self, pod: str, code: int, *, reason: str = "", message: str = "") -> None:
        ended = {"exitCode": code, "reason": reason or "Error", "message": message, "finishedAt": now()}
        await self._set(pod, "Failed" if code else "Succeeded", {"terminated": ended}, ready=False)

    async def prepare_ended(self, pod: str, code: int, message: str) -> None:
        await self._client.wait(POD, pod, self._namespace, bound, 10.0)
        ended = {"exitCode": code, "reason": "Error", "message": message, "finishedAt": now()}
        status = {"name": "prepare", "ready": False, "restartCount": 0, "image": "x", "imageID": ""}
        body = {"phase": "Failed", "initContainerStatuses": [{**status, "state": {"terminated": ended}}]}
        await self.patch(pod, body)

    async def disrupted(self, pod: str, reason: str) -> None:
        """As whoever is about to end the pod says so."""
        condition = {"type": "DisruptionTarget", "status": "True", "reason": reason, "lastTransitionTime": now()}
        await self.patch(pod, {"conditions": [condition]})

    async def patch(self, pod: str, status: Json) -> None:
        await self._client.patch(POD, pod, {"status": status}, self._namespace, kind="strategic", subresource="status")

    async def _set(self, pod: str, phase: str, state: Json, *, ready: bool) -> None:
        container = {"name": "main", "ready": ready, "restartCount": 0, "image": "the-image", "imageID": ""}
        condition = {"type": "Ready", "status": "True" if ready else "False", "lastTransitionTime": now()}
        await self.patch(
            pod, {"phase": phase, "conditions": [condition], "containerStatuses": [{**container, "state": state}]}
        )


def bound(pod: Json | None) -> bool:
    return pod is not None and bool(pod["spec"].get("nodeName"))


@asynccontextmanager
async def kubelet(client: Client, namespace: str, gpu_count: int = 8) -> AsyncGenerator[Kubelet]:
    name = f"test-{secrets.token_hex(4)}"
    amounts = {"cpu": "64", "memory": "512Gi", "pods": "250", gpus.GPU: str(gpu_count)}
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "Test",
        "lastHeartbeatTime": now(),
        "lastTransitionTime": now(),
    }
    node = {
        "metadata": {"name": name, "labels": {gpus.TYPE_LABEL: name, "kubernetes.io/hostname": name}},
        "status": {"capacity": amounts, "allocatable": amounts, "conditions": [ready]},
    }
    await client.create(NODE, node)
    played = Kubelet(client, name, name, namespace)
    task = asyncio.create_task(played.run())
    try:
        yield played
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        try:
            await client.delete(NODE, name)
        except NotFound:
            pass
