"""Several logs as one, in the order of time."""

from __future__ import annotations

import heapq
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing

from footplate.client.logs.container import Line, Moment

_START = Moment(0.0, 0)


async def merge(sources: Sequence[AsyncGenerator[Line]]) -> AsyncGenerator[Line]:
    """One line of each is held at a time, however long the logs are."""
    async with AsyncExitStack() as stack:
        for source in sources:
            await stack.enter_async_context(aclosing(source))
        if len(sources) == 1:
            async for line in sources[0]:
                yield line
            return
        heads: list[tuple[Moment, int, Line]] = []
        for index, source in enumerate(sources):
            await _push(heads, index, source)
        while heads:
            _, index, line = heapq.heappop(heads)
            yield line
            await _push(heads, index, sources[index])


async def _push(heads: list[tuple[Moment, int, Line]], index: int, source: AsyncGenerator[Line]) -> None:
    line = await anext(source, None)
    if line is not None:
        moment = Moment.parse(line.moment.decode(errors="replace")) or _START
        heapq.heappush(heads, (moment, index, line))
