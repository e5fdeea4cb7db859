"""Which cluster: flags, then environment, then the embedded cluster, then the kubeconfig of the user."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from footplate.errors import ClusterAccess
from footplate.kube.connection import Connection, load_connection
from footplate.kube.errors import KubeConfigError

EMBEDDED_CONTEXT_PREFIX = "footplate-"
HOW_TO_GET_A_CLUSTER = (
    "start one on this machine with `footplate cluster start` (or all of the platform with `make up`), "
    "or name one with --kubeconfig, --context or KUBECONFIG"
)


@dataclass(frozen=True)
class Target:
    """What flags said; None: not said."""

    kubeconfig: Path | None = None
    context: str | None = None


def data_directory(environ: Mapping[str, str] = os.environ) -> Path:
    """`FOOTPLATE_DATA`, else `$XDG_DATA_HOME/footplate`."""
    if explicit := environ.get("FOOTPLATE_DATA"):
        return Path(explicit).expanduser().absolute()
    home = Path(environ.get("HOME") or Path.home())
    base = environ.get("XDG_DATA_HOME")
    return (Path(base).expanduser() if base else home / ".local" / "share").absolute() / "footplate"


def embedded_kubeconfig(name: str, environ: Mapping[str, str] = os.environ) -> Path | None:
    """That of the embedded cluster `name`, where there is one."""
    path = data_directory(environ) / "clusters" / name / "kubeconfig"
    return path if path.is_file() else None


def resolve(target: Target, environ: Mapping[str, str] = os.environ, *, embedded: str = "default") -> Target:
    """The kubeconfig file and context to use; None in either: Kubernetes' own default.

    `embedded` names the embedded cluster that counts where nothing else is said.
    """
    if target.kubeconfig is not None:
        return target
    context = target.context or environ.get("FOOTPLATE_CONTEXT") or None
    if context and context.startswith(EMBEDDED_CONTEXT_PREFIX):
        file = embedded_kubeconfig(context.removeprefix(EMBEDDED_CONTEXT_PREFIX), environ)
        if file is not None:
            return Target(file, context)
    if context or environ.get("KUBECONFIG"):
        return Target(None, context)
    return Target(embedded_kubeconfig(embedded, environ), None)


def embedded_name(target: Target, environ: Mapping[str, str] = os.environ) -> str | None:
    """The embedded cluster of this machine that a resolved target means; None: another cluster."""
    files = environ.get("KUBECONFIG", "").split(os.pathsep)
    chosen = target.kubeconfig or (Path(files[0]) if len(files) == 1 and files[0] else None)
    if chosen is None:
        return None
    directory = chosen.expanduser().absolute().parent
    return directory.name if directory.parent == data_directory(environ) / "clusters" else None


def connect(target: Target, environ: Mapping[str, str] = os.environ) -> Connection:
    """Raises ClusterAccess where no cluster is configured."""
    chosen = resolve(target, environ)
    try:
        return load_connection(chosen.kubeconfig, chosen.context, environ=environ)
    except KubeConfigError as error:
        raise ClusterAccess(f"{_sentence(str(error))}.", HOW_TO_GET_A_CLUSTER) from error


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".")
