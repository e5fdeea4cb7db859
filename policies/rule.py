"""What a rule is: a pure function over a resource's inputs, or over all resources of the stack.

for message in EKS_ENDPOINT.findings(Resource("aws:eks/cluster:Cluster", "main", "urn:…", {...})): ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Generic, TypeAlias, TypeVar

import msgspec


class Level(StrEnum):
    """What a violation does. `remediate` changes the inputs, and is mandatory where that does not help."""

    DISABLED = "disabled"
    ADVISORY = "advisory"
    MANDATORY = "mandatory"
    REMEDIATE = "remediate"


class Severity(StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Settings(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What can be set of a rule, beside its level; each field has a default."""


S = TypeVar("S", bound=Settings)


@dataclass(frozen=True)
class Resource:
    """`properties`: the inputs, plain (see `values`); of a stack's resources also what is known of the outputs.

    `provider`: the properties of its provider. `uses`: property → URNs of the resources that it comes from.
    """

    type: str
    name: str
    urn: str
    properties: Mapping[str, Any]
    protect: bool = False
    provider: Mapping[str, Any] = field(default_factory=dict[str, Any])
    uses: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])


@dataclass(frozen=True)
class Finding:
    """`urn`: of the resource it is about; empty for the stack as a whole."""

    message: str
    urn: str = ""


@dataclass(frozen=True)
class _Described:
    name: str
    description: str
    """One sentence: how things are where the rule holds."""
    severity: Severity
    source: str
    """Where the rule comes from: an id of another checker, a page, or why there is none."""
    types: frozenset[str]
    """Of the resources that it looks at; no others are handed to it."""


@dataclass(frozen=True)
class ResourceRule(_Described, Generic[S]):
    """`check` yields what is wrong with a resource of one of `types`: the property, its value and what to do.

    `mend` gives the top-level properties that put it right, or None; only where that can do no harm.
    """

    check: Callable[[Resource, S], Iterable[str]]
    settings: type[S]
    level: Level = Level.MANDATORY
    mend: Callable[[Resource, S], Mapping[str, Any] | None] | None = None

    def findings(self, resource: Resource, settings: S | None = None) -> list[Finding]:
        if resource.type not in self.types:
            return []
        return [Finding(message, resource.urn) for message in self.check(resource, settings or self.settings())]

    def mended(self, resource: Resource, settings: S | None = None) -> Mapping[str, Any] | None:
        if self.mend is None or resource.type not in self.types:
            return None
        return self.mend(resource, settings or self.settings())


@dataclass(frozen=True)
class StackRule(_Described, Generic[S]):
    """Judges at the end of a preview, when all resources are known: a cap on the whole stack bites there only."""

    check: Callable[[Sequence[Resource], S], Iterable[Finding]]
    settings: type[S]
    level: Level = Level.MANDATORY

    def findings(self, resources: Sequence[Resource], settings: S | None = None) -> list[Finding]:
        looked_at = [resource for resource in resources if resource.type in self.types]
        return list(self.check(looked_at, settings or self.settings()))


Rule: TypeAlias = ResourceRule[Any] | StackRule[Any]
