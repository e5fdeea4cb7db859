"""Takes into the state what the resources really are now."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import msgspec

from footplate.engine import paths
from footplate.engine import urn as urns
from footplate.engine.changes import compare
from footplate.engine.deployment.registry import Registry
from footplate.engine.deployment.run import Run, Stopped, now
from footplate.engine.events import Op, Severity, Step
from footplate.engine.state.model import Resource
from footplate.engine.values import Properties, mark_like, plain
from footplate.errors import FootplateError


async def refresh(run: Run, registry: Registry, resources: Sequence[Resource]) -> None:
    async with asyncio.TaskGroup() as tasks:
        for resource in resources:
            tasks.create_task(_one(run, registry, resource))


async def _one(run: Run, registry: Registry, resource: Resource) -> None:
    name = urns.parse(resource.urn).name

    def step(op: Op, **more: Any) -> Step:
        return Step(resource.urn, op, resource.type, name, resource.parent, custom=resource.custom, **more)

    if not resource.custom or resource.is_provider or resource.pending_replacement:
        return
    try:
        run.admit()
        provider = registry.instance(resource.provider, resource.type)
        if provider.plans_only:
            run.say(f"not refreshed: {provider.plans_only}", resource.urn, Severity.WARNING)
            return
        found = await provider.read(resource)
    except Stopped:
        return
    except FootplateError as error:
        run.fail(resource.urn, error)
        run.say(error.message, resource.urn, Severity.ERROR)
        return
    if found is None:
        run.snapshot.forget(resource)
        run.same(step(Op.FORGET, reason="it no longer exists"))
        await run.commit()
        return
    inputs = observed(resource.inputs, resource.outputs, found.outputs)
    changes = compare(resource.inputs, inputs)
    if changes or resource.outputs != found.outputs:
        outputs = {**found.outputs, "__inputs": inputs} if "__inputs" in found.outputs else found.outputs
        changed = msgspec.structs.replace(resource, inputs=inputs, outputs=outputs, modified=now())
        run.snapshot.replace(resource, changed)
        run.same(step(Op.REFRESH, changes=changes) if changes else step(Op.SAME))
        await run.commit()
    else:
        run.same(step(Op.SAME))


def observed(inputs: Properties, before: Properties, now_: Properties) -> Properties:
    """The inputs with the present value of every field that is no longer what it was made.

    A field counts as changed by comparing what the API showed then and shows now, so that its normal forms (`1000m` for
    `1`) are no drift.
    """
    return cast(Properties, mark_like(_observed(plain(inputs), plain(before), plain(now_)), inputs))


def _observed(inputs: Any, before: Any, present: Any) -> Any:
    if isinstance(inputs, dict):
        found: dict[str, Any] = {}
        for key, value in cast(dict[str, Any], inputs).items():
            old, new = paths.get(before, (key,), _ABSENT), paths.get(present, (key,), _ABSENT)
            if new is _ABSENT and old is not _ABSENT:
                continue  # somebody took it away
            found[key] = value if new is _ABSENT else _observed(value, None if old is _ABSENT else old, new)
        return found
    return inputs if before == present else present


_ABSENT = object()
