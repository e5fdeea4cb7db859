"""Agents that a test plays: tokens of real pods, from the API server, and reports over HTTP."""

from __future__ import annotations

import itertools
from typing import Any

import aiohttp

from footplate.controllers import kinds
from footplate.kube.client import Client

Json = dict[str, Any]


async def token(
    client: Client,
    namespace: str,
    pod: Json | None,
    *,
    audience: str = "footplate",
    account: str = "workspace",
    seconds: int = 3600,
) -> str:
    """As the kubelet gets it for a projected volume; `pod` None: bound to none."""
    spec: Json = {"audiences": [audience] if audience else [], "expirationSeconds": seconds}
    if pod is not None:
        metadata = pod["metadata"]
        spec["boundObjectRef"] = {"kind": "Pod", "apiVersion": "v1", "name": metadata["name"], "uid": metadata["uid"]}
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
    answer: Any = await client.request("POST", path, body={"spec": spec})
    return answer["status"]["token"]


class Agent:
    """Of the pod of workspace `name`."""

    def __init__(self, collector: str, bearer: str) -> None:
        self._collector, self.bearer = collector, bearer
        self._sequence = itertools.count(1)

    @classmethod
    async def of(cls, client: Client, namespace: str, name: str, collector: str) -> Agent:
        pod = await client.get(kinds.POD, name, namespace)
        return cls(collector, await token(client, namespace, pod))

    async def says(self, **fields: Any) -> tuple[int, Json]:
        """HTTP status and answer."""
        body = {"kind": "Activity", "agent": "a1", "sequence": next(self._sequence), "age": 3600.0, **fields}
        return await post(self._collector, self.bearer, body)


async def post(collector: str, bearer: str | None, body: Any) -> tuple[int, Json]:
    headers = {"Authorization": f"Bearer {bearer}"} if bearer is not None else {}
    given: Json = {"data": body} if isinstance(body, bytes) else {"json": body}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{collector}/v1/report", headers=headers, **given) as r,
    ):
        return r.status, await r.json()
