"""Bytes between a connection of this machine and a pod's port, both ways and unchanged."""

from __future__ import annotations

import asyncio

from footplate.kube.streams import PodConnection

CHUNK = 64 * 1024
#: Seconds that an answer may still take after the client has sent all it will.
_LINGER = 10.0


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
