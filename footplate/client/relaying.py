"""Connections to a port of this machine's loopback, and their bytes to and from a pod's port, unchanged."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from footplate.kube.streams import PodConnection

Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

CHUNK = 64 * 1024
#: Seconds that an answer may still take after the client has sent all it will.
_LINGER = 10.0


@asynccontextmanager
async def listening(handle: Handle, port: int = 0) -> AsyncGenerator[int]:
    """The local port, for as long as the block lasts; then every connection ends. Raises OSError where it is taken."""
    open_: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handle(reader, writer)
        finally:
            writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(serve(reader, writer))
        open_.add(task)
        task.add_done_callback(open_.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", port, limit=CHUNK)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(open_):
            task.cancel()
        await asyncio.gather(*open_, return_exceptions=True)


async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pod: PodConnection) -> None:
    """Until the pod closes, or the client has closed and had time for the rest of its answer."""
    upward = asyncio.create_task(_up(reader, pod))
    downward = asyncio.create_task(_down(writer, pod))
    try:
        await asyncio.wait([upward, downward], return_when=asyncio.FIRST_COMPLETED)
        if not downward.done():
            upward.result()
            await asyncio.wait([downward], timeout=_LINGER)
        if downward.done():
            downward.result()
    finally:
        upward.cancel()
        downward.cancel()
        await asyncio.gather(upward, downward, return_exceptions=True)


async def _up(reader: asyncio.StreamReader, pod: PodConnection) -> None:
    while data := await reader.read(CHUNK):
        await pod.write(data)


async def _down(writer: asyncio.StreamWriter, pod: PodConnection) -> None:
    while data := await pod.read():
        writer.write(data)
        await writer.drain()
