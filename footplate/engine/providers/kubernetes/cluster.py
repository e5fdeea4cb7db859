"""One cluster as a provider sees it: its client, opened when first needed, and the kinds it has or is about to have."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from footplate.client import versions
from footplate.engine.providers.kubernetes.kinds import Kind
from footplate.engine.providers.kubernetes.settings import Settings
from footplate.engine.values import Properties, plain
from footplate.kube import Client, Resource
from footplate.kube.errors import UnknownKind
from footplate.kube.transport import RetryPolicy

_PATIENT = RetryPolicy(attempts=10)
"""An API server that restarts in the middle of an update, or an admission webhook that does: some twelve seconds."""


class Cluster:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._client: Client | None = None
        self._verified: asyncio.Task[None] | None = None
        self._declared: dict[tuple[str, str, str], bool] = {}
        """(group, version, kind) of the CRDs of this run → whether namespaced."""
        self._names: dict[tuple[str, str, str], str] = {}
        """(group, kind, id) → URN of the resource of this run that is to be the object."""

    @property
    def client(self) -> Client:
        """Raises KubeConfigError."""
        if self._client is None:
            self._client = Client(self.settings.connection(), retry=_PATIENT)
        return self._client

    @property
    def default_namespace(self) -> str:
        return self.settings.namespace or self.client.connection.namespace or "default"

    async def verify(self) -> None:
        """That the cluster answers, and is of a version that Footplate supports: asked once."""
        if self._verified is None:
            self._verified = asyncio.create_task(self._verify())
        await asyncio.shield(self._verified)

    async def _verify(self) -> None:
        # By a client that gives up sooner: a cluster that is not there is to be told at once.
        async with Client(self.client.connection) as hasty:
            versions.require(await hasty.version())

    async def api(self, kind: Kind) -> Resource:
        """Raises UnknownKind."""
        return await self.client.resource(kind.api_version, kind.kind)

    async def namespaced(self, kind: Kind) -> bool | None:
        """None: the cluster does not have the kind, nor does a CRD of this run define it."""
        declared = self._declared.get(_key(kind))
        if declared is not None:
            return declared
        try:
            return (await self.api(kind)).namespaced
        except UnknownKind:
            return None

    def declare(self, definition: Properties) -> None:
        spec: Any = plain(definition.get("spec"))
        if not isinstance(spec, dict):
            return
        fields = cast(dict[str, Any], spec)
        names = cast(dict[str, Any], fields.get("names") or {})
        for version in cast(list[dict[str, Any]], fields.get("versions") or []):
            key = (str(fields.get("group")), str(version.get("name")), str(names.get("kind")))
            self._declared[key] = fields.get("scope") == "Namespaced"

    def claim(self, kind: Kind, id: str, urn: str) -> str:
        """The URN that has the object: `urn`, unless another resource of this run came first."""
        return self._names.setdefault((kind.group, kind.kind, id), urn)

    def declares(self, kind: Kind) -> bool:
        return _key(kind) in self._declared

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()


def _key(kind: Kind) -> tuple[str, str, str]:
    return kind.group, kind.api_version.rpartition("/")[2], kind.kind
