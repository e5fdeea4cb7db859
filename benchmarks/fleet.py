"""10,000 Workspace objects, 1,000 of them idle but connected: memory, restart, and what their agents' reports write.

The agents are played: each has the token of its pod, from the API server, and reports an open tab once a minute, which is
what a real one reports of it. Their pods are on simulated nodes.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from benchmarks import bare_platform, controllers
from benchmarks.audit import AuditLog
from benchmarks.workspaces import SMALL, SYSTEM, created_and_ready
from footplate.api.platform import SERVICE_ACCOUNT_WORKSPACE, TOKEN_AUDIENCE, Reporting
from footplate.api.reports import PATH
from footplate.controllers import kinds
from footplate.kube.client import Client
from footplate.kube.connection import Connection

Json = dict[str, Any]

RUNNING = 1_000
EVERY = 60.0
ROUNDS = 3
AT_ONCE = 16


@dataclass(frozen=True)
class Fleet:
    objects: int
    connected: int
    made_seconds: float
    """From the first request until each is Running or Stopped."""
    rss_mib: float
    """Of the controllers, after all were made."""
    synced_seconds: float
    """From the start of a new process until it is ready and leads."""
    restarted_rss_mib: float
    window_seconds: float
    reports: int
    refused: int
    cpu_seconds: float
    """Of the controllers, within the window."""
    writes: dict[str, int]
    """Of the controllers within the window, renewals of the Lease aside."""


async def measure(connection: Connection, kubeconfig: Path, count: int) -> Fleet:
    connected = min(RUNNING, count)
    async with Client(connection, user_agent="benchmark", connections=AT_ONCE * 2) as client:
        await bare_platform.install_kinds(client)
        settings = bare_platform.platform(["bench"], reporting=Reporting(recent="10s", silence="3m"))
        await bare_platform.install_settings(client, SYSTEM, settings)
        team = await bare_platform.install_team(client, "bench")
        async with controllers.started(kubeconfig) as first:
            made = await created_and_ready(client, kinds.WORKSPACE, team, _bodies(count, connected), _settled)
            await asyncio.sleep(5.0)
            memory = first.rss_mib
        # Ended by SIGTERM, it has given its Lease back.
        async with (
            controllers.started(kubeconfig) as second,
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=AT_ONCE)) as session,
        ):
            bearers = await _tokens(client, team, connected)
            agents = _Agents(session, f"http://127.0.0.1:{second.collector}{PATH}", bearers)
            await _all_idle(client, team, agents, connected)
            audit, cpu, agents.statuses = AuditLog(kubeconfig), second.cpu, Counter()
            for _ in range(ROUNDS):
                begun = time.monotonic()
                await agents.round()
                await asyncio.sleep(EVERY - (time.monotonic() - begun))
            written = Counter(w.kind for w in audit.writes(kinds.MANAGER) if not w.resource.endswith("leases"))
            return Fleet(
                objects=count,
                connected=connected,
                made_seconds=made,
                rss_mib=memory,
                synced_seconds=second.start,
                restarted_rss_mib=second.rss_mib,
                window_seconds=ROUNDS * EVERY,
                reports=agents.statuses.total(),
                refused=agents.statuses.total() - agents.statuses[200],
                cpu_seconds=second.cpu - cpu,
                writes=dict(written),
            )


class _Agents:
    def __init__(self, session: aiohttp.ClientSession, url: str, bearers: list[str]) -> None:
        self._session, self._url, self._bearers = session, url, bearers
        self._sequence = itertools.count(1)
        self._began = time.monotonic()
        self.statuses: Counter[int] = Counter()

    async def round(self) -> None:
        age = time.monotonic() - self._began + 600.0
        body = {
            "kind": "Activity",
            "agent": "bench",
            "sequence": next(self._sequence),
            "age": age,
            "idle": age,
            "passive": ["a notebook is open in a browser"],
        }
        await asyncio.gather(*(self._report(bearer, body) for bearer in self._bearers))

    async def _report(self, bearer: str, body: Json) -> None:
        async with self._session.post(self._url, json=body, headers={"Authorization": f"Bearer {bearer}"}) as answer:
            self.statuses[answer.status] += 1


def _bodies(count: int, running: int) -> list[Json]:
    spec = {"environment": bare_platform.ENVIRONMENT, "home": {"size": "0"}, "owner": "bench", "resources": SMALL}
    return [
        {
            "metadata": {"name": f"ws-{number}"},
            "spec": {**spec, "desiredState": "Running" if number < running else "Stopped"},
        }
        for number in range(count)
    ]


def _settled(ws: Json) -> bool:
    return (ws.get("status") or {}).get("phase") == ws["spec"]["desiredState"]


async def _all_idle(client: Client, namespace: str, agents: _Agents, count: int) -> None:
    async with asyncio.timeout(EVERY * 15):  # a start counts as use for as long as silence would
        while True:
            await agents.round()
            await asyncio.sleep(15.0)
            listing = await client.list(kinds.WORKSPACE, namespace)
            states = Counter((one["status"].get("activity") or {}).get("state") for one in listing.items)
            if states["Idle"] == count:
                break


async def _tokens(client: Client, namespace: str, count: int) -> list[str]:
    """As the kubelet gets them for the pods' projected volumes."""
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{SERVICE_ACCOUNT_WORKSPACE}/token"
    pods = (await client.list(kinds.POD, namespace)).items
    if len(pods) != count:
        raise RuntimeError(f"{len(pods)} pods of {count} are there")

    async def bound(pod: Json) -> str:
        metadata = pod["metadata"]
        reference = {"kind": "Pod", "apiVersion": "v1", "name": metadata["name"], "uid": metadata["uid"]}
        spec = {"audiences": [TOKEN_AUDIENCE], "expirationSeconds": 3600, "boundObjectRef": reference}
        answer: Any = await client.request("POST", path, body={"spec": spec})
        return answer["status"]["token"]

    return list(await asyncio.gather(*(bound(pod) for pod in pods)))
