"""Starts the program's process and reads what it prints."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from footplate.engine.errors import ProjectInvalid
from footplate.engine.project.config import Config
from footplate.engine.project.manifest import Project

SCRIPT = Path(__file__).with_name("program.py")
REPORTED = 32
GRACE = 5.0
"""Seconds between SIGTERM and SIGKILL."""


@dataclass(frozen=True)
class Launch:
    project: Project
    stack: str
    config: Config
    address: str
    """Of the monitor and engine services, `host:port`."""
    dry_run: bool
    parallel: int


def interpreter(project: Project) -> str:
    """That of `runtime.options.virtualenv`; this process's own, which has the SDK, where it is not there (yet)."""
    python = project.virtualenv / "bin" / "python" if project.virtualenv is not None else None
    return str(python) if python is not None and python.exists() else sys.executable


def command(launch: Launch, lifeline: int) -> list[str]:
    program = launch.project.program
    options = {
        "monitor": launch.address,
        "engine": launch.address,
        "project": launch.project.name,
        "stack": launch.stack,
        "organization": "organization",
        "root_directory": str(launch.project.root.resolve()),
        "pwd": str(program if program.is_dir() else program.parent),
        "dry_run": "true" if launch.dry_run else "false",
        "parallel": str(launch.parallel),
        "lifeline": str(lifeline),
    }
    # -P: the script's own directory must not stand before the program's on the import path.
    line = [interpreter(launch.project), "-u", "-P", str(SCRIPT)]
    for name, value in options.items():
        line += [f"--{name}", value]
    return [*line, str(program)]


def environment(config: Config, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    return {
        **environ,
        "PULUMI_CONFIG": json.dumps(dict(config.values)),
        "PULUMI_CONFIG_SECRET_KEYS": json.dumps(sorted(config.secrets)),
        # gRPC's own notes on forking and the like are not for the person at the terminal.
        "GRPC_VERBOSITY": environ.get("GRPC_VERBOSITY", "NONE"),
    }


class Process:
    def __init__(self, process: asyncio.subprocess.Process, readers: list[asyncio.Task[None]]) -> None:
        self._process = process
        self._readers = readers

    async def wait(self) -> int:
        """The exit status, after all it printed was read."""
        code = await self._process.wait()
        await asyncio.gather(*self._readers)
        return code

    async def stop(self) -> None:
        if self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), GRACE)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def running(launch: Launch, printed: Callable[[str], None]) -> AsyncGenerator[Process]:
    """The program's process, which ends with the block at the latest. `printed` gets each line of its output."""
    read_end, write_end = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            *command(launch, read_end),
            env=environment(launch.config),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            pass_fds=(read_end,),
            # Ctrl-C is for this process; it decides what becomes of the program.
            start_new_session=True,
            limit=2**20,
        )
    except OSError as error:
        os.close(write_end)
        raise ProjectInvalid(f"the program cannot be started: {error}") from error
    finally:
        os.close(read_end)
    assert process.stdout is not None
    reader = asyncio.create_task(_read(process.stdout, printed))
    child = Process(process, [reader])
    try:
        yield child
    finally:
        try:
            await child.stop()
        finally:
            os.close(write_end)
            reader.cancel()


async def _read(stream: asyncio.StreamReader, printed: Callable[[str], None]) -> None:
    while True:
        try:
            line = await stream.readline()
        except ValueError:  # a line longer than the limit: its start was dropped
            continue
        if not line:
            return
        text = line.decode(errors="replace").rstrip("\n")
        if text:
            printed(text)
