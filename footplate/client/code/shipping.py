"""Code to where jobs find it: `<the team's data>/code/<sha256>.tar.gz`, once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import obstore

from footplate.api.quantity import human_bytes
from footplate.client.code.archive import Archive, pack
from footplate.client.code.tree import Limits, Tree, survey
from footplate.client.observing import Report, silent
from footplate.client.session import Session
from footplate.client.store import Location, exists, team_store, using

T = TypeVar("T")

_PART = 8 << 20
_PARTS_AT_ONCE = 3
_REPORT_EVERY = 0.2


@dataclass(frozen=True)
class Parcel:
    """Packed, not sent: its address is known, so that a job that names it can be checked first."""

    uri: str
    tree: Tree
    archive: Archive
    location: Location


@asynccontextmanager
async def packed(
    session: Session, root: Path, *, limits: Limits | None = None, report: Report = silent
) -> AsyncGenerator[Parcel]:
    """Raises Refused where the code is over the limits, before any of it is read."""
    tree = await _in_thread(lambda progress: survey(root, limits or Limits(), progress), report)
    async with team_store(session) as location:
        with ExitStack() as stack:
            archive = await _in_thread(lambda progress: stack.enter_context(pack(tree, progress)), report)
            yield Parcel(f"{location.bucket}/{location.at(name(archive))}", tree, archive, location)


def name(archive: Archive) -> str:
    return f"code/{archive.sha256}.tar.gz"


async def send(parcel: Parcel, report: Report = silent) -> bool:
    """False where it was there already. An upload that is interrupted leaves no object under the name."""
    archive, location = parcel.archive, parcel.location
    with using(location, "upload the code"):
        if await exists(location, name(archive)):
            return False
        parts = _parts(archive, report)
        await obstore.put_async(
            location.store, location.at(name(archive)), parts, chunk_size=_PART, max_concurrency=_PARTS_AT_ONCE
        )
    return True


def _parts(archive: Archive, report: Report) -> Iterator[bytes]:
    sent = 0
    while part := archive.file.read(_PART):
        yield part
        sent += len(part)
        report(f"uploading the code: {human_bytes(sent)}B of {human_bytes(archive.size)}B")


class _StoppedError(Exception):
    pass


async def _in_thread(work: Callable[[Callable[[str], None]], T], report: Report) -> T:
    """Long work that blocks. When the caller is cancelled, the work ends at its next word of progress."""
    loop = asyncio.get_running_loop()
    stopped = False
    reported = 0.0

    def progress(text: str) -> None:
        nonlocal reported
        if stopped:
            raise _StoppedError
        if loop.time() - reported > _REPORT_EVERY:
            reported = loop.time()
            loop.call_soon_threadsafe(report, text)

    task = loop.run_in_executor(None, work, progress)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        stopped = True
        await asyncio.wait([task])
        task.exception()
        raise
