"""The planned resources of a stack as rules read them: inputs that may be unknown still, and what depends on what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast


class Unknown:
    """A value that is known only after the update."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()


@dataclass(frozen=True)
class Planned:
    """`inputs`: plain JSON, with UNKNOWN in places. `dependencies`: input → URNs of what it comes from. `provider`: URN."""

    urn: str
    type: str
    name: str
    inputs: Mapping[str, Any]
    provider: str = ""
    dependencies: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])

    def get(self, *path: str) -> Any:
        """The input at a path; None where it is not set, UNKNOWN where it or what holds it is unknown."""
        value: Any = self.inputs
        for key in path:
            if value is UNKNOWN:
                return UNKNOWN
            if not isinstance(value, Mapping):
                return None
            value = cast(Mapping[str, Any], value).get(key)
        return value

    def number(self, *path: str, default: float = 0) -> float | None:
        """None where it is unknown."""
        value = self.get(*path)
        if value is UNKNOWN:
            return None
        try:
            return float(value)
        except (TypeError, ValueError):
            return default


class Plan:
    """`regions`: cloud → region where neither a resource nor its provider says one (the stack's `aws:region`)."""

    def __init__(self, resources: Sequence[Planned], regions: Mapping[str, str] | None = None) -> None:
        self.resources = resources
        self._by_urn = {resource.urn: resource for resource in resources}
        self._regions = dict(regions or {})

    def region(self, resource: Planned) -> str:
        """Empty where it cannot be told."""
        cloud = resource.type.partition(":")[0]
        for found in (resource.get("region"), resource.get("location"), resource.get("zone")):
            if isinstance(found, str) and found:
                return region_of(found)
        provider = self._by_urn.get(resource.provider)
        for key in ("region", "zone"):
            found = provider.get(key) if provider is not None else None
            if isinstance(found, str) and found:
                return region_of(found)
        return region_of(self._regions.get(cloud, ""))

    def cloud_region(self, cloud: str) -> str:
        """Of the first cluster of that cloud, which is where what its controllers make will be."""
        clusters = {"aws": "aws:eks/cluster:Cluster", "gcp": "gcp:container/cluster:Cluster"}
        found = next((r for r in self.resources if r.type == clusters[cloud]), None)
        return self.region(found) if found is not None else region_of(self._regions.get(cloud, ""))

    def behind(self, resource: Planned, key: str, type: str) -> Planned | None:
        """The resource of that type that an input comes from."""
        for urn in resource.dependencies.get(key, ()):
            found = self._by_urn.get(urn)
            if found is not None and found.type == type:
                return found
        return None

    def clouds(self) -> list[str]:
        return [c for c in ("aws", "gcp") if any(r.type.startswith(f"{c}:") for r in self.resources)]


def region_of(location: str) -> str:
    """`us-central1` of `us-central1-a`; a region as it is."""
    head, dash, tail = location.rpartition("-")
    return head if dash and len(tail) == 1 and tail.isalpha() and head.count("-") == 1 else location
