"""The controllers as a process of their own, and what they use."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import aiohttp
import psutil

from footplate.api.reports import PATH

START = 120.0


@dataclass(frozen=True)
class Controllers:
    """`port`: of /metrics and /readyz; `collector`: of what pods report to. `start`: seconds until it led."""

    process: psutil.Process
    port: int
    collector: int
    start: float

    @property
    def cpu(self) -> float:
        """Seconds since its start."""
        return sum(self.process.cpu_times()[:2])

    @property
    def rss_mib(self) -> float:
        return self.process.memory_info().rss / 2**20


@asynccontextmanager
async def started(kubeconfig: Path, *more: str) -> AsyncGenerator[Controllers]:
    """From the moment when its caches are full and it leads, until the end of the block."""
    port, collector = _free_ports(2)
    began = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "footplate.controllers", "--kubeconfig", str(kubeconfig), "--log-level", "warning"),
        *("--port", str(port), "--collector-port", str(collector), *more),
        env={**os.environ, "POD_NAME": "bench"},
    )
    try:
        async with asyncio.timeout(START):
            await _leads(port, collector)
        yield Controllers(psutil.Process(process.pid), port, collector, time.perf_counter() - began)
    finally:
        process.terminate()
        await process.wait()


async def _leads(port: int, collector: int) -> None:
    async with aiohttp.ClientSession() as session:
        while await _status(session, "GET", f"http://127.0.0.1:{port}/readyz") != HTTPStatus.OK:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        # Who leads asks a report without a token for one; who does not, says so.
        while await _status(session, "POST", f"http://127.0.0.1:{collector}{PATH}") != HTTPStatus.UNAUTHORIZED:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def _status(session: aiohttp.ClientSession, method: str, url: str) -> int | None:
    try:
        async with session.request(method, url) as answer:
            return answer.status
    except aiohttp.ClientError:
        return None


def _free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports
