"""After a run that did not end: looks in the cluster what became of what it was doing.

A pending operation says what was attempted; whether it came about is only known there.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from footplate.engine import urn as urns
from footplate.engine.deployment.registry import Registry
from footplate.engine.deployment.run import now
from footplate.engine.errors import Unsupported, cli_remedy
from footplate.engine.state.model import Operation, PendingOperation, Resource, find


async def settle(
    resources: Sequence[Resource], pending: Sequence[PendingOperation], registry: Registry
) -> tuple[list[Resource], list[str]]:
    """The resources as they really are, and what was found, as sentences."""
    state, notes = list(resources), list[str]()
    for operation in pending:
        resource = operation.resource
        provider = registry.instance(resource.provider, resource.type)
        if provider.plans_only:
            raise Unsupported(
                f"an operation on {urns.short(resource.urn)!r} was interrupted, and {provider.plans_only}",
                cli_remedy("pulumi refresh"),
            )
        match operation.type:
            case Operation.CREATING | Operation.IMPORTING:
                outcome = await provider.find_created(resource)
                if outcome is None:
                    continue
                stamped = now()
                made = msgspec.structs.replace(
                    resource,
                    id=outcome.id,
                    outputs=outcome.outputs,
                    init_errors=("its creation was interrupted",),
                    created=stamped,
                    modified=stamped,
                )
                if _add_created(state, made):
                    notes.append(f"{urns.short(resource.urn)} had been created by a run that was interrupted")
            case Operation.UPDATING:
                old = find(state, resource.urn)
                if old is not None:
                    _swap(state, old, msgspec.structs.replace(old, init_errors=("its update was interrupted",)))
                    notes.append(f"{urns.short(resource.urn)} was being updated by a run that was interrupted")
            case Operation.DELETING:
                old = _same_object(state, resource)
                if old is not None and await provider.read(old) is None:
                    _take_out(state, old)
                    notes.append(f"{urns.short(resource.urn)} had been deleted by a run that was interrupted")
            case Operation.READING:
                pass
    return state, notes


def _add_created(state: list[Resource], made: Resource) -> bool:
    """False where the state had it already."""
    old = find(state, made.urn)
    if old is None:
        state.append(made)
        return True
    if old.id == made.id and not old.pending_replacement:
        return False
    if old.pending_replacement:
        _swap(state, old, made)
    else:
        # It was to replace the old one, which still exists: that one goes at the end of the next run.
        _swap(state, old, msgspec.structs.replace(old, delete=True))
        state.append(made)
    return True


def _swap(state: list[Resource], old: Resource, new: Resource) -> None:
    state[:] = [new if r is old else r for r in state]


def _same_object(state: Sequence[Resource], resource: Resource) -> Resource | None:
    key = (resource.urn, resource.id, resource.delete)
    return next((r for r in state if (r.urn, r.id, r.delete) == key), None)


def _take_out(state: list[Resource], gone: Resource) -> None:
    """What is still needed was deleted to be replaced; it keeps its place until it is made again."""
    if any(gone.urn in r.needs for r in state) and not gone.delete:
        _swap(state, gone, msgspec.structs.replace(gone, pending_replacement=True))
    else:
        state[:] = [r for r in state if r is not gone]
