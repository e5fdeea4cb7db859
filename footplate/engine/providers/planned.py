"""Providers that need the Pulumi CLI: their resources can be planned, with outputs unknown, and not created.

Against a state that the CLI wrote (`pulumi stack export`), a plan shows what changes: inputs are compared by their values,
what the plugin filled in (a generated name, a default) is taken from that state, and `footplate.guard.fixed` says which
fields force a replacement.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, cast

from footplate.engine import paths
from footplate.engine.changes import Change, compare, without
from footplate.engine.errors import Unsupported, cli_remedy
from footplate.engine.providers.contract import Check, Diff, Outcome, Request, Say
from footplate.engine.state.model import Resource
from footplate.engine.values import Properties, Unknown, Value
from footplate.guard.fixed import FIXED

DEFAULTS: Final = "__defaults"
"""In the inputs that a bridged plugin writes: names of those beside it that the plugin filled in."""


class PlannedProvider:
    def __init__(self, reason: str) -> None:
        """`reason`: why only the Pulumi CLI can make them."""
        self._reason = reason

    @property
    def plans_only(self) -> str:
        return self._reason

    async def check(self, check: Check) -> Properties:
        return filled(check.inputs, check.old.inputs) if check.old is not None else check.inputs

    async def diff(self, request: Request) -> Diff:
        assert request.old is not None
        changes = without(compare(plainly(request.old.inputs), request.new.inputs), request.ignore_changes)
        fixed = [paths.parse(text) for text in FIXED.get(request.new.type, ())]
        return Diff([replace(c, forces_replacement=True) if any(_forces(c, p) for p in fixed) else c for c in changes])

    async def create(self, request: Request, say: Say) -> Outcome:
        """Planned only: no id, so that the program sees it, and what the provider computes, as unknown."""
        if not request.preview:
            raise self._refusal()
        return Outcome("", request.new.inputs)

    async def update(self, request: Request, say: Say) -> Outcome:
        if not request.preview or request.old is None:
            raise self._refusal()
        # What the provider computes stays, but for what an input says anew.
        return Outcome(request.old.id, {**request.old.outputs, **request.new.inputs})

    async def delete(self, resource: Resource, say: Say) -> None:
        raise self._refusal()

    async def read(self, resource: Resource) -> Outcome | None:
        raise self._refusal()

    async def find_created(self, resource: Resource) -> Outcome | None:
        raise self._refusal()

    def identity(self, resource: Resource) -> str:
        return ""

    def holds(self, container: Resource, other: Resource) -> bool:
        return False

    async def contents(self, resource: Resource) -> str:
        return ""

    async def close(self) -> None:
        pass

    def _refusal(self) -> Unsupported:
        return Unsupported(f"{self.plans_only}: this engine can plan its resources only", cli_remedy("footplate up"))


def _forces(change: Change, fixed: paths.Path) -> bool:
    """A block that comes, goes or is unknown forces only with what is fixed in it."""
    if len(fixed) <= len(change.path):
        return paths.covers(fixed, change.path)
    inner = fixed[len(change.path) :]
    sides = [side for side in (change.old, change.new) if side is not None]
    return paths.covers(change.path, fixed) and any(s is Unknown or paths.get(s, inner) is not None for s in sides)


def filled(new: Value, old: Value) -> Any:
    """With what the plugin had filled in of `old` and the program leaves open still."""
    if isinstance(new, dict) and isinstance(old, dict):
        given, before = cast(Properties, new), cast(Properties, old)
        kept = {key: plainly(before[key]) for key in _defaulted(before) if key not in given}
        return {**{key: filled(item, before.get(key)) for key, item in given.items()}, **kept}
    if isinstance(new, list) and isinstance(old, list):
        items, were = cast(list[Any], new), cast(list[Any], old)
        if len(items) == len(were):
            return [filled(item, before) for item, before in zip(items, were, strict=True)]
        return items
    return cast(Any, new)


def _defaulted(inputs: Properties) -> list[str]:
    return [key for key in cast(list[str], inputs.get(DEFAULTS) or []) if key in inputs]


def plainly(value: Value) -> Any:
    """Without the plugin's own notes."""
    if isinstance(value, dict):
        return {key: plainly(item) for key, item in cast(Properties, value).items() if key != DEFAULTS}
    if isinstance(value, list):
        return [plainly(item) for item in cast(list[Any], value)]
    return value
