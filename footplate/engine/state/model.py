"""The state of a stack as Pulumi's deployment JSON has it, version 3 (`pulumi stack export`).

Source of names and meanings: `sdk/go/common/apitype/core.go` of pulumi/pulumi.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from footplate.engine.urn import STACK_TYPE, is_provider, parse_ref
from footplate.engine.values import Properties

VERSION = 3


class Timeouts(msgspec.Struct, frozen=True, omit_defaults=True):
    """Seconds; 0: the provider's own."""

    create: float = 0
    update: float = 0
    delete: float = 0
    read: float = 0

    def __bool__(self) -> bool:
        return any((self.create, self.update, self.delete, self.read))


class Resource(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """`inputs` and `outputs` hold `values` here and their serialized form in the file."""

    urn: str
    custom: bool
    type: str
    delete: bool = False
    """Replaced; the new one exists, this one is still to be deleted."""
    id: str = ""
    inputs: Properties = {}
    outputs: Properties = {}
    parent: str = ""
    protect: bool = False
    taint: bool = False
    external: bool = False
    """Read, not owned."""
    dependencies: tuple[str, ...] = ()
    init_errors: tuple[str, ...] = ()
    """Created, but did not become ready: the next update goes on waiting."""
    provider: str = ""
    property_dependencies: dict[str, tuple[str, ...] | None] = {}
    pending_replacement: bool = False
    """Deleted to be replaced; the new one does not exist yet."""
    additional_secret_outputs: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    custom_timeouts: Timeouts | None = None
    import_id: str = msgspec.field(name="importID", default="")
    retain_on_delete: bool = False
    deleted_with: str = ""
    replace_with: tuple[str, ...] = ()
    created: str = ""
    modified: str = ""
    source_position: str = ""
    stack_trace: list[Any] = []
    ignore_changes: tuple[str, ...] = ()
    hide_diff: list[Any] = []
    replace_on_changes: tuple[str, ...] = ()
    replacement_trigger: Any = None
    refresh_before_update: bool = False
    view_of: str = ""
    resource_hooks: dict[str, Any] = {}
    extension_ref: str = ""
    snippet_id: str = msgspec.field(name="snippetID", default="")

    @property
    def is_stack(self) -> bool:
        return self.type == STACK_TYPE

    @property
    def is_provider(self) -> bool:
        return is_provider(self.type)

    @property
    def needs(self) -> tuple[str, ...]:
        """URNs of all that must exist before this resource and outlive it."""
        urns = [*self.dependencies, *self.replace_with]
        for of_property in self.property_dependencies.values():
            urns += of_property or ()
        if self.parent:
            urns.append(self.parent)
        if self.deleted_with:
            urns.append(self.deleted_with)
        if self.provider:
            urns.append(parse_ref(self.provider).urn)
        return tuple(dict.fromkeys(urns))


class Operation(StrEnum):
    CREATING = "creating"
    UPDATING = "updating"
    DELETING = "deleting"
    READING = "reading"
    IMPORTING = "importing"


class PendingOperation(msgspec.Struct, frozen=True):
    resource: Resource
    type: Operation


class Manifest(msgspec.Struct):
    time: str = "0001-01-01T00:00:00Z"
    magic: str = ""
    version: str = ""
    plugins: list[Any] = []


class SecretsProvider(msgspec.Struct, omit_defaults=True):
    type: str
    state: dict[str, Any] = {}


class Deployment(msgspec.Struct, omit_defaults=True):
    manifest: Manifest = msgspec.field(default_factory=Manifest)
    secrets_providers: SecretsProvider | None = None
    resources: list[Resource] = []
    pending_operations: list[PendingOperation] = []
    metadata: dict[str, Any] = {}


class Checkpoint(msgspec.Struct):
    version: int
    deployment: Deployment | None = None


def find(resources: list[Resource], urn: str) -> Resource | None:
    """The live resource of that URN (not one that only awaits its deletion)."""
    return next((r for r in resources if r.urn == urn and not r.delete), None)
