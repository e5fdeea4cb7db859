"""Uniform resource names: `urn:pulumi:<stack>::<project>::<parentType$…$type>::<name>`.

The type of the root stack never stands in another resource's chain of types.
"""

from __future__ import annotations

from dataclasses import dataclass

from footplate.engine.errors import Unsupported

STACK_TYPE = "pulumi:pulumi:Stack"
PROVIDER_PREFIX = "pulumi:providers:"


@dataclass(frozen=True)
class URN:
    stack: str
    project: str
    qualified_type: str
    name: str

    @property
    def type(self) -> str:
        return self.qualified_type.rpartition("$")[2]

    def __str__(self) -> str:
        return f"urn:pulumi:{self.stack}::{self.project}::{self.qualified_type}::{self.name}"


def parse(text: str) -> URN:
    head, _, rest = text.partition("::")
    # A name may itself contain `::`.
    parts = rest.split("::", 2)
    if not head.startswith("urn:pulumi:") or len(parts) != 3:
        raise Unsupported(f"{text!r} is no URN of Pulumi (urn:pulumi:<stack>::<project>::<types>::<name>)")
    return URN(head.removeprefix("urn:pulumi:"), *parts)


def create(stack: str, project: str, parent: str, type: str, name: str) -> str:
    return str(URN(stack, project, qualify(parent, type), name))


def qualify(parent: str, type: str) -> str:
    """The chain of types of a resource of `type` whose parent has the URN `parent` (empty: none)."""
    if not parent:
        return type
    above = parse(parent).qualified_type
    return type if above == STACK_TYPE else f"{above}${type}"


def is_provider(type: str) -> bool:
    return type.startswith(PROVIDER_PREFIX)


def package(type: str) -> str:
    """The provider package that manages a type: `kubernetes` of `kubernetes:apps/v1:Deployment`."""
    return type.removeprefix(PROVIDER_PREFIX) if is_provider(type) else type.partition(":")[0]


def short(text: str) -> str:
    """`<type> <name>`, as people read it."""
    urn = parse(text)
    return f"{urn.type} {urn.name}"


@dataclass(frozen=True)
class ProviderRef:
    """`<urn>::<id>`. The id is the unknown sentinel while the provider is only planned."""

    urn: str
    id: str

    def __str__(self) -> str:
        return f"{self.urn}::{self.id}"


def parse_ref(text: str) -> ProviderRef:
    urn, _, id = text.rpartition("::")
    return ProviderRef(urn, id)
