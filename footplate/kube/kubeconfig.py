"""Reads kubeconfig files: several merged as kubectl merges them, names resolved, nothing connected yet.

Merging (client-go's rule): the first file to name a cluster, user or context wins, likewise `current-context`;
relative paths inside a file are relative to that file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import yaml

from footplate.kube.errors import KubeConfigError


class ClusterEntry(msgspec.Struct, rename="kebab"):
    server: str = ""
    certificate_authority: str | None = None
    certificate_authority_data: str | None = None
    insecure_skip_tls_verify: bool = False
    tls_server_name: str | None = None
    proxy_url: str | None = None
    extensions: list[dict[str, Any]] | None = None


class ExecEnv(msgspec.Struct):
    name: str
    value: str


class ExecEntry(msgspec.Struct, rename="camel"):
    """`users[].user.exec`: client.authentication.k8s.io's ExecConfig."""

    command: str
    api_version: str = "client.authentication.k8s.io/v1"
    args: list[str] | None = None
    env: list[ExecEnv] | None = None
    install_hint: str | None = None
    provide_cluster_info: bool = False
    interactive_mode: str = "IfAvailable"


class UserEntry(msgspec.Struct, rename="kebab"):
    client_certificate: str | None = None
    client_certificate_data: str | None = None
    client_key: str | None = None
    client_key_data: str | None = None
    token: str | None = None
    token_file: str | None = msgspec.field(name="tokenFile", default=None)
    username: str | None = None
    password: str | None = None
    exec: ExecEntry | None = None
    auth_provider: dict[str, Any] | None = None
    impersonate: str | None = msgspec.field(name="as", default=None)
    impersonate_uid: str | None = msgspec.field(name="as-uid", default=None)
    impersonate_groups: list[str] | None = msgspec.field(name="as-groups", default=None)


class ContextEntry(msgspec.Struct, rename="kebab"):
    cluster: str = ""
    user: str = ""
    namespace: str | None = None


class _NamedCluster(msgspec.Struct):
    name: str
    cluster: ClusterEntry


class _NamedUser(msgspec.Struct):
    name: str
    user: UserEntry | None = None
    """As kubectl takes it: left empty, it has no credentials."""


class _NamedContext(msgspec.Struct):
    name: str
    context: ContextEntry


class _File(msgspec.Struct, rename="kebab"):
    current_context: str | None = None
    clusters: list[_NamedCluster] | None = None
    users: list[_NamedUser] | None = None
    contexts: list[_NamedContext] | None = None


@dataclass(frozen=True)
class Located:
    """An entry's file and its directory, against which its relative paths count."""

    source: Path

    def path(self, value: str) -> Path:
        return self.source.parent / Path(value).expanduser()


@dataclass(frozen=True)
class KubeConfig:
    """The merged view of all files. Each entry keeps the file it came from."""

    files: tuple[Path, ...]
    current_context: str | None
    clusters: Mapping[str, tuple[Located, ClusterEntry]]
    users: Mapping[str, tuple[Located, UserEntry]]
    contexts: Mapping[str, tuple[Located, ContextEntry]]

    def select(self, context: str | None) -> Selected:
        name = context or self.current_context
        where = ", ".join(str(f) for f in self.files)
        if not name:
            raise KubeConfigError(
                f"{where} has no current-context; name one of its contexts: {_names(self.contexts)}"
                if self.contexts
                else f"{where} has no contexts"
            )
        if name not in self.contexts:
            raise KubeConfigError(f"{where} has no context {name!r}; it has: {_names(self.contexts)}")
        located, entry = self.contexts[name]
        if entry.cluster not in self.clusters:
            raise KubeConfigError(
                f"{located.source}: context {name!r} names cluster {entry.cluster!r}, which is not there"
            )
        if entry.user and entry.user not in self.users:
            raise KubeConfigError(f"{located.source}: context {name!r} names user {entry.user!r}, which is not there")
        cluster_at, cluster = self.clusters[entry.cluster]
        if not cluster.server:
            raise KubeConfigError(f"{cluster_at.source}: cluster {entry.cluster!r} has no server")
        user_at, user = self.users.get(entry.user, (located, UserEntry()))
        return Selected(
            name, entry.namespace or "default", entry.cluster, cluster_at, cluster, entry.user, user_at, user
        )


@dataclass(frozen=True)
class Selected:
    """One context with the cluster and the user it names."""

    context: str
    namespace: str
    cluster_name: str
    cluster_at: Located
    cluster: ClusterEntry
    user_name: str
    user_at: Located
    user: UserEntry


def _names(entries: Mapping[str, object]) -> str:
    return ", ".join(sorted(entries)) or "none"


def candidate_files(kubeconfig: Path | None, environ: Mapping[str, str]) -> tuple[list[Path], str]:
    """The files to read and a description of where they were named. Only an explicit file must exist."""
    if kubeconfig is not None:
        return [kubeconfig], f"--kubeconfig {kubeconfig}"
    listed = [Path(p).expanduser() for p in environ.get("KUBECONFIG", "").split(os.pathsep) if p]
    if listed:
        return listed, f"KUBECONFIG={environ['KUBECONFIG']}"
    default = Path(environ.get("HOME") or Path.home()) / ".kube" / "config"
    return [default], str(default)


def load_files(files: Sequence[Path]) -> KubeConfig | None:
    """The merged content of those files that exist; None when none exists or all are empty."""
    current: str | None = None
    clusters: dict[str, tuple[Located, ClusterEntry]] = {}
    users: dict[str, tuple[Located, UserEntry]] = {}
    contexts: dict[str, tuple[Located, ContextEntry]] = {}
    read: list[Path] = []
    for path in files:
        parsed = _parse(path)
        if parsed is None:
            continue
        read.append(path)
        at = Located(path.absolute())
        current = current or parsed.current_context
        for named in parsed.clusters or ():
            clusters.setdefault(named.name, (at, named.cluster))
        for named in parsed.users or ():
            users.setdefault(named.name, (at, named.user or UserEntry()))
        for named in parsed.contexts or ():
            contexts.setdefault(named.name, (at, named.context))
    if not read:
        return None
    return KubeConfig(tuple(read), current, clusters, users, contexts)


def _parse(path: Path) -> _File | None:
    try:
        text = path.read_text()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise KubeConfigError(f"cannot read kubeconfig {path}: {error}") from error
    try:
        document: Any = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError as error:
        raise KubeConfigError(f"kubeconfig {path} is not valid YAML: {error}") from error
    if document is None:
        return None
    try:
        return msgspec.convert(document, _File)
    except msgspec.ValidationError as error:
        raise KubeConfigError(f"kubeconfig {path} is not valid: {error}") from error
