"""Health and metrics over HTTP: /healthz, /readyz, /metrics."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

Check = Callable[[], str | None]
"""None: well; else what is wrong."""


@asynccontextmanager
async def serving(port: int, registry: CollectorRegistry, *, healthy: Check, ready: Check) -> AsyncGenerator[int]:
    """The port on which it listens: a free one where 0 is asked for."""

    def answer(check: Check) -> Callable[[web.Request], object]:
        async def handler(request: web.Request) -> web.Response:
            wrong = check()
            return web.Response(text=f"{wrong or 'ok'}\n", status=503 if wrong else 200)

        return handler

    async def metrics(request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.router.add_get("/healthz", answer(healthy))  # pyright: ignore[reportArgumentType]
    app.router.add_get("/readyz", answer(ready))  # pyright: ignore[reportArgumentType]
    app.router.add_get("/metrics", metrics)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, port=port)
        await site.start()
        # Of a chosen port every address family gets its own.
        yield min(runner.addresses, key=len)[1]
    finally:
        await runner.cleanup()
