"""From a workspace to this machine."""

from __future__ import annotations

import asyncio
import os
import posixpath
import shutil
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

from footplate.api.quantity import human_bytes
from footplate.client.observing import Report, silent
from footplate.client.pods import Pod
from footplate.client.session import Session
from footplate.errors import BadUsage, FootplateError, NotFound
from footplate.kube.streams import Exec, Output

#: `$1` the source: a directory by its own name, also where it is `.` or a link to one; of a link to a file its content.
_GIVE = """\
[ -e "$1" ] || exit 3
if [ -d "$1" ]; then cd -P "$1" && name=$(basename "$PWD") && cd .. && exec tar -cf - -- "$name"; fi
cd "$(dirname "$1")" && exec tar -chf - -- "$(basename "$1")"
"""
_MISSING = 3
#: GNU tar's, where files changed while it read them.
_CHANGED = 1


def silently(_: str) -> None:
    pass


async def download(
    session: Session,
    pod: Pod,
    source: str,
    destination: Path,
    report: Report = silent,
    note: Callable[[str], None] = silently,
) -> Path:
    """Where it is now. As `cp -r`: into a directory that is there. `note` hears of what a copy has not.

    Raises NotFound, BadUsage, FootplateError.
    """
    if posixpath.normpath(source) == "/":
        raise BadUsage("All of a workspace is not copied.", "name a directory in it; its home is NAME:")
    with (
        tempfile.TemporaryDirectory(prefix=".footplate-cp-", dir=_beside(destination)) as part,
        session.doing(f"copy {source}"),
    ):
        command = ["sh", "-c", _GIVE, "cp", source]
        async with session.kube.exec(pod.metadata.namespace, pod.name, command, container=pod.main) as process:
            said = await _receive(process, Path(part), report, note)
        if process.exit_code == _MISSING:
            raise NotFound(f"There is no {source} in the workspace.")
        if process.exit_code not in (0, _CHANGED):
            raise FootplateError(f"{source} was not copied: {said or 'tar failed'}.")
        if process.exit_code == _CHANGED:
            note(f"some of it changed while it was copied: {said}")
        return _arrived(Path(part), destination)


def _beside(destination: Path) -> Path:
    parent = destination if destination.is_dir() else destination.absolute().parent
    if not parent.is_dir():
        raise BadUsage(f"There is no directory {parent} on this machine.")
    return parent


def _arrived(part: Path, destination: Path) -> Path:
    (content,) = part.iterdir()
    target = destination / content.name if destination.is_dir() else destination
    _place(content, target)
    return target


async def _receive(process: Exec, part: Path, report: Report, note: Callable[[str], None]) -> str:
    """The last that the command says."""
    reader, writer = os.pipe()
    sink = os.fdopen(writer, "wb", buffering=0)
    unpacking = asyncio.create_task(asyncio.to_thread(_unpack, os.fdopen(reader, "rb"), part, note))
    done, said = 0, b""
    try:
        async for channel, chunk in process.output():
            if channel is Output.STDERR:
                said = (said + chunk)[-4096:]
                continue
            await asyncio.to_thread(_write, sink, chunk)
            done += len(chunk)
            report(f"copying: {human_bytes(done)}B")
    finally:
        sink.close()
        failure = (await asyncio.gather(unpacking, return_exceptions=True))[0]
        if isinstance(failure, tarfile.TarError | OSError) and done:
            raise FootplateError(f"It cannot be unpacked here: {failure}.") from failure
    lines = said.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


def _write(sink: IO[bytes], data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[sink.write(view) :]


def _unpack(stream: IO[bytes], part: Path, note: Callable[[str], None]) -> None:
    with stream, tarfile.open(fileobj=stream, mode="r|") as tar:
        for member in tar:
            try:
                tar.extract(member, part, filter="data")
            except (tarfile.LinkOutsideDestinationError, tarfile.AbsoluteLinkError, tarfile.SpecialFileError) as error:
                note(f"left out: {error}")
        while stream.read(1 << 16):  # padding, which its writer would else fail on
            pass


def _place(content: Path, target: Path) -> None:
    if content.is_dir() and target.is_dir():
        for entry in content.iterdir():
            _place(entry, target / entry.name)
        return
    if target.is_dir():
        raise BadUsage(f"{target} is a directory of this machine, and a file would take its place.", "name another")
    if content.is_dir() and target.exists():
        raise BadUsage(f"{target} is a file of this machine, and a directory would take its place.", "name another")
    if content.is_dir():
        shutil.move(content, target)
    else:
        content.replace(target)
