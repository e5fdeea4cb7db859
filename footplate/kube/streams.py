"""Exec and port-forward over websockets: the frames of Kubernetes' channel protocols, and what they carry.

Every message starts with a byte that names its channel. Exec (v4, v5): 0 stdin, 1 stdout, 2 stderr, 3 the result as a
`Status`, 4 the terminal's size, and in v5 255 closes the channel that follows it. Port-forward (v4, one connection a
websocket): 0 data, 1 an error's text; the first message on each is the port and no data.

Source: k8s.io/cri-streaming/pkg/streaming/{remotecommand,portforward}/websocket.go, k8s.io/client-go/tools/remotecommand.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, TypeVar

import aiohttp
import msgspec

from footplate.kube import errors
from footplate.kube.decoding import decode
from footplate.kube.errors import ApiError

T = TypeVar("T")
Socket = aiohttp.ClientWebSocketResponse[bool]

EXEC_PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
FORWARD_PROTOCOLS = ("v4.channel.k8s.io",)

_STDIN, _STDOUT, _STDERR, _RESULT, _RESIZE, _CLOSE = 0, 1, 2, 3, 4, 255
_CHUNK = 32 * 1024


class Output(IntEnum):
    STDOUT = _STDOUT
    STDERR = _STDERR


@dataclass(frozen=True)
class Completed:
    exit_code: int
    stdout: bytes
    stderr: bytes


class Exec:
    """A command that runs in a container. Read `output` to its end, then `exit_code` is known."""

    def __init__(self, socket: Socket, lost: Callable[[BaseException], Exception]) -> None:
        self._socket = socket
        self._lost = lost
        self._result: errors.Status | None = None

    async def output(self) -> AsyncGenerator[tuple[Output, bytes]]:
        """Chunks as they come, until the command ends. Raises Unreachable where the connection is lost before that."""
        async for channel, data in _messages(self._socket, self._lost):
            if channel in (_STDOUT, _STDERR):
                if data:
                    yield Output(channel), data
            elif channel == _RESULT and data:
                self._result = decode(data, errors.Status)
        if self._result is None:
            raise self._lost(ConnectionError("the connection ended before the command did"))

    @property
    def exit_code(self) -> int:
        """Raises ApiError where the command could not be run (no such container, no such program)."""
        if self._result is None:
            raise RuntimeError("the command has not ended: read its output to the end first")
        return exit_code(self._result)

    async def write(self, data: bytes) -> None:
        """To standard input."""
        for start in range(0, len(data), _CHUNK):
            await self._send(bytes([_STDIN]) + data[start : start + _CHUNK])

    async def close_stdin(self) -> None:
        """The command reads end-of-file. Servers before 1.30 know no such message: there it stays open."""
        if self._socket.protocol == EXEC_PROTOCOLS[0]:
            await self._send(bytes([_CLOSE, _STDIN]))

    async def resize(self, columns: int, rows: int) -> None:
        await self._send(bytes([_RESIZE]) + msgspec.json.encode({"Width": columns, "Height": rows}))

    async def _send(self, message: bytes) -> None:
        await _guarded(self._socket.send_bytes(message), self._lost)


class PodConnection:
    """One TCP connection to a port of a pod."""

    def __init__(self, socket: Socket, lost: Callable[[BaseException], Exception]) -> None:
        self._socket = socket
        self._lost = lost
        self._messages = _messages(socket, lost)
        self._greeted: set[int] = set()

    async def read(self) -> bytes:
        """The next bytes; empty at the end. Raises ApiError where nothing listens on the port (or no longer does)."""
        async for channel, message in self._messages:
            data = message if channel in self._greeted else message[2:]
            self._greeted.add(channel)
            if not data:
                continue
            if channel == 0:
                return data
            raise ApiError(0, "PortForward", data.decode(errors="replace").strip())
        return b""

    async def write(self, data: bytes) -> None:
        """What is written after the connection has ended is lost, as with TCP: `read` tells of the end, and why."""
        for start in range(0, len(data), _CHUNK):
            try:
                await self._socket.send_bytes(b"\0" + data[start : start + _CHUNK])
            except (aiohttp.ClientError, OSError):
                return


def exit_code(result: errors.Status) -> int:
    if result.status == "Success":
        return 0
    causes: list[dict[str, Any]] = (result.details or {}).get("causes") or []
    for cause in causes:
        if cause.get("reason") == "ExitCode":
            return int(cause.get("message", "1"))
    raise errors.from_status(result)


async def _messages(socket: Socket, lost: Callable[[BaseException], Exception]) -> AsyncGenerator[tuple[int, bytes]]:
    while True:
        message = await _guarded(socket.receive(), lost)
        match message.type:
            case aiohttp.WSMsgType.BINARY if message.data:
                yield message.data[0], message.data[1:]
            case aiohttp.WSMsgType.TEXT if message.data:
                text = message.data.encode()
                yield text[0], text[1:]
            case aiohttp.WSMsgType.ERROR:
                raise lost(socket.exception() or ConnectionError("the websocket broke"))
            case aiohttp.WSMsgType.CLOSE | aiohttp.WSMsgType.CLOSING | aiohttp.WSMsgType.CLOSED:
                return
            case _:
                pass


async def _guarded(call: Awaitable[T], lost: Callable[[BaseException], Exception]) -> T:
    try:
        return await call
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise lost(error) from error
