"""Agents that a test plays: tokens of real pods, from the API server, and reports over HTTP."""

from __future__ import annotations

import itertools
from typing import Any

import aiohttp

from footplate.controllers import kinds
from tests.integration.controllers.conftest import Place

Json = dict[str, Any]


async def token(
    place: Place, pod: Json | None, *, audience: str = "footplate", account: str = "workspace", seconds: int = 3600
) -> str:
    """As the kubelet gets it for a projected volume; `pod` None: bound to none."""
    spec: Json = {"audiences": [audience] if audience else [], "expirationSeconds": seconds}
    if pod is not None:
        metadata = pod["metadata"]
        spec["boundObjectRef"] = {"kind": "Pod", "apiVersion": "v1", "name": metadata["name"], "uid": metadata["uid"]}
    path = f"/api/v1/namespaces/{place.namespace}/serviceaccounts/{account}/token"
    answer: Any = await place.client.request("POST", path, body={"spec": spec})
    return answer["status"]["token"]


class Agent:
    """Of the pod of workspace `name`."""

    def __init__(self, place: Place, name: str, bearer: str) -> None:
        self._place, self.name, self.bearer = place, name, bearer
        self._sequence = itertools.count(1)

    @classmethod
    async def of(cls, place: Place, name: str) -> Agent:
        pod = await place.client.get(kinds.POD, name, place.namespace)
        return cls(place, name, await token(place, pod))

    async def says(self, **fields: Any) -> tuple[int, Json]:
        """HTTP status and answer."""
        body = {"kind": "Activity", "agent": "a1", "sequence": next(self._sequence), "age": 3600.0, **fields}
        return await post(self._place.collector, self.bearer, body)


async def post(collector: str, bearer: str | None, body: Any) -> tuple[int, Json]:
    headers = {"Authorization": f"Bearer {bearer}"} if bearer is not None else {}
    given: Json = {"data": body} if isinstance(body, bytes) else {"json": body}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{collector}/v1/report", headers=headers, **given) as r,
    ):
        return r.status, await r.json()
