from collections.abc import Awaitable, Callable

import msgspec
import pytest
from aiohttp import WSMsgType, web

from footplate.kube.errors import ApiError, Forbidden, Unreachable
from footplate.kube.streams import Output, exit_code
from tests.unit.kube.server import serving

Conversation = Callable[[web.WebSocketResponse], Awaitable[None]]


def speaking(*protocols: str, then: Conversation) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handler(request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(protocols=protocols)
        await socket.prepare(request)
        await then(socket)
        await socket.close()
        return socket

    return handler


def result(**status: object) -> bytes:
    return b"\3" + msgspec.json.encode({"kind": "Status", **status})


SUCCESS = result(status="Success")


def failed_with(code: int) -> bytes:
    details = {"causes": [{"reason": "ExitCode", "message": str(code)}]}
    return result(status="Failure", reason="NonZeroExitCode", message="command terminated", details=details)


async def test_a_command_has_its_output_told_apart_and_its_exit_code() -> None:
    async def server(socket: web.WebSocketResponse) -> None:
        for message in (b"\1", b"\1out", b"\2err", b"\1put", failed_with(3)):
            await socket.send_bytes(message)

    async with serving(speaking("v5.channel.k8s.io", then=server)) as client:
        done = await client.run("team-a", "demo", ["false"])
    assert (done.exit_code, done.stdout, done.stderr) == (3, b"output", b"err")


async def test_standard_input_reaches_the_command_and_ends() -> None:
    async def server(socket: web.WebSocketResponse) -> None:
        received = b""
        async for message in socket:
            if message.data == b"\xff\0":
                break
            received += message.data[1:]
        await socket.send_bytes(b"\1" + received)
        await socket.send_bytes(SUCCESS)

    sent = bytes(range(256)) * 1000
    async with serving(speaking("v5.channel.k8s.io", then=server)) as client:
        done = await client.run("team-a", "demo", ["cat"], stdin=sent)
    assert done.stdout == sent


async def test_the_command_and_its_options_are_in_the_query() -> None:
    asked: list[str] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        asked.append(request.raw_path)

        async def end(socket: web.WebSocketResponse) -> None:
            await socket.send_bytes(SUCCESS)

        return await speaking("v5.channel.k8s.io", then=end)(request)

    async with (
        serving(handler) as client,
        client.exec("team-a", "demo", ["sh", "-c", "a & b"], container="main", stdin=True, tty=True) as process,
    ):
        assert [chunk async for chunk in process.output()] == []
        assert process.exit_code == 0
    assert asked == [
        "/api/v1/namespaces/team-a/pods/demo/exec?command=sh&command=-c&command=a+%26+b&container=main"
        "&stdin=true&stdout=true&stderr=false&tty=true"
    ]


async def test_the_size_of_the_terminal_is_sent() -> None:
    sizes: list[object] = []

    async def server(socket: web.WebSocketResponse) -> None:
        message = await socket.receive()
        sizes.append((message.data[0], msgspec.json.decode(message.data[1:])))
        await socket.send_bytes(SUCCESS)

    async with (
        serving(speaking("v5.channel.k8s.io", then=server)) as client,
        client.exec("team-a", "demo", ["sh"], tty=True) as shell,
    ):
        await shell.resize(120, 40)
        async for _ in shell.output():
            pass
    assert sizes == [(4, {"Width": 120, "Height": 40})]


async def test_an_older_server_is_spoken_to_without_the_close_of_stdin() -> None:
    async def server(socket: web.WebSocketResponse) -> None:
        assert (await socket.receive()).data == b"\0hello"
        await socket.send_bytes(SUCCESS)
        await socket.close()
        rest.extend([message.type async for message in socket])

    rest: list[WSMsgType] = []
    async with (
        serving(speaking("v4.channel.k8s.io", then=server)) as client,
        client.exec("team-a", "demo", ["cat"], stdin=True) as process,
    ):
        await process.write(b"hello")
        await process.close_stdin()
        async for _ in process.output():
            pass
        assert process.exit_code == 0
    assert WSMsgType.BINARY not in rest


async def test_a_connection_that_ends_before_the_command_is_an_error() -> None:
    async def server(socket: web.WebSocketResponse) -> None:
        await socket.send_bytes(b"\1half")

    async with (
        serving(speaking("v5.channel.k8s.io", then=server)) as client,
        client.exec("team-a", "demo", ["sleep", "1"]) as process,
    ):
        output = process.output()
        assert await anext(output) == (Output.STDOUT, b"half")
        with pytest.raises(Unreachable, match="ended before the command did"):
            await anext(output)


async def test_a_refused_exec_says_why() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        body = {"kind": "Status", "reason": "Forbidden", "message": 'pods "demo" is forbidden', "code": 403}
        return web.json_response(body, status=403)

    async with serving(handler) as client:
        with pytest.raises(Forbidden, match="is forbidden"):
            await client.run("team-a", "demo", ["true"])


def test_a_command_that_cannot_be_run_is_an_error_with_the_runtimes_message() -> None:
    status = msgspec.json.decode(result(status="Failure", reason="InternalError", message="no such program")[1:])
    from footplate.kube.errors import Status

    with pytest.raises(ApiError, match="no such program"):
        exit_code(msgspec.convert(status, Status))


PORT = (8888).to_bytes(2, "little")


async def test_a_forwarded_connection_carries_bytes_both_ways() -> None:
    async def server(socket: web.WebSocketResponse) -> None:
        await socket.send_bytes(b"\0" + PORT)
        await socket.send_bytes(b"\1" + PORT)
        received = (await socket.receive()).data
        await socket.send_bytes(b"\0" + received[1:].upper())

    async with (
        serving(speaking("v4.channel.k8s.io", then=server)) as client,
        client.port_forward("team-a", "demo", 8888) as connection,
    ):
        await connection.write(b"hello")
        assert await connection.read() == b"HELLO"
        assert await connection.read() == b""


async def test_a_port_where_nothing_listens_is_an_error_that_says_so() -> None:
    async def server(socket: web.WebSocketResponse) -> None:
        await socket.send_bytes(b"\0" + PORT)
        await socket.send_bytes(b"\1" + PORT)
        await socket.send_bytes(b"\1connection refused")

    async with (
        serving(speaking("v4.channel.k8s.io", then=server)) as client,
        client.port_forward("team-a", "demo", 8888) as connection,
    ):
        with pytest.raises(ApiError, match="connection refused"):
            await connection.read()


async def test_a_server_that_speaks_no_known_protocol_is_refused() -> None:
    async def nothing(socket: web.WebSocketResponse) -> None:
        pass

    async with serving(speaking("other", then=nothing)) as client:
        with pytest.raises(ApiError, match="speaks none of"):
            async with client.port_forward("team-a", "demo", 8888):
                pass
