"""The few synchronous calls to a cluster's own API server that starting it takes."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from devcluster.addresses import Endpoints
from devcluster.errors import DevclusterError
from devcluster.paths import ClusterPaths

FIELD_MANAGER = "footplate-devcluster"
TIMEOUT = 30.0


class ApiClient:
    """One kept-alive connection with the administrator's certificate; for one thread."""

    def __init__(self, endpoints: Endpoints, paths: ClusterPaths) -> None:
        context = ssl.create_default_context(cafile=str(paths.certificate("ca")))
        context.load_cert_chain(paths.certificate("admin"), paths.key("admin"))
        self._connection: http.client.HTTPSConnection = http.client.HTTPSConnection(
            endpoints.address, endpoints.api, timeout=TIMEOUT, context=context
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def get(self, path: str) -> dict[str, Any] | None:
        """None where there is nothing; raises DevclusterError on any other refusal."""
        return self._call("GET", path, None, {})

    def delete(self, path: str) -> None:
        self._call("DELETE", path, None, {})

    def apply(self, path: str, body: Mapping[str, Any], *, subresource: str = "") -> None:
        """Server-side apply, forced."""
        target = f"{path}{subresource and '/' + subresource}?fieldManager={FIELD_MANAGER}&force=true"
        self._call("PATCH", target, body, {"Content-Type": "application/apply-patch+yaml"})

    def _call(
        self, method: str, path: str, body: Mapping[str, Any] | None, headers: Mapping[str, str]
    ) -> dict[str, Any] | None:
        try:
            content = None if body is None else json.dumps(body)
            self._connection.request(method, path, content, {"User-Agent": FIELD_MANAGER, **headers})
            response = self._connection.getresponse()
            answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise DevclusterError(f"the API server did not answer {method} {path}: {error}") from error
        if response.status == 404:
            return None
        decoded: dict[str, Any] = json.loads(answer) if answer.startswith(b"{") else {}
        if response.status >= 300:
            message = decoded.get("message") or answer.decode(errors="replace")[:500]
            raise DevclusterError(f"the API server refused {method} {path} ({response.status}): {message}")
        return decoded
