"""Files that the attempts of a job left: those of FOOTPLATE_ARTIFACTS_DIR and of FOOTPLATE_TENSORBOARD_DIR."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path, PurePosixPath

import msgspec
import obstore

from footplate.api import TrainingJob, records
from footplate.api.meta import Wire
from footplate.client import jobs, pods
from footplate.client.observing import Report, read, silent
from footplate.client.session import Session
from footplate.client.store import Location, at, using
from footplate.errors import Refused

_ENDING = 600.0
"""Seconds that pods may take to end."""


class Artifact(Wire, frozen=True):
    """`path`: below ``attempt-<n>``, such as ``artifacts/node-0/model.pt``. `size` in bytes."""

    attempt: int
    path: str
    size: int
    modified: datetime

    @property
    def target(self) -> str:
        """Where a download puts it: TensorBoard takes attempts and nodes for runs."""
        return f"attempt-{self.attempt}/{self.path}"


class LeftOut(Wire, frozen=True):
    """Over the limit of its node."""

    attempt: int
    path: str
    size: int


class Found(Wire, frozen=True):
    artifacts: tuple[Artifact, ...]
    left_out: tuple[LeftOut, ...] = ()


class _File(msgspec.Struct):
    path: str
    size: int


async def listing(session: Session, name: str, attempt: int | None = None) -> Found:
    found: list[Artifact] = []
    left_out: list[LeftOut] = []
    async for number, location in _locations(session, name, attempt):
        with using(location, "list the artifacts"):
            for directory in (records.ARTIFACTS, records.TENSORBOARD, records.LEFT_OUT):
                for path, size, modified in await _below(location, directory):
                    if directory != records.LEFT_OUT:
                        found.append(Artifact(number, path, size, modified))
                        continue
                    content = await (await obstore.get_async(location.store, location.at(path))).bytes_async()
                    files = msgspec.json.decode(bytes(content), type=list[_File])
                    left_out += [LeftOut(number, file.path, file.size) for file in files]
    return Found(tuple(found), tuple(left_out))


async def download(
    session: Session, name: str, directory: Path, attempt: int | None = None, report: Report = silent
) -> list[Path]:
    """A file that is there with the same size and is not older stays as it is."""
    fetched: list[Path] = []
    async for number, location in _locations(session, name, attempt):
        with using(location, "fetch the artifacts"):
            for kind in (records.ARTIFACTS, records.TENSORBOARD):
                for path, size, modified in await _below(location, kind):
                    target = _within(directory, Artifact(number, path, size, modified).target)
                    if not _same(target, size, modified):
                        report(f"fetching {path}")
                        await _fetch(location, path, target)
                    fetched.append(target)
    return fetched


async def purge(session: Session, job: TrainingJob) -> int:
    """Deletes all that the job left, once its pods write no more. How many objects it was."""
    async with asyncio.timeout(_ENDING):
        while True:
            if not await pods.of_job(session, job.metadata.name):
                break
            await asyncio.sleep(1.0)
    roots = {attempt.log_uri.rsplit("/", 1)[0] for attempt in job.status.attempts if attempt.log_uri}
    removed = 0
    for root in sorted(roots):
        async with at(session, root) as location:
            with using(location, "delete what the job left"):
                paths = [location.at(path) for path, _, _ in await _below(location, "")]
                if paths:
                    await obstore.delete_async(location.store, paths)
                removed += len(paths)
    return removed


async def _locations(session: Session, name: str, attempt: int | None) -> AsyncGenerator[tuple[int, Location]]:
    job = read(await jobs.get(session, name), TrainingJob)
    for one in job.status.attempts:
        if one.log_uri is not None and attempt in (None, one.number):
            async with AsyncExitStack() as stack:
                yield one.number, await stack.enter_async_context(at(session, one.log_uri))


async def _below(location: Location, path: str) -> Sequence[tuple[str, int, datetime]]:
    """Path, size and time of each; relative to the location."""
    cut = len(location.key) + 1 if location.key else 0
    found: list[tuple[str, int, datetime]] = []
    async for page in obstore.list(location.store, location.at(path) or None, chunk_size=1000):  # pyright: ignore[reportUnknownMemberType]
        found += [(item["path"][cut:], item["size"], item["last_modified"]) for item in page]
    return sorted(found)


def _within(directory: Path, path: str) -> Path:
    if ".." in PurePosixPath(path).parts:
        raise Refused(f"{path} would be written outside of {directory}.", "fetch it with a client of the object store")
    return directory / path


def _same(target: Path, size: int, modified: datetime) -> bool:
    try:
        there = target.stat()
    except OSError:
        return False
    return there.st_size == size and there.st_mtime >= modified.timestamp()


async def _fetch(location: Location, path: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.partial")
    result = await obstore.get_async(location.store, location.at(path))
    with partial.open("wb") as file:
        async for chunk in result.stream(min_chunk_size=1 << 20):
            file.write(chunk)
    partial.replace(target)
