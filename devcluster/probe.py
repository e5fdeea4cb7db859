"""Is a component ready? One short look, never an exception."""

from __future__ import annotations

import http.client
import socket
import ssl
from pathlib import Path

from devcluster.plan import Check


def is_ready(check: Check, certificates: Path, timeout: float = 5.0) -> bool:
    """`certificates` holds ca.crt, admin.crt and admin.key for checks over TLS."""
    try:
        match check.kind:
            case "file":
                return Path(check.address).exists()
            case "unix":
                with socket.socket(socket.AF_UNIX) as probe:
                    probe.settimeout(timeout)
                    probe.connect(check.address)
                return True
            case "tcp":
                with socket.create_connection(_host_port(check.address), timeout):
                    return True
            case "http" | "https":
                return _status(check, certificates, timeout) == 200
    except (OSError, http.client.HTTPException):
        return False


def _host_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host, int(port)


def _status(check: Check, certificates: Path, timeout: float) -> int:
    host, port = _host_port(check.address)
    if check.kind == "https":
        context = ssl.create_default_context(cafile=str(certificates / "ca.crt"))
        context.load_cert_chain(certificates / "admin.crt", certificates / "admin.key")
        connection = http.client.HTTPSConnection(host, port, timeout=timeout, context=context)
    else:
        connection = http.client.HTTPConnection(host, port, timeout=timeout)
    try:
        connection.request("GET", check.path)
        return connection.getresponse().status
    finally:
        connection.close()
