"""One run at a time on a stack: an flock that the kernel drops when its holder dies, and who holds it."""

from __future__ import annotations

import fcntl
import getpass
import os
import socket
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import msgspec

from footplate.engine.errors import StackLocked


class Holder(msgspec.Struct):
    command: str
    pid: int
    user: str
    host: str
    since: str


@contextmanager
def locked(path: Path, command: str, stack: str) -> Generator[None]:
    """Raises StackLocked at once where another process holds it."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StackLocked(
                f"stack {stack!r} is in use: {_describe(file.read())}", "wait until it is done, then run again"
            ) from None
        file.truncate(0)
        file.write(msgspec.json.encode(_me(command)))
        file.flush()
        try:
            yield
        finally:
            file.seek(0)
            file.truncate(0)


def _me(command: str) -> Holder:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    return Holder(command, os.getpid(), user, socket.gethostname(), now)


def _describe(content: bytes) -> str:
    try:
        holder = msgspec.json.decode(content, type=Holder)
    except msgspec.DecodeError:
        return "another process holds its lock"
    return f"`footplate {holder.command}` of {holder.user} (process {holder.pid} on {holder.host}) since {holder.since}"
