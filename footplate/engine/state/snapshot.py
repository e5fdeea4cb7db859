"""What the state file says at any moment of a run: what was registered so far, then what remains of before.

Every resource stands after all it needs (Pulumi checks that when it imports): the program registers in that order,
and what remains keeps its old order.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import msgspec

from footplate.engine import urn as urns
from footplate.engine.state.model import Operation, PendingOperation, Resource


class Snapshot:
    def __init__(self, base: Sequence[Resource], pending: Sequence[PendingOperation] = ()) -> None:
        self._base: list[Resource] = list(base)
        self._new: dict[str, Resource] = {}
        self._renamed: dict[str, str] = {}
        """Former URN → today's, of resources found by an alias."""
        self._tokens = itertools.count()
        self._pending: dict[int, PendingOperation] = {next(self._tokens): p for p in pending}

    def begin(self, resource: Resource, operation: Operation) -> int:
        """Before a change is made: what is being attempted, in case this process does not live to tell."""
        token = next(self._tokens)
        self._pending[token] = PendingOperation(resource, operation)
        return token

    def end(self, token: int) -> None:
        self._pending.pop(token, None)

    def put(self, resource: Resource, instead_of: Resource | None = None) -> None:
        """As registered in this run; `instead_of` is what stood in the state before."""
        if instead_of is not None:
            self.forget(instead_of)
            if instead_of.urn != resource.urn:
                self._renamed[instead_of.urn] = resource.urn
        self._new[resource.urn] = resource

    def replace(self, old: Resource, new: Resource) -> None:
        """In its place, for what is not (or not yet) registered in this run."""
        self._base = [new if r is old else r for r in self._base]

    def forget(self, resource: Resource) -> None:
        self._base = [r for r in self._base if r is not resource]
        if self._new.get(resource.urn) is resource:
            del self._new[resource.urn]

    def registered(self, urn: str) -> Resource | None:
        return self._new.get(urn)

    @property
    def remaining(self) -> list[Resource]:
        """What stood in the state before and was not registered (yet)."""
        return list(self._base)

    @property
    def current(self) -> list[Resource]:
        """What was registered in this run so far."""
        return list(self._new.values())

    @property
    def pending(self) -> list[PendingOperation]:
        return list(self._pending.values())

    def resources(self) -> list[Resource]:
        if not self._renamed:
            return [*self._new.values(), *self._base]
        return [*self._new.values(), *(self._current(r) for r in self._base)]

    def _current(self, resource: Resource) -> Resource:
        """Refers to its renamed parent and dependencies by their names of today."""
        if not any(urn in self._renamed for urn in resource.needs):
            return resource

        def new(urn: str) -> str:
            return self._renamed.get(urn, urn)

        provider = resource.provider
        if provider:
            ref = urns.parse_ref(provider)
            provider = str(urns.ProviderRef(new(ref.urn), ref.id))
        return msgspec.structs.replace(
            resource,
            parent=new(resource.parent),
            provider=provider,
            dependencies=tuple(new(d) for d in resource.dependencies),
            property_dependencies={
                key: tuple(new(d) for d in deps or ()) for key, deps in resource.property_dependencies.items()
            },
            deleted_with=new(resource.deleted_with),
            replace_with=tuple(new(d) for d in resource.replace_with),
        )
