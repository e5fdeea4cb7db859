"""In which order resources are deleted: each after all that need it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from footplate.engine.state.model import Resource


def dependents(resources: Sequence[Resource]) -> dict[int, list[int]]:
    """Index → indices of those that need it. Later ones never are what earlier ones need, so there is no cycle."""
    by_urn: dict[str, list[int]] = {}
    found: dict[int, list[int]] = {index: [] for index in range(len(resources))}
    for index, resource in enumerate(resources):
        for urn in resource.needs:
            for needed in by_urn.get(urn, ()):
                found[needed].append(index)
        by_urn.setdefault(resource.urn, []).append(index)
    return found


async def delete_in_order(resources: Sequence[Resource], delete: Callable[[Resource], Awaitable[bool]]) -> int:
    """Deletes concurrently, each when all that need it are gone. `delete` says whether it succeeded; where it did not,
    what that resource needs is left. Returns how many were left."""
    waits_for = dependents(resources)
    tasks: dict[int, asyncio.Task[bool]] = {}

    async def one(index: int) -> bool:
        before = await asyncio.gather(*(tasks[i] for i in waits_for[index]))
        return await delete(resources[index]) if all(before) else False

    for index in reversed(range(len(resources))):
        tasks[index] = asyncio.create_task(one(index))
    try:
        done = await asyncio.gather(*tasks.values())
    finally:
        for task in tasks.values():
            task.cancel()
    return done.count(False)
