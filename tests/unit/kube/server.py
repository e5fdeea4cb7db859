"""A scripted API server on a real socket: tests say what it answers and read what it was asked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.test_utils import TestServer

from footplate.kube.client import Client
from footplate.kube.connection import Connection
from footplate.kube.credentials import Identity, StaticCredentials
from footplate.kube.transport import RetryPolicy, Timeouts

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def connection(url: str) -> Connection:
    return Connection(server=url, context="test", credentials=StaticCredentials(Identity(), "the test"))


@asynccontextmanager
async def serving(handler: Handler) -> AsyncGenerator[Client]:
    """A client of a server whose every request goes to `handler`."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    async with TestServer(app) as server:
        client = Client(
            connection(str(server.make_url("")).rstrip("/")),
            retry=RetryPolicy(attempts=4, first=0.001, longest=0.02),
            timeouts=Timeouts(connect=2.0, answer=2.0),
        )
        async with client:
            yield client


async def until(predicate: Callable[[], bool], timeout: float = 5.0) -> None:
    """Raises TimeoutError."""
    async with asyncio.timeout(timeout):
        while not predicate():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
