"""A place to send requests: address, TLS trust, proxy and the source of the caller's identity."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import os
import ssl
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from footplate.kube.credentials import (
    ClientCertificate,
    Credentials,
    ExecPlugin,
    Identity,
    StaticCredentials,
    TokenFile,
    basic,
    bearer,
)
from footplate.kube.errors import KubeConfigError
from footplate.kube.kubeconfig import Located, Selected, candidate_files, load_files

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True)
class Connection:
    server: str
    context: str
    credentials: Credentials
    namespace: str = "default"
    certificate_authority: bytes | None = field(default=None, repr=False)
    """PEM; None: the system's authorities."""
    verify: bool = True
    tls_server_name: str | None = None
    proxy: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    groups: tuple[str, ...] = ()
    """Impersonated groups: a header that may repeat, hence not in `headers`."""

    def ssl_context(self, certificate: ClientCertificate | None) -> ssl.SSLContext:
        try:
            trust = self.certificate_authority.decode() if self.certificate_authority else None
            context = ssl.create_default_context(cadata=trust)
        except (ssl.SSLError, UnicodeDecodeError) as error:
            raise KubeConfigError(f"the certificate authority of context {self.context} is not PEM: {error}") from error
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if certificate is not None:
            _load_certificate(context, certificate, self.credentials.source)
        return context


def _load_certificate(context: ssl.SSLContext, certificate: ClientCertificate, source: str) -> None:
    # The ssl module takes key material from files only; this one is private and gone at once.
    with tempfile.TemporaryDirectory(prefix="kube-") as folder:
        pem = Path(folder) / "client.pem"
        pem.touch(mode=0o600)
        pem.write_bytes(certificate.certificate + b"\n" + certificate.key)
        try:
            context.load_cert_chain(pem)
        except (ssl.SSLError, OSError) as error:
            raise KubeConfigError(f"the client certificate or key from {source} cannot be used: {error}") from error


def load_connection(
    kubeconfig: Path | None = None,
    context: str | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    service_account: Path = SERVICE_ACCOUNT,
) -> Connection:
    """The connection of a kubeconfig's context; inside a pod without a kubeconfig, that of its service account."""
    files, where = candidate_files(kubeconfig, environ)
    if kubeconfig is not None and not kubeconfig.exists():
        raise KubeConfigError(f"kubeconfig {kubeconfig} does not exist")
    config = load_files(files)
    if config is None:
        if kubeconfig is None and context is None and environ.get("KUBERNETES_SERVICE_HOST"):
            return in_cluster_connection(environ=environ, service_account=service_account)
        raise KubeConfigError(f"no cluster is configured: {where} does not exist or is empty")
    return _connect(config.select(context), environ)


def in_cluster_connection(
    *, environ: Mapping[str, str] = os.environ, service_account: Path = SERVICE_ACCOUNT
) -> Connection:
    host, port = environ.get("KUBERNETES_SERVICE_HOST"), environ.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        raise KubeConfigError("not inside a cluster: KUBERNETES_SERVICE_HOST is not set")
    authority, namespace = service_account / "ca.crt", service_account / "namespace"
    return Connection(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        context="in-cluster",
        credentials=TokenFile(service_account / "token"),
        namespace=namespace.read_text().strip() if namespace.exists() else "default",
        certificate_authority=_read(authority, "certificate authority"),
    )


def _connect(selected: Selected, environ: Mapping[str, str]) -> Connection:
    cluster, user = selected.cluster, selected.user
    server = cluster.server.rstrip("/")
    if urlsplit(server).scheme not in ("http", "https"):
        raise KubeConfigError(
            f"{selected.cluster_at.source}: server {server!r} of cluster {selected.cluster_name!r} is no URL"
        )
    authority = _material(
        selected.cluster_at, cluster.certificate_authority_data, cluster.certificate_authority, "certificate-authority"
    )
    headers: dict[str, str] = {}
    if user.impersonate:
        headers["Impersonate-User"] = user.impersonate
    if user.impersonate_uid:
        headers["Impersonate-Uid"] = user.impersonate_uid
    return Connection(
        server=server,
        context=selected.context,
        credentials=_credentials(selected, authority),
        namespace=selected.namespace,
        certificate_authority=authority,
        verify=not cluster.insecure_skip_tls_verify,
        tls_server_name=cluster.tls_server_name,
        proxy=cluster.proxy_url or environment_proxy(server, environ),
        headers=headers,
        groups=tuple(user.impersonate_groups or ()),
    )


