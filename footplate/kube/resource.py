"""Names of things in the API: kinds, their paths, and discovery of which kinds a server serves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

import msgspec

from footplate.kube.errors import NotFound, UnknownKind


@dataclass(frozen=True)
class Resource:
    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """`namespace` None on a namespaced kind without a name: all namespaces."""
        parts = [root(self.api_version)]
        if self.namespaced and namespace:
            parts += ["namespaces", segment(namespace)]
        elif self.namespaced and name:
            raise ValueError(f"{self.kind} {name!r} needs a namespace")
        parts.append(self.plural)
        if name is not None:
            if not name:
                raise ValueError(f"the name of a {self.kind} is empty")
            parts.append(segment(name))
        if subresource:
            parts.append(subresource)
        return "/".join(parts)


# Kinds that every server has: no discovery needed.
POD = Resource("", "v1", "Pod", "pods", True)
LEASE = Resource("coordination.k8s.io", "v1", "Lease", "leases", True)
EVENT = Resource("events.k8s.io", "v1", "Event", "events", True)


def root(api_version: str) -> str:
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def segment(text: str) -> str:
    """One path segment: RBAC names may hold `:`; a `/` must not escape."""
    return quote(text, safe=":")


def selector(terms: Mapping[str, str] | str | None) -> str | None:
    """A label or field selector; a mapping means equality on every key, a string is taken as written."""
    if terms is None or isinstance(terms, str):
        return terms or None
    return ",".join(f"{key}={value}" for key, value in terms.items()) or None


class _APIResource(msgspec.Struct):
    name: str
    kind: str
    namespaced: bool


class _APIResourceList(msgspec.Struct):
    resources: list[_APIResource]


class Discovery:
    """Which kinds a server serves, asked once per API version; a kind not found is asked for again each time."""

    def __init__(self, fetch: Callable[[str], Awaitable[bytes]], server: str) -> None:
        self._fetch = fetch
        self._server = server
        self._known: dict[str, dict[str, Resource]] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def resource(self, api_version: str, kind: str) -> Resource:
        found = self._known.get(api_version, {}).get(kind)
        if found is not None:
            return found
        async with self._locks.setdefault(api_version, asyncio.Lock()):
            found = self._known.get(api_version, {}).get(kind)
            if found is None:
                self._known[api_version] = await self._ask(api_version, kind)
                found = self._known[api_version].get(kind)
        if found is None:
            raise self._unknown(api_version, kind)
        return found

    async def resources(self, api_version: str) -> list[Resource]:
        """All kinds of an API version as of now; empty where it is not served."""
        try:
            self._known[api_version] = await self._ask(api_version, "")
        except UnknownKind:
            return []
        return list(self._known[api_version].values())

    async def _ask(self, api_version: str, kind: str) -> dict[str, Resource]:
        try:
            body = await self._fetch(root(api_version))
        except NotFound as error:
            raise self._unknown(api_version, kind) from error
        group, _, version = api_version.rpartition("/")
        listing = msgspec.json.decode(body, type=_APIResourceList)
        return {
            entry.kind: Resource(group, version, entry.kind, entry.name, entry.namespaced)
            for entry in listing.resources
            if "/" not in entry.name
        }

    def _unknown(self, api_version: str, kind: str) -> UnknownKind:
        message = f"{self._server} serves no {kind} in {api_version}: is its CRD installed, or its API version enabled?"
        return UnknownKind(404, "NotFound", message)
