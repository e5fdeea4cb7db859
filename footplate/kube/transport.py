"""Sends requests over aiohttp: identity, TLS, bounded retries, and failures turned into this package's errors.

Two connection pools: ordinary requests share a bounded one (more at once only queue in the API server's in-flight
limits, 400 reads and 200 writes), streams (watches, logs, exec) live long and must not starve it.
"""

from __future__ import annotations

import asyncio
import os
import random
import ssl
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlencode

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from footplate.kube import errors
from footplate.kube.connection import Connection
from footplate.kube.credentials import ClientCertificate
from footplate.kube.errors import ApiError, Unauthorized, Unreachable

Query = Mapping[str, str | int | bool | None]
Observer = Callable[[str, str, str], None]
"""(code, method, host) of every answer; code is `<error>` where there was none."""

T = TypeVar("T")

IDEMPOTENT = frozenset({"GET", "PUT", "DELETE", "HEAD"})


@dataclass(frozen=True)
class RetryPolicy:
    attempts: int = 5
    first: float = 0.1
    longest: float = 10.0
    """Seconds between attempts at most, a server's Retry-After included."""

    def delay(self, error: Exception, attempt: int, chance: float) -> float:
        if isinstance(error, ApiError) and error.retry_after is not None:
            # The server names the same second to all who wait: spread them.
            return min(error.retry_after, self.longest) + chance / 2
        return min(self.first * 2 ** (attempt - 1), self.longest) * chance


@dataclass(frozen=True)
class Timeouts:
    connect: float = 10.0
    answer: float = 65.0
    """Between two reads of an ordinary request: a little over the API server's own 60 s."""


@dataclass(frozen=True)
class _Wire:
    headers: CIMultiDict[str]
    tls: ssl.SSLContext