def _credentials(selected: Selected, authority: bytes | None) -> Credentials:
    user, at = selected.user, selected.user_at
    source = f"user {selected.user_name!r} in {at.source}"
    if user.exec is not None:
        cluster = {
            "server": selected.cluster.server,
            "certificate-authority-data": base64.b64encode(authority).decode() if authority else None,
            "insecure-skip-tls-verify": selected.cluster.insecure_skip_tls_verify or None,
            "tls-server-name": selected.cluster.tls_server_name,
            "proxy-url": selected.cluster.proxy_url,
            "config": _exec_extension(selected),
        }
        known = {key: value for key, value in cluster.items() if value is not None}
        return ExecPlugin(user.exec, at.source.parent, known)
    if user.token_file:
        return TokenFile(at.path(user.token_file))
    if user.auth_provider is not None:
        name = user.auth_provider.get("name", "?")
        raise KubeConfigError(
            f"{source} uses auth-provider {name!r}, which Kubernetes removed; use a credential plugin (exec) instead"
        )
    certificate = _material(at, user.client_certificate_data, user.client_certificate, "client-certificate")
    key = _material(at, user.client_key_data, user.client_key, "client-key")
    if (certificate is None) != (key is None):
        raise KubeConfigError(f"{source} has only one of client-certificate and client-key")
    headers: dict[str, str] = {}
    if user.token:
        headers = bearer(user.token)
    elif user.username and user.password:
        headers = basic(user.username, user.password)
    pair = ClientCertificate(certificate, key) if certificate is not None and key is not None else None
    return StaticCredentials(Identity(headers, pair), source)


def _exec_extension(selected: Selected) -> object:
    for extension in selected.cluster.extensions or ():
        if extension.get("name") == "client.authentication.k8s.io/exec":
            return extension.get("extension")
    return None


def _material(at: Located, data: str | None, path: str | None, name: str) -> bytes | None:
    """Inline data wins over a path, as in kubectl."""
    if data:
        try:
            return base64.b64decode(data, validate=True)
        except binascii.Error as error:
            raise KubeConfigError(f"{at.source}: {name}-data is not base64: {error}") from error
    return _read(at.path(path), name) if path else None


def _read(path: Path, name: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise KubeConfigError(f"cannot read {name} {path}: {error.strerror or error}") from error


def environment_proxy(server: str, environ: Mapping[str, str]) -> str | None:
    """HTTPS_PROXY / HTTP_PROXY unless NO_PROXY excepts the host. Loopback never goes through a proxy (Go's rule)."""
    parts = urlsplit(server)
    host = parts.hostname or ""
    lookup: Callable[[str], str] = lambda name: environ.get(name.lower()) or environ.get(name.upper()) or ""  # noqa: E731
    proxy = lookup(f"{parts.scheme}_proxy")
    if not proxy or host == "localhost":
        return None
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = None
    if address is not None and address.is_loopback:
        return None
    for rule in (r.strip().lower() for r in lookup("no_proxy").split(",")):
        if rule and _excepted(rule, host.lower(), address):
            return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _excepted(rule: str, host: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address | None) -> bool:
    if rule == "*":
        return True
    if address is not None:
        try:
            return address in ipaddress.ip_network(rule, strict=False)
        except ValueError:
            return False
    name = rule.lstrip("*").lstrip(".")
    return host == name or host.endswith("." + name)
