"""Splits a response into lines of any length (aiohttp's own reader refuses those over 128 KiB)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

import aiohttp


class Failures(Protocol):
    def unreachable(self, error: BaseException) -> Exception: ...


class LineBuffer:
    """Feed chunks, get whole lines. A line that comes in many chunks is joined once."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def feed(self, chunk: bytes) -> list[bytes]:
        first, newline, rest = chunk.partition(b"\n")
        if not newline:
            self._parts.append(chunk)
            return []
        whole = [b"".join([*self._parts, first]), *rest.split(b"\n")]
        tail = whole.pop()
        self._parts = [tail] if tail else []
        return whole

    def rest(self) -> bytes:
        rest, self._parts = b"".join(self._parts), []
        return rest


async def lines(response: aiohttp.ClientResponse, failures: Failures) -> AsyncGenerator[bytes]:
    buffer = LineBuffer()
    try:
        async for chunk in response.content.iter_any():
            for line in buffer.feed(chunk):
                yield line
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise failures.unreachable(error) from error
    if rest := buffer.rest():
        yield rest
