"""Providers that need the Pulumi CLI: their resources can be planned, with outputs unknown, and not created."""

from __future__ import annotations

from footplate.engine.changes import compare, without
from footplate.engine.errors import Unsupported, cli_remedy
from footplate.engine.providers.contract import Check, Diff, Outcome, Request, Say
from footplate.engine.state.model import Resource
from footplate.engine.values import Properties


class PlannedProvider:
    def __init__(self, reason: str) -> None:
        """`reason`: why only the Pulumi CLI can make them."""
        self._reason = reason

    @property
    def plans_only(self) -> str:
        return self._reason

    async def check(self, check: Check) -> Properties:
        return check.inputs

    async def diff(self, request: Request) -> Diff:
        assert request.old is not None
        return Diff(without(compare(request.old.inputs, request.new.inputs), request.ignore_changes))

    async def create(self, request: Request, say: Say) -> Outcome:
        """Planned only: no id, so that the program sees it, and what the provider computes, as unknown."""
        if not request.preview:
            raise self._refusal()
        return Outcome("", request.new.inputs)

    async def update(self, request: Request, say: Say) -> Outcome:
        if not request.preview or request.old is None:
            raise self._refusal()
        return Outcome(request.old.id, request.new.inputs)

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

    async def close(self) -> None:
        pass

    def _refusal(self) -> Unsupported:
        return Unsupported(f"{self.plans_only}: this engine can plan its resources only", cli_remedy("footplate up"))
