"""What is written down of a tunnel, and the lock that says whether its process lives."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from footplate.client.target import data_directory


class Record(msgspec.Struct, frozen=True, rename="camel"):
    server: str
    namespace: str
    workspace: str
    uid: str
    port: int
    pid: int = 0
    """0 while the process is being started."""
    started: float = 0.0
    """When the process was, as the system has it: numbers of processes are used again."""


def directory(environ: Mapping[str, str] = os.environ) -> Path:
    return data_directory(environ) / "tunnels"


def path(server: str, namespace: str, workspace: str, environ: Mapping[str, str] = os.environ) -> Path:
    """One a workspace, on whatever cluster."""
    digest = hashlib.sha256(f"{server}\n{namespace}\n{workspace}".encode()).hexdigest()[:10]
    return directory(environ) / f"{namespace}-{workspace}-{digest}.json"


def read(file: Path) -> Record | None:
    """None where there is none, or none that is whole."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=Record)
    except (OSError, msgspec.DecodeError):
        return None


def every(environ: Mapping[str, str] = os.environ) -> Iterator[tuple[Path, Record]]:
    folder = directory(environ)
    for file in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        record = read(file)
        if record is not None:
            yield file, record


def damaged(environ: Mapping[str, str] = os.environ) -> list[Path]:
    """Files that are no records: written in part, or by another version."""
    folder = directory(environ)
    return [file for file in folder.glob("*.json") if read(file) is None] if folder.is_dir() else []


class Lock:
    """Exclusive, on the record's file; the record is written into that very file, since the lock goes with it.

    It goes with the descriptor, so that it passes to a child process that inherits it, and ends with the last of them.
    """

    def __init__(self, file: Path, descriptor: int) -> None:
        self.file = file
        self.descriptor = descriptor

    def write(self, record: Record) -> None:
        data = msgspec.json.encode(record)
        os.pwrite(self.descriptor, data, 0)
        os.ftruncate(self.descriptor, len(data))

    def remove(self) -> None:
        self.file.unlink(missing_ok=True)

    def release(self) -> None:
        os.close(self.descriptor)


def acquire(file: Path) -> Lock | None:
    """None while a process holds it."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        if _still_there(file, descriptor):
            return Lock(file, descriptor)
        os.close(descriptor)


def _still_there(file: Path, descriptor: int) -> bool:
    """Whoever held it before may have removed it between our opening and locking it."""
    try:
        return file.stat().st_ino == os.fstat(descriptor).st_ino
    except FileNotFoundError:
        return False


def alive(file: Path) -> bool:
    if not file.exists():
        return False
    lock = acquire(file)
    if lock is None:
        return True
    lock.release()
    return False