class Transport:
    def __init__(
        self,
        connection: Connection,
        user_agent: str,
        *,
        retry: RetryPolicy | None = None,
        timeouts: Timeouts | None = None,
        connections: int = 64,
        observe: Observer | None = None,
    ) -> None:
        self.connection = connection
        self._user_agent = user_agent
        self._retry = retry or RetryPolicy()
        self._timeouts = timeouts or Timeouts()
        self._connections = connections
        self._observe = observe
        self.gate: Callable[[], None] | None = None
        """Asked before every write is sent; what it raises goes to the caller."""
        self.latency = 0.0
        """Seconds that ordinary requests took of late: a moving mean, by which callers can spare a busy server."""
        self._sessions: dict[bool, aiohttp.ClientSession] = {}
        self._tls: dict[ClientCertificate | None, ssl.SSLContext] = {}
        self._host = URL(connection.server).authority

    async def close(self) -> None:
        sessions, self._sessions = list(self._sessions.values()), {}
        for session in sessions:
            await session.close()

    async def request(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        body: bytes | None = None,
        content_type: str = "application/json",
        *,
        accept: str = "application/json",
        idempotent: bool | None = None,
    ) -> bytes:
        """The body of a successful answer. A request that is not idempotent is repeated only if it was not processed."""
        repeatable = method in IDEMPOTENT if idempotent is None else idempotent

        attempt = 1
        while True:
            started = time.monotonic()
            try:
                async with self.open(method, path, query, body, content_type, accept=accept) as response:
                    answer = await self._guard(response.read())
            except (ApiError, Unreachable) as error:
                if attempt >= self._retry.attempts or not _retriable(error, repeatable):
                    raise
                await asyncio.sleep(self._retry.delay(error, attempt, random.random()))
                attempt += 1
                continue
            self.latency += (time.monotonic() - started - self.latency) / 20
            return answer

    @asynccontextmanager
    async def open(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        body: bytes | None = None,
        content_type: str = "application/json",
        *,
        accept: str = "application/json",
        stream: bool = False,
        idle: float | None = None,
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        """One attempt (two where the identity was stale). `idle`: seconds a stream may stay silent; None: for ever."""
        for last in (False, True):
            session = self._session(stream)
            timeout = aiohttp.ClientTimeout(
                total=None,
                sock_connect=self._timeouts.connect,
                sock_read=idle if stream else self._timeouts.answer,
            )
            wire = await self._wire()
            if self.gate is not None and method not in ("GET", "HEAD"):
                self.gate()
            wire.headers["Accept"] = accept
            if body is not None:
                wire.headers["Content-Type"] = content_type
            send = session.request(
                method,
                self.url(path, query),
                data=body,
                headers=wire.headers,
                ssl=wire.tls,
                proxy=self.connection.proxy,
                server_hostname=self.connection.tls_server_name,
                timeout=timeout,
                allow_redirects=False,
            )
            try:
                response = await self._guard(send)
            except Unreachable:
                self._count("<error>", method)
                raise
            async with response:
                self._count(str(response.status), method)
                if response.status < 300:
                    yield response
                    return
                error = await self._refusal(response)
                if last or not isinstance(error, Unauthorized) or not self.connection.credentials.renew():
                    raise error

    @asynccontextmanager
    async def websocket(
        self, path: str, query: list[tuple[str, str]], protocols: tuple[str, ...]
    ) -> AsyncGenerator[aiohttp.ClientWebSocketResponse[bool]]:
        """A websocket; a server that speaks none of `protocols` is an ApiError of reason `UpgradeRequired`."""
        wire = await self._wire()
        url = URL(f"{self.connection.server}{path}?{urlencode(query)}", encoded=True)
        connect = self._session(True).ws_connect(
            url,
            protocols=protocols,
            max_msg_size=0,
            heartbeat=30.0,
            headers=wire.headers,
            ssl=wire.tls,
            proxy=self.connection.proxy,
            server_hostname=self.connection.tls_server_name,
        )
        try:
            socket = await self._guard(connect)
        except aiohttp.WSServerHandshakeError as error:
            raise await self._handshake(error, url) from error
        async with socket:
            if socket.protocol not in protocols:
                spoken = ", ".join(protocols)
                raise ApiError(426, "UpgradeRequired", f"{self.connection.server} speaks none of {spoken}")
            yield socket

    async def _handshake(self, error: aiohttp.WSServerHandshakeError, url: URL) -> ApiError:
        """aiohttp drops the body of a refused upgrade, which says why; a plain GET brings the same Status."""
        wire = await self._wire()
        plain = self._session(True).get(
            url,
            headers=wire.headers,
            ssl=wire.tls,
            proxy=self.connection.proxy,
            server_hostname=self.connection.tls_server_name,
            allow_redirects=False,
        )
        async with await self._guard(plain) as response:
            if response.status >= 300:
                return await self._refusal(response)
        return errors.from_response(error.status, error.message.encode())

    async def _wire(self) -> _Wire:
        """Headers and TLS of the moment."""
        identity = await self.connection.credentials.identity()
        headers = CIMultiDict[str](self.connection.headers)
        headers.update(identity.headers)
        for group in self.connection.groups:
            headers.add("Impersonate-Group", group)
        headers["User-Agent"] = self._user_agent
        headers["Accept-Encoding"] = "identity"
        if identity.certificate not in self._tls:
            self._tls = {identity.certificate: self.connection.ssl_context(identity.certificate)}
        return _Wire(headers, self._tls[identity.certificate])

    def url(self, path: str, query: Query | None = None) -> URL:
        terms = {key: _text(value) for key, value in (query or {}).items() if value is not None}
        suffix = f"?{urlencode(terms)}" if terms else ""
        return URL(f"{self.connection.server}{path}{suffix}", encoded=True)

    def _session(self, stream: bool) -> aiohttp.ClientSession:
        if stream not in self._sessions:
            limit = 0 if stream else self._connections
            connector = aiohttp.TCPConnector(
                limit=limit, limit_per_host=limit, keepalive_timeout=60.0, ttl_dns_cache=60
            )
            self._sessions[stream] = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=True
            )
        return self._sessions[stream]

    async def _guard(self, call: Awaitable[T]) -> T:
        """Awaits network I/O; whatever goes wrong in it becomes Unreachable."""
        try:
            return await call
        except aiohttp.WSServerHandshakeError:
            raise
        except (aiohttp.ClientError, OSError, TimeoutError, ssl.SSLError) as error:
            raise self.unreachable(error) from error

    def unreachable(self, error: BaseException) -> Unreachable:
        sent = not isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
        transient = not isinstance(error, aiohttp.ClientSSLError | aiohttp.ClientConnectorDNSError)
        return Unreachable(
            self.connection.server, self.connection.context, describe(error), sent=sent, transient=transient
        )

    async def _refusal(self, response: aiohttp.ClientResponse) -> ApiError:
        body = await self._guard(response.read())
        error = errors.from_response(response.status, body, _seconds(response.headers.get("Retry-After")))
        where = f"{self.connection.server} (context {self.connection.context})"
        if isinstance(error, Unauthorized):
            error.message = f"{where} did not accept the credentials: {self.connection.credentials.remedy()}"
        elif 300 <= response.status < 400:
            error.message = f"{where} redirects to {response.headers.get('Location')}: is it a Kubernetes API server?"
        error.args = (error.message,)
        return error

    def _count(self, code: str, method: str) -> None:
        if self._observe is not None:
            self._observe(code, method, self._host)


def _retriable(error: BaseException, idempotent: bool) -> bool:
    if isinstance(error, Unreachable):
        return error.transient and (idempotent or not error.sent)
    if isinstance(error, ApiError):
        if error.status == 429:
            return True
        return error.status >= 500 and error.status != 501 and (idempotent or error.retry_after is not None)
    return False


def describe(error: BaseException) -> str:
    """A network failure in a person's words, with the remedy where there is one."""
    match error:
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
            cause = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
            return f"TLS failed: {cause}; does certificate-authority in the kubeconfig belong to this cluster?"
        case aiohttp.ClientConnectorDNSError():
            return f"the name {error.host} does not resolve"
        case aiohttp.ClientConnectorError():
            reason = os.strerror(error.os_error.errno).lower() if error.os_error.errno else str(error.os_error)
            return f"{reason}; is the cluster running and the address right?"
        case aiohttp.ServerDisconnectedError():
            return "the server closed the connection"
        case TimeoutError():
            return "no answer in time"
        case _:
            return str(error) or type(error).__name__


def _seconds(retry_after: str | None) -> float | None:
    try:
        return float(retry_after) if retry_after else None
    except ValueError:
        return None


def _text(value: str | int | bool | None) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
