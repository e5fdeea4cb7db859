"""Ports of this machine's loopback that lead to ports of a workspace or a job, through its restarts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from footplate.api import Workspace
from footplate.api.workspace import WorkspacePhase
from footplate.client import workspaces
from footplate.client.observing import read
from footplate.client.relaying import listening, relay
from footplate.client.session import Session
from footplate.errors import BadUsage, Conflict, FootplateError, MachineLacks
from footplate.kube.errors import Forbidden, KubeError
from footplate.kube.streams import PodConnection

Log = Callable[[str], None]
Find = Callable[[Session, str], Awaitable[tuple[str, str]]]

#: Seconds for which a connection waits for a pod that is ready.
PATIENCE = 60.0
_PAUSE = 1.0


@dataclass(frozen=True)
class Ports:
    remote: int
    local: int
    """0: any that is free."""


def ports(text: str) -> Ports:
    """`6006` → the same on both ends, `6006:8080` → 8080 of this machine. Raises BadUsage."""
    remote, colon, local = text.partition(":")
    numbers = [int(word) if word.isdecimal() else -1 for word in (remote, local if colon else remote)]
    if not 0 < numbers[0] < 65536 or not 0 <= numbers[1] < 65536:
        raise BadUsage(f"{text!r} is no port.", "write the workspace's, then this machine's: 6006 or 6006:8080")
    return Ports(numbers[0], numbers[1])


async def workspace_pod(session: Session, name: str) -> tuple[str, str]:
    """Namespace and name. Raises Conflict where it does not run."""
    state = read(await workspaces.get(session, name), Workspace)
    if state.status.phase is not WorkspacePhase.RUNNING or not state.status.pod_name:
        said = state.status.message or state.status.phase or "it has not started yet"
        raise Conflict(f"workspace {name} does not run: {said}", f"start it with `footplate workspace start {name}`")
    return state.metadata.namespace, state.status.pod_name


@asynccontextmanager
async def forwarded(
    session: Session, name: str, wanted: Ports, log: Log, find: Find = workspace_pod
) -> AsyncGenerator[int]:
    """The local port, for as long as the block lasts. Raises MachineLacks where it is taken.

    `find`: the namespace and name of the pod of the moment.
    """

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with AsyncExitStack() as stack:
                await relay(reader, writer, await _connect(stack, session, name, wanted.remote, find))
        except (OSError, KubeError, FootplateError) as error:
            log(f"a connection to port {wanted.remote} ended: {error}")

    async with AsyncExitStack() as stack:
        try:
            port = await stack.enter_async_context(listening(handle, wanted.local))
        except OSError as error:
            raise MachineLacks(
                f"Port {wanted.local} of 127.0.0.1 cannot be listened on: {error.strerror or error}.",
                f"name another: {wanted.remote}:{wanted.local + 1}, or {wanted.remote}:0 for any",
            ) from error
        yield port


async def _connect(stack: AsyncExitStack, session: Session, name: str, port: int, find: Find) -> PodConnection:
    """To the pod of the moment. Raises the last error where there is none for long."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE
    while True:
        try:
            namespace, pod = await find(session, name)
            return await stack.enter_async_context(session.kube.port_forward(namespace, pod, port))
        except Forbidden:
            raise
        except (KubeError, FootplateError):
            if loop.time() > deadline:
                raise
        await asyncio.sleep(_PAUSE)
