"""Connections to a listening socket, each passed on to the workspace's pod of the moment.

Bytes pass unchanged, so that HTTP and websockets need nothing of their own. A connection is made to the pod when its
first bytes come: browsers open some that they never use. While there is no pod that is ready, a request waits a
little, then gets a page that says what the workspace waits for and loads itself again.
"""

from __future__ import annotations

import asyncio
import html
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack

from footplate.api import Workspace
from footplate.api.workspace import PORT, WorkspacePhase
from footplate.client.relaying import CHUNK, relay
from footplate.kube.client import Client
from footplate.kube.errors import KubeError
from footplate.kube.streams import PodConnection

#: Seconds that a request waits for a pod, before it gets the page that says why there is none.
_PATIENCE = 20.0
_PAUSE = 0.5


class Forwarder:
    def __init__(
        self, kube: Client, namespace: str, current: Callable[[], Workspace | None], log: Callable[[str], None]
    ):
        self._kube = kube
        self._namespace = namespace
        self._current = current
        self._log = log
        self._open: set[asyncio.Task[None]] = set()

    async def serve(self, listening: socket.socket) -> asyncio.Server:
        """Starts taking connections; close the server, then `stop`."""
        return await asyncio.start_server(self._accept, sock=listening, limit=CHUNK)

    async def stop(self) -> None:
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._open.add(task)
            task.add_done_callback(self._open.discard)
        try:
            await self._connection(reader, writer)
        except (OSError, KubeError) as error:
            self._log(f"a connection ended: {error}")
        finally:
            writer.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.read(CHUNK)
        if not first:
            return
        async with AsyncExitStack() as stack:
            pod = await self._connect(stack)
            if pod is None:
                writer.write(_page(self._current()))
                await writer.drain()
                return
            await pod.write(first)
            await relay(reader, writer, pod)

    async def _connect(self, stack: AsyncExitStack) -> PodConnection | None:
        """To the pod as soon as there is one that is ready; None when that takes too long."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _PATIENCE
        while True:
            state = self._current()
            if state is not None and state.status.phase is WorkspacePhase.RUNNING and state.status.pod_name:
                forward = self._kube.port_forward(self._namespace, state.status.pod_name, PORT)
                try:
                    return await stack.enter_async_context(forward)
                except KubeError as error:
                    self._log(f"no connection to {state.status.pod_name}: {error}")
            stopped = state is not None and state.spec.desired_state == "Stopped"
            if stopped or loop.time() > deadline:
                return None
            await asyncio.sleep(_PAUSE)


def _page(state: Workspace | None) -> bytes:
    if state is None:
        text = "Nothing has been heard from the cluster yet."
    else:
        message = state.status.message or state.status.phase or "nothing is known of it yet"
        text = f"Workspace {state.metadata.name} is not running: {message}"
    body = (
        "<!doctype html><meta charset=utf-8><title>Footplate</title>"
        f"<body style='font: 1rem sans-serif; margin: 4rem'><p>{html.escape(text)}<p>This page tries again by itself."
    ).encode()
    head = (
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/html; charset=utf-8\r\nRefresh: 5\r\nRetry-After: 5\r\n"
        f"Cache-Control: no-store\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
