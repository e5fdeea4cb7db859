"""From this machine into a workspace."""

from __future__ import annotations

import asyncio
import os
import tarfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import IO

from footplate.api.quantity import human_bytes
from footplate.client.observing import Report, silent
from footplate.client.pods import Pod
from footplate.client.session import Session
from footplate.errors import BadUsage, FootplateError, NotFound
from footplate.kube.errors import Unreachable
from footplate.kube.streams import Exec, Output

_CHUNK = 256 * 1024
#: The archive's last member: one that broke off between two members looks whole without it.
_COMPLETE = "complete"
_CONTENT = "content"

#: `$1` destination, `$2` the source's name, `$3` whether it is a directory. As `cp -r`: into a directory that is there.
_TAKE = f"""\
set -e
into=$1
case $into in */) mkdir -p "$into" ;; esac
if [ -d "$into" ]; then into=${{into%/}}/$2; fi
if [ -d "$into" ] && [ "$3" = file ]; then echo "$into is a directory" >&2; exit 3; fi
if [ -e "$into" ] && [ ! -d "$into" ] && [ "$3" = directory ]; then echo "$into is no directory" >&2; exit 3; fi
mkdir -p "$(dirname "$into")"
part=$(mktemp -d "$(dirname "$into")/.footplate-cp-XXXXXX")
trap 'rm -rf "$part"' EXIT
trap 'exit 143' TERM HUP INT
tar -C "$part" --no-same-owner -xf -
[ -e "$part/{_COMPLETE}" ] || {{ echo "it broke off" >&2; exit 4; }}
if [ -d "$into" ]; then
  (cd "$part/{_CONTENT}" && find . -type d) | while IFS= read -r name; do mkdir -p "$into/$name"; done
  (cd "$part/{_CONTENT}" && find . ! -type d) | while IFS= read -r name; do mv -fT "$part/{_CONTENT}/$name" "$into/$name"; done
else
  mv -fT "$part/{_CONTENT}" "$into"
fi
"""


async def upload(session: Session, pod: Pod, source: Path, destination: str, report: Report = silent) -> int:
    """Bytes of files that were copied. `destination`: a path in the pod. Raises NotFound, BadUsage, FootplateError."""
    resolved, kind, total = _examined(source)
    command = ["sh", "-c", _TAKE, "cp", destination, resolved.name, kind]
    with session.doing(f"copy {source} to {destination}"):
        async with session.kube.exec(
            pod.metadata.namespace, pod.name, command, container=pod.main, stdin=True
        ) as process:
            said = asyncio.create_task(_errors(process))
            try:
                await _send(process, resolved, said, lambda done: report(_progress(done, total)))
                await said
            finally:
                said.cancel()
            if process.exit_code:
                raise FootplateError(f"{source} was not copied to {destination}: {said.result() or 'tar failed'}.")
    return total


def _examined(source: Path) -> tuple[Path, str, int]:
    """Itself, what it is, and the bytes of its files."""
    if not source.exists():
        raise NotFound(f"There is no {source} on this machine.")
    resolved = source.resolve()
    if resolved.is_dir():
        return resolved, "directory", sum(p.lstat().st_size for p in resolved.rglob("*") if not p.is_dir())
    if not resolved.is_file():
        raise BadUsage(f"{source} is neither a file nor a directory.")
    return resolved, "file", resolved.stat().st_size


def _progress(done: int, total: int) -> str:
    return f"copying: {human_bytes(min(done, total))}B of {human_bytes(total)}B"


async def _errors(process: Exec) -> str:
    """What the command says, until it ends."""
    lines = b""
    async for channel, chunk in process.output():
        if channel is Output.STDERR:
            lines = (lines + chunk)[-4096:]
    return lines.decode(errors="replace").strip().splitlines()[-1] if lines.strip() else ""


async def _send(process: Exec, source: Path, ended: asyncio.Task[str], report: Callable[[int], None]) -> None:
    reader, writer = os.pipe()
    packing = asyncio.create_task(asyncio.to_thread(_pack, source, os.fdopen(writer, "wb")))
    done = 0
    with os.fdopen(reader, "rb", buffering=0) as stream:
        try:
            while not ended.done() and (data := await asyncio.to_thread(stream.read, _CHUNK)):
                await process.write(data)
                done += len(data)
                report(done)
        except Unreachable:
            return  # the command may have ended, which its output tells
        finally:
            stream.close()  # ends the packing, where the command ended first
            packed = (await asyncio.gather(packing, return_exceptions=True))[0]
    if not ended.done():
        if isinstance(packed, OSError):
            raise FootplateError(f"{source} cannot be read: {packed.strerror or packed}.") from packed
        await process.close_stdin()


def _pack(source: Path, sink: IO[bytes]) -> None:
    with sink, tarfile.open(fileobj=sink, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        tar.add(source, _CONTENT)
        tar.addfile(tarfile.TarInfo(_COMPLETE), BytesIO())
