"""The logs of several pods as they are now, in the order of time."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, aclosing

from footplate.client.logs.container import Line, Moment, read
from footplate.client.pods import Pod
from footplate.client.session import Session

_START = Moment(0.0, 0)


async def merged(session: Session, pods: Sequence[Pod], *, tail: int | None = None) -> AsyncGenerator[Line]:
    """`tail`: lines of each pod. One line of each pod is held at a time, however long the logs are."""
    async with AsyncExitStack() as stack:
        sources = [await stack.enter_async_context(aclosing(read(session, pod, tail=tail))) for pod in pods]
        if len(sources) == 1:
            async for line in sources[0]:
                yield line
            return
        heads = [await _next(source) for source in sources]
        while any(head is not None for head in heads):
            _, index = min((_moment(head), index) for index, head in enumerate(heads) if head is not None)
            head = heads[index]
            if head is not None:
                yield head
            heads[index] = await _next(sources[index])


async def _next(source: AsyncGenerator[Line]) -> Line | None:
    return await anext(source, None)


def _moment(line: Line | None) -> Moment:
    return (Moment.parse(line.moment.decode(errors="replace")) if line else None) or _START
