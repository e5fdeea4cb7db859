"""Executes a notebook's cells in a Jupyter server, through its REST and kernel APIs, and keeps their outputs.

Sources: https://jupyter-server.readthedocs.io/en/latest/developers/rest-api.html, https://jupyter-client.readthedocs.io/en/stable/messaging.html
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from footplate.errors import ClusterAccess, TimedOut, WorkloadFailed

Notebook = dict[str, Any]
"""nbformat 4, as JSON."""


@dataclass(frozen=True)
class Jupyter:
    """A Jupyter server's base URL (without a slash at the end) and its token."""

    url: str
    token: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"token {self.token}"}


async def execute(
    server: Jupyter,
    notebook: Notebook,
    path: str,
    *,
    cell_timeout: float = 120.0,
    done: Callable[[int], None] | None = None,
) -> Notebook:
    """The notebook with its outputs, saved in the server as `path`. Raises WorkloadFailed for the first cell that fails.

    `done` is told the number of code cells executed so far. `cell_timeout` in seconds.
    """
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=cell_timeout)
    try:
        async with aiohttp.ClientSession(headers=server.headers, timeout=timeout) as session:
            async with _kernel(session, server.url) as kernel:
                executed = await _cells(session, server.url, kernel, notebook, cell_timeout, done)
            content = {"type": "notebook", "format": "json", "content": executed}
            async with session.put(f"{server.url}/api/contents/{path}", json=content) as response:
                response.raise_for_status()
    except TimeoutError as error:
        raise TimedOut(f"Jupyter at {server.url} did not answer within {cell_timeout:g} s") from error
    except aiohttp.ClientError as error:
        raise ClusterAccess(f"Jupyter at {server.url} does not answer as it should: {error}") from error
    return executed


@asynccontextmanager
async def _kernel(session: aiohttp.ClientSession, url: str) -> AsyncGenerator[str]:
    async with session.post(f"{url}/api/kernels", json={}) as response:
        response.raise_for_status()
        kernel: str = (await response.json())["id"]
    try:
        yield kernel
    finally:
        async with session.delete(f"{url}/api/kernels/{kernel}"):
            pass


async def _cells(
    session: aiohttp.ClientSession,
    url: str,
    kernel: str,
    notebook: Notebook,
    cell_timeout: float,
    done: Callable[[int], None] | None,
) -> Notebook:
    channels = f"{url.replace('http', 'ws', 1)}/api/kernels/{kernel}/channels"
    cells: list[dict[str, Any]] = []
    number = 0
    async with session.ws_connect(channels, max_msg_size=0, heartbeat=30) as socket:
        for cell in notebook["cells"]:
            if cell["cell_type"] != "code":
                cells.append(cell)
                continue
            number += 1
            async with asyncio.timeout(cell_timeout):
                outputs = await _run(socket, "".join(cell["source"]))
            cells.append({**cell, "execution_count": number, "outputs": outputs})
            failed = next((output for output in outputs if output["output_type"] == "error"), None)
            if failed:
                raise WorkloadFailed(f"cell {number} of the notebook failed: {failed['ename']}: {failed['evalue']}")
            if done:
                done(number)
    return {**notebook, "cells": cells}


async def _run(socket: aiohttp.ClientWebSocketResponse[bool], code: str) -> list[dict[str, Any]]:
    """One cell's outputs: it is over when the kernel has answered and is idle again."""
    identifier = uuid.uuid4().hex
    await socket.send_json(_execute_request(identifier, code))
    outputs: list[dict[str, Any]] = []
    waiting = {"reply", "idle"}
    while waiting:
        message = await socket.receive()
        if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
            raise aiohttp.ClientConnectionError("the connection to the kernel closed")
        received: dict[str, Any] = message.json()
        if received.get("parent_header", {}).get("msg_id") != identifier:
            continue
        kind, content = received["header"]["msg_type"], received["content"]
        if kind == "execute_reply":
            waiting.discard("reply")
        elif kind == "status" and content["execution_state"] == "idle":
            waiting.discard("idle")
        elif (output := as_output(kind, content)) is not None:
            outputs.append(output)
    return outputs


def _execute_request(identifier: str, code: str) -> dict[str, Any]:
    return {
        "channel": "shell",
        "header": {
            "msg_id": identifier,
            "msg_type": "execute_request",
            "username": "",
            "session": identifier,
            "version": "5.3",
        },
        "parent_header": {},
        "metadata": {},
        "content": {"code": code, "silent": False, "store_history": True, "allow_stdin": False, "stop_on_error": True},
        "buffers": [],
    }


def as_output(kind: str, content: dict[str, Any]) -> dict[str, Any] | None:
    """A kernel's message as nbformat's output; None for those that are none."""
    match kind:
        case "stream":
            return {"output_type": "stream", "name": content["name"], "text": content["text"]}
        case "display_data":
            return {"output_type": kind, "data": content["data"], "metadata": content.get("metadata", {})}
        case "execute_result":
            count = content["execution_count"]
            return {"output_type": kind, "data": content["data"], "metadata": {}, "execution_count": count}
        case "error":
            return {"output_type": kind, **{name: content[name] for name in ("ename", "evalue", "traceback")}}
        case _:
            return None


def texts(notebook: Notebook) -> list[str]:
    """What each code cell printed or gave as its value."""
    found: list[str] = []
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        parts = [
            str(output.get("text") or output.get("data", {}).get("text/plain", ""))
            for output in cell.get("outputs", ())
        ]
        found.append("".join(parts).strip())
    return found
