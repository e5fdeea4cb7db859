"""What the program wants of one resource: a registration, free of protocol."""

from __future__ import annotations

from dataclasses import dataclass, field

from footplate.engine.aliases import Alias
from footplate.engine.state.model import Timeouts
from footplate.engine.values import Properties, Value


@dataclass(frozen=True)
class Goal:
    """Names of options are those of `pulumi.ResourceOptions`. None: not set, so that a parent's holds."""

    type: str
    name: str
    custom: bool
    inputs: Properties
    parent: str = ""
    protect: bool | None = None
    dependencies: tuple[str, ...] = ()
    property_dependencies: dict[str, tuple[str, ...] | None] = field(default_factory=dict[str, tuple[str, ...] | None])
    provider: str = ""
    providers: dict[str, str] = field(default_factory=dict[str, str])
    """Package → provider reference, for a component's children."""
    version: str = ""
    plugin_url: str = ""
    ignore_changes: tuple[str, ...] = ()
    replace_on_changes: tuple[str, ...] = ()
    delete_before_replace: bool | None = None
    additional_secret_outputs: tuple[str, ...] = ()
    aliases: tuple[Alias, ...] = ()
    import_id: str = ""
    timeouts: Timeouts | None = None
    retain_on_delete: bool | None = None
    deleted_with: str = ""
    replace_with: tuple[str, ...] = ()
    replacement_trigger: Value = None
    source_position: str = ""


@dataclass(frozen=True)
class Registered:
    """The answer to the program. `id` empty: not known yet. `unknown`: nothing about the outputs is known."""

    urn: str
    id: str = ""
    outputs: Properties = field(default_factory=dict[str, object])
    unknown: bool = False
