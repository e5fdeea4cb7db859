"""Running programs in a cluster's namespaces, its container runtime's `ctr` first of all."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from devcluster import isolation
from devcluster.errors import DevclusterError, NotRunning, UsageError
from devcluster.node import CONTAINERD_SOCKET
from devcluster.paths import ClusterPaths

IMPORT_SECONDS = 600.0


def command(paths: ClusterPaths, arguments: Sequence[str]) -> list[str]:
    """The same command in the cluster's network and mount namespaces; raises NotRunning."""
    pid = isolation.inside_process(paths)
    if pid is None:
        raise NotRunning(
            f"cluster {paths.root.name!r} has no running node", f"footplate cluster start --name {paths.root.name}"
        )
    return ["nsenter", f"--target={pid}", "--mount", "--net", "--root", "--", *arguments]


def images(paths: ClusterPaths, ctr: Path) -> frozenset[str]:
    """References of the images on the node."""
    return frozenset(_ctr(paths, ctr, "images", "ls", "-q").split())


def import_image(paths: ClusterPaths, ctr: Path, snapshotter: str, archive: Path) -> None:
    """An OCI or Docker archive; its names are those it gives itself."""
    if not archive.is_file():
        raise UsageError(f"{archive}: no such image archive")
    _ctr(paths, ctr, "images", "import", f"--snapshotter={snapshotter}", str(archive.absolute()))


def _ctr(paths: ClusterPaths, ctr: Path, *arguments: str) -> str:
    whole = command(paths, [str(ctr), f"--address={CONTAINERD_SOCKET}", "--namespace=k8s.io", *arguments])
    attempt = subprocess.run(whole, check=False, capture_output=True, text=True, timeout=IMPORT_SECONDS)
    if attempt.returncode:
        raise DevclusterError(f"ctr {' '.join(arguments)}: {attempt.stderr.strip()[-1000:]}")
    return attempt.stdout
