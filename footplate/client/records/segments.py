"""Reads what was uploaded in segments, also while small ones are being replaced by large ones."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta

import obstore

from footplate.api import records
from footplate.api.records import Segment
from footplate.client.store import Location
from footplate.kube.lines import LineBuffer

CHUNK = 256 << 10
"""Bytes of a request: as many are held of each output that is read."""

_SKEW = timedelta(minutes=1)
"""By which the clocks of the store and of the nodes may differ."""


@dataclass(frozen=True)
class Piece:
    segment: Segment
    modified: datetime


@dataclass(frozen=True)
class Gap:
    """Bytes that are not there."""

    size: int


async def listing(location: Location, path: str) -> dict[str, list[Piece]]:
    """By the directory that they are in, relative to the location."""
    found: dict[str, list[Piece]] = {}
    cut = len(location.key) + 1 if location.key else 0
    async for page in obstore.list(location.store, location.at(path), chunk_size=1000):  # pyright: ignore[reportUnknownMemberType]
        for item in page:
            directory, _, name = item["path"][cut:].rpartition("/")
            segment = records.parse_segment(name)
            if segment is not None:
                found.setdefault(directory, []).append(Piece(segment, item["last_modified"]))
    return found


async def read(
    location: Location, path: str, pieces: Sequence[Piece], position: int = 0
) -> AsyncGenerator[bytes | Gap]:
    """From `position` on."""
    known = [piece.segment for piece in pieces]
    while True:
        before = position
        try:
            for segment in records.chain(known, position):
                if segment.start > position:
                    yield Gap(segment.start - position)
                    position = segment.start
                while position < segment.end:
                    end = min(position + CHUNK, segment.end)
                    content = await _range(location, path, segment, position, end)
                    yield content
                    position = end
            return
        except FileNotFoundError:
            # Another took its place meanwhile.
            fresh = [piece.segment for piece in (await listing(location, path)).get(path, [])]
            if fresh == known and position == before:
                return
            known = fresh


async def _range(location: Location, path: str, segment: Segment, start: int, end: int) -> bytes:
    name = location.at(f"{path}/{segment.name}")
    found = await obstore.get_range_async(location.store, name, start=start - segment.start, end=end - segment.start)
    return bytes(found)


async def lines(
    location: Location, path: str, pieces: Sequence[Piece], position: int = 0
) -> AsyncGenerator[bytes | Gap]:
    buffer = LineBuffer()
    async with aclosing(read(location, path, pieces, position)) as parts:
        async for part in parts:
            if isinstance(part, Gap):
                buffer.rest()  # the beginning of a line whose end is not there
                yield part
                continue
            for line in buffer.feed(part):
                yield line
    if rest := buffer.rest():
        yield rest


def since(pieces: Sequence[Piece], moment: datetime) -> list[Piece]:
    """Without those that were complete before."""
    return [piece for piece in pieces if piece.modified >= moment - _SKEW]


async def tail(location: Location, path: str, pieces: Sequence[Piece], count: int) -> int:
    """Where to begin for the last `count` lines."""
    segments = records.chain(piece.segment for piece in pieces)
    if not segments or count <= 0:
        return segments[-1].end if segments else 0
    missing = count + 1  # the newline before them too
    for segment in reversed(segments):
        end = segment.end
        while end > segment.start:
            start = max(end - CHUNK, segment.start)
            try:
                content = await _range(location, path, segment, start, end)
            except FileNotFoundError:  # replaced meanwhile: a few more lines do no harm
                return start
            newlines = content.count(b"\n")
            if newlines >= missing:
                for _ in range(missing):
                    content = content[: content.rfind(b"\n")]
                return start + len(content) + 1
            missing -= newlines
            end = start
    return segments[0].start
