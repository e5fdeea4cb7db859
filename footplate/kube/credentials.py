"""Where a request's identity comes from: a fixed token, a file that is rewritten, a plugin that is run.

Each source gives headers and, where the identity is a certificate, a certificate for TLS. `renew` drops what is
cached after the server refused it and says whether a new attempt can differ.
"""

from __future__ import annotations

import asyncio
import base64
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import msgspec

from footplate.kube.errors import KubeConfigError
from footplate.kube.kubeconfig import ExecEntry


@dataclass(frozen=True)
class ClientCertificate:
    """PEM."""

    certificate: bytes
    key: bytes = field(repr=False)

    def expiry(self) -> datetime | None:
        from cryptography import x509

        try:
            return x509.load_pem_x509_certificate(self.certificate).not_valid_after_utc
        except ValueError:
            return None


@dataclass(frozen=True)
class Identity:
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    certificate: ClientCertificate | None = None


class Credentials(Protocol):
    @property
    def source(self) -> str:
        """For messages: where the identity comes from. Never the secret."""
        ...

    async def identity(self) -> Identity: ...

    def renew(self) -> bool:
        """Forget the cached identity; True when asking again may give another."""
        ...

    def remedy(self) -> str:
        """What a person does when the server refuses this identity."""
        ...


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@dataclass(frozen=True)
class StaticCredentials:
    """Fixed for the life of the process: inline token, client certificate, basic auth, or nothing."""

    value: Identity
    source: str

    async def identity(self) -> Identity:
        return self.value

    def renew(self) -> bool:
        return False

    def remedy(self) -> str:
        if self.value.certificate is not None and (expiry := self.value.certificate.expiry()):
            state = "expired" if expiry < datetime.now(UTC) else "is valid until"
            return f"the client certificate from {self.source} {state} {expiry:%Y-%m-%d %H:%M} UTC; renew it or pick another context"
        if not self.value.headers and self.value.certificate is None:
            return f"{self.source} holds no credentials; log in to the cluster again or pick another context"
        return f"the credentials from {self.source} may have expired; renew them or pick another context"


class TokenFile:
    """A token that something else rewrites (a projected service account token): read again every `period` seconds."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic, period: float = 60.0) -> None:
        self._path = path
        self._clock = clock
        self._period = period
        self._cached: tuple[float, Identity] | None = None

    @property
    def source(self) -> str:
        return f"token file {self._path}"

    async def identity(self) -> Identity:
        now = self._clock()
        if self._cached is None or now - self._cached[0] >= self._period:
            self._cached = (now, Identity(bearer(self._read())))
        return self._cached[1]

    def _read(self) -> str:
        try:
            token = self._path.read_text().strip()
        except OSError as error:
            raise KubeConfigError(f"cannot read token file {self._path}: {error.strerror or error}") from error
        if not token:
            raise KubeConfigError(f"token file {self._path} is empty")
        return token

    def renew(self) -> bool:
        cached, self._cached = self._cached, None
        try:
            return cached is not None and cached[1].headers != bearer(self._read())
        except KubeConfigError:
            return False

    def remedy(self) -> str:
        return f"the token in {self._path} was refused; it may have expired, renew it"


class _ExecStatus(msgspec.Struct, rename="camel"):
    token: str | None = None
    client_certificate_data: str | None = None
    client_key_data: str | None = None
    expiration_timestamp: datetime | None = None


class _ExecCredential(msgspec.Struct, rename="camel"):
    status: _ExecStatus
    api_version: str = ""


class ExecPlugin:
    """A credential plugin (`aws eks get-token`, `gke-gcloud-auth-plugin`): KEP-541, run when its last answer expired.

    Source: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
    """

    def __init__(
        self,
        entry: ExecEntry,
        directory: Path,
        cluster: Mapping[str, Any],
        *,
        environ: Mapping[str, str] = os.environ,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        timeout: float = 120.0,
    ) -> None:
        self._entry = entry
        self._command = str(directory / entry.command) if os.sep in entry.command else entry.command
        self._cluster = cluster
        self._environ = environ
        self._now = now
        self._timeout = timeout
        self._cached: Identity | None = None
        self._expiry: datetime | None = None
        self._lock = asyncio.Lock()

    @property
    def source(self) -> str:
        return f"credential plugin {self._entry.command!r}"

    async def identity(self) -> Identity:
        async with self._lock:
            if self._cached is None or (self._expiry is not None and self._now() >= self._expiry):
                status = await self._run()
                self._cached, self._expiry = self._interpret(status), status.expiration_timestamp
            return self._cached

    def renew(self) -> bool:
        had, self._cached = self._cached is not None, None
        return had

    def remedy(self) -> str:
        return f"the credentials from {self.source} were refused; log in again ({self._line()}) or check who you are"

    def _line(self) -> str:
        return " ".join([self._entry.command, *(self._entry.args or ())])

    def _info(self, interactive: bool) -> str:
        spec: dict[str, Any] = {"interactive": interactive}
        if self._entry.provide_cluster_info:
            spec["cluster"] = dict(self._cluster)
        info = {"apiVersion": self._entry.api_version, "kind": "ExecCredential", "spec": spec}
        return msgspec.json.encode(info).decode()

    async def _run(self) -> _ExecStatus:
        interactive = self._entry.interactive_mode != "Never" and sys.stdin.isatty()
        if self._entry.interactive_mode == "Always" and not interactive:
            raise KubeConfigError(f"{self.source} needs a terminal (interactiveMode: Always), and there is none")
        environ = {**self._environ, **{e.name: e.value for e in self._entry.env or ()}}
        environ["KUBERNETES_EXEC_INFO"] = self._info(interactive)
        try:
            process = await asyncio.create_subprocess_exec(
                self._command,
                *(self._entry.args or ()),
                env=environ,
                stdin=None if interactive else asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=None if interactive else asyncio.subprocess.PIPE,
            )
        except OSError as error:
            hint = (
                f"; {self._entry.install_hint.strip()}"
                if self._entry.install_hint
                else "; install it or put it on PATH"
            )
            raise KubeConfigError(f"cannot run {self.source}: {error.strerror or error}{hint}") from error
        try:
            out, err = await asyncio.wait_for(process.communicate(), self._timeout)
        except TimeoutError as error:
            raise KubeConfigError(f"{self.source} gave no answer in {self._timeout:.0f} s: {self._line()}") from error
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            said = (err or b"").decode(errors="replace").strip()[-500:] or "it said nothing"
            raise KubeConfigError(
                f"{self.source} failed with exit status {process.returncode} ({self._line()}): {said}"
            )
        try:
            return msgspec.json.decode(out, type=_ExecCredential).status
        except msgspec.DecodeError as error:
            raise KubeConfigError(f"{self.source} printed no ExecCredential: {error}") from error

    def _interpret(self, status: _ExecStatus) -> Identity:
        certificate = None
        if status.client_certificate_data and status.client_key_data:
            certificate = ClientCertificate(status.client_certificate_data.encode(), status.client_key_data.encode())
        if not status.token and certificate is None:
            raise KubeConfigError(f"{self.source} gave neither a token nor a client certificate")
        return Identity(bearer(status.token) if status.token else {}, certificate)


def basic(username: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()}
