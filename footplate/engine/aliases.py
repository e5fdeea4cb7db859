"""Which URNs a resource may have had before: the aliases it names, and those that follow from its parent's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from footplate.engine import urn as urns


@dataclass(frozen=True)
class Alias:
    """`urn`, or the parts that differ from today's. `parent` empty: today's parent, unless `no_parent`."""

    urn: str = ""
    name: str = ""
    type: str = ""
    stack: str = ""
    project: str = ""
    parent: str = ""
    no_parent: bool = False


@dataclass(frozen=True)
class Identity:
    """What a resource is called today."""

    stack: str
    project: str
    parent: str
    type: str
    name: str

    @property
    def urn(self) -> str:
        return urns.create(self.stack, self.project, self.parent, self.type, self.name)


def former_urns(today: Identity, aliases: Sequence[Alias], renamed: Mapping[str, str]) -> list[str]:
    """In the order in which they are looked for. `renamed`: today's URN → former URN of resources already matched."""
    found: list[str] = [_collapse(today, alias, renamed) for alias in aliases]
    parent_before = renamed.get(today.parent) if today.parent else None
    if parent_before is not None:
        found.append(_inherited(today, today.type, today.name, parent_before))
        for alias in aliases:
            before = urns.parse(_collapse(today, alias, renamed))
            found.append(_inherited(today, before.type, before.name, parent_before))
    return [urn for urn in dict.fromkeys(found) if urn != today.urn]


def _collapse(today: Identity, alias: Alias, renamed: Mapping[str, str]) -> str:
    if alias.urn:
        return alias.urn
    parent = today.parent
    if alias.no_parent:
        parent = ""
    elif alias.parent:
        parent = renamed.get(alias.parent, alias.parent)
    return urns.create(
        alias.stack or today.stack,
        alias.project or today.project,
        parent,
        alias.type or today.type,
        alias.name or today.name,
    )


def _inherited(today: Identity, type: str, name: str, parent_before: str) -> str:
    """A child named after its parent (`<parent>-details`) was named after the parent's former name."""
    parent_name = urns.parse(today.parent).name
    if name.startswith(parent_name):
        name = urns.parse(parent_before).name + name[len(parent_name) :]
    return urns.create(today.stack, today.project, parent_before, type, name)
