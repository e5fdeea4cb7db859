"""Starts a tunnel's process, finds it again, replaces it, ends it."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import psutil

from footplate.api import Workspace
from footplate.client.observing import silent
from footplate.client.session import Session
from footplate.client.target import Target, resolve
from footplate.client.tunnel import record as records
from footplate.client.tunnel.record import Lock, Record
from footplate.client.tunnel.serving import Tunnel
from footplate.errors import FootplateError, MachineLacks

_MODULE = "footplate.client.tunnel"
#: Below the ports that the kernel hands out and those of Kubernetes' node ports.
_FIRST_PORT, _PORTS = 20_000, 10_000
_TRIES = 50
_START = 10.0
_ANSWER = 20.0
#: One that serves already has no reason to take longer.
_ANSWER_AGAIN = 8.0
_END = 3.0


@dataclass(frozen=True)
class Open:
    port: int
    pid: int
    reused: bool


async def ensure(session: Session, workspace: Workspace) -> Open:
    """A tunnel to `workspace` that has answered. Raises FootplateError with what the process said where it does not."""
    file = _file(session, workspace)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _START
    damaged = 0
    while True:
        lock = records.acquire(file)
        if lock is not None:
            return await _start(session, workspace, lock)
        record = records.read(file)
        if record is not None and record.pid:
            if record.uid == workspace.metadata.uid and await answers(record.port, _ANSWER_AGAIN):
                return Open(record.port, record.pid, reused=True)
            await _end(file, record)
        elif record is None and (damaged := damaged + 1) > 1 and (holder := _holder(file)) is not None:
            await _end(file, holder)
        elif loop.time() > deadline:
            raise FootplateError(
                f"Another command has been opening workspace {workspace.metadata.name} for {_START:g} s.",
                f"if none runs any more, delete {file}",
            )
        await asyncio.sleep(0.1)


async def serve_here(session: Session, workspace: Workspace, started: Callable[[int], Awaitable[None]]) -> None:
    """Serves the tunnel from this very process, in the place of one that is open."""
    await close(session, workspace.metadata.namespace, workspace.metadata.name)
    lock = records.acquire(_file(session, workspace))
    if lock is None:
        raise FootplateError(f"Another command is opening workspace {workspace.metadata.name}.", "try again")
    try:
        before = records.read(lock.file)
        with bind(session.connection.server, workspace, before, lock.file, session.environ) as listening:
            port: int = listening.getsockname()[1]
            lock.write(_record(session, workspace, port, os.getpid()))
            meta = workspace.metadata
            tunnel = Tunnel(session, meta.namespace, meta.name, meta.uid, silent)
            serving = asyncio.create_task(tunnel.serve(listening))
            try:
                await started(port)
                await serving
            finally:
                serving.cancel()
                await asyncio.gather(serving, return_exceptions=True)
    finally:
        lock.release()


async def _start(session: Session, workspace: Workspace, lock: Lock) -> Open:
    before = records.read(lock.file)
    try:
        listening = bind(session.connection.server, workspace, before, lock.file, session.environ)
        port: int = listening.getsockname()[1]
        record = _record(session, workspace, port, 0)
        lock.write(record)
        with listening:
            process = _spawn(session, lock, listening)
        lock.write(_record(session, workspace, port, process.pid))
    finally:
        lock.release()
    if not await answers(port):
        said = _log(lock.file)
        if process.poll() is None:
            process.terminate()
        raise FootplateError(
            f"The tunnel to workspace {workspace.metadata.name} does not answer{f': {said}' if said else '.'}",
            f"see `footplate workspace show {workspace.metadata.name}` and its `logs`",
        )
    return Open(port, process.pid, reused=False)


def _record(session: Session, workspace: Workspace, port: int, pid: int) -> Record:
    meta = workspace.metadata
    started = psutil.Process(pid).create_time() if pid else 0.0
    return Record(session.connection.server, meta.namespace, meta.name, meta.uid, port, pid, started)


def _file(session: Session, workspace: Workspace) -> Path:
    return records.path(
        session.connection.server, workspace.metadata.namespace, workspace.metadata.name, session.environ
    )


def bind(
    server: str, workspace: Workspace, before: Record | None, file: Path, environ: Mapping[str, str]
) -> socket.socket:
    """A listening socket on the workspace's port of last time, else on one that follows from its name."""
    taken = {record.port for other, record in records.every(environ) if other != file}
    text = f"{server}/{workspace.metadata.namespace}/{workspace.metadata.name}"
    start = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big")
    candidates = [_FIRST_PORT + (start + step) % _PORTS for step in range(_TRIES)]
    ports = ([before.port] if before else []) + [port for port in candidates if port not in taken]
    for port in ports:
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(("127.0.0.1", port))
            listening.listen(128)
        except OSError as error:
            listening.close()
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise
            continue
        return listening
    raise MachineLacks(f"No port is free between {min(ports)} and {max(ports)} of 127.0.0.1.", "close other tunnels")


def _spawn(session: Session, lock: Lock, listening: socket.socket) -> subprocess.Popen[bytes]:
    target = resolve(session.target, session.environ)
    arguments = [str(lock.file), str(lock.descriptor), str(listening.fileno()), *_target(target)]
    with log_file(lock.file).open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", _MODULE, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=_environment(session.environ),
            pass_fds=(lock.descriptor, listening.fileno()),
            start_new_session=True,
        )


def _target(target: Target) -> tuple[str, str]:
    return str(target.kubeconfig.absolute()) if target.kubeconfig else "", target.context or ""


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """The process runs in `/`: relative paths of kubeconfig files would mean others there."""
    found = dict(environ)
    if files := environ.get("KUBECONFIG"):
        found["KUBECONFIG"] = os.pathsep.join(str(Path(file).absolute()) for file in files.split(os.pathsep) if file)
    return found


async def answers(port: int, patience: float = _ANSWER) -> bool:
    """Whether there is an HTTP answer from the workspace's server, by way of the tunnel."""
    timeout = aiohttp.ClientTimeout(total=patience)
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout) as http,
            http.get(f"http://127.0.0.1:{port}/api", allow_redirects=False) as response,
        ):
            return response.status < 500
    except (aiohttp.ClientError, TimeoutError, OSError):
        return False


def log_file(file: Path) -> Path:
    return file.with_suffix(".log")


def _log(file: Path) -> str:
    """The last that the process said."""
    try:
        lines = log_file(file).read_text(errors="replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1] if lines else ""


async def close(session: Session, namespace: str, workspace: str) -> bool:
    """False where none was open. The port stays the workspace's."""
    file = records.path(session.connection.server, namespace, workspace, session.environ)
    if not records.alive(file):
        return False
    record = records.read(file) or _holder(file)
    if record is None:
        return False
    await _end(file, record)
    return True


def forget(session: Session, namespace: str, workspace: str) -> None:
    """After the workspace's deletion, and `close`."""
    file = records.path(session.connection.server, namespace, workspace, session.environ)
    for path in (file, log_file(file)):
        path.unlink(missing_ok=True)


async def close_all(environ: Mapping[str, str] = os.environ, *, server: str | None = None) -> int:
    """How many were open. Leaves nothing of them. `server`: only those of this cluster."""
    count = 0
    for file, record in list(records.every(environ)):
        if server is not None and record.server != server:
            continue
        if records.alive(file):
            await _end(file, record)
            count += 1
        for path in (file, log_file(file)):
            path.unlink(missing_ok=True)
    for file in records.damaged(environ):
        holder = _holder(file) if records.alive(file) else None
        if holder is not None:
            await _end(file, holder)
            count += 1
        if not records.alive(file):
            for path in (file, log_file(file)):
                path.unlink(missing_ok=True)
    return count


def find(session: Session, workspace: Workspace) -> int | None:
    """The port of a tunnel that is open."""
    file = _file(session, workspace)
    record = records.read(file)
    if record is None or record.uid != workspace.metadata.uid or not records.alive(file):
        return None
    return record.port


def _holder(file: Path) -> Record | None:
    """The process that holds a record which cannot be read: its command line names the file."""
    for process in psutil.process_iter(["cmdline", "create_time"]):
        words: list[str] = process.info["cmdline"] or []
        if _MODULE in words and str(file) in words:
            return Record("", "", "", "", 0, process.pid, process.info["create_time"])
    return None


async def _end(file: Path, record: Record) -> None:
    """Asks the process to end, then makes it."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        if not _lives(record):
            break
        os.kill(record.pid, sign)
        for _ in range(int(_END / 0.05)):
            if not records.alive(file):
                return
            await asyncio.sleep(0.05)


def _lives(record: Record) -> bool:
    """Whether the process that the record means is still there, and not another of its number."""
    try:
        return bool(record.pid) and psutil.Process(record.pid).create_time() == record.started
    except psutil.Error:
        return False
