"""What the machine must have before anything is changed: privileges, programs, disk."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from devcluster.errors import PreflightError
from devcluster.spec import ClusterSpec, Profile

DISK_MIB: dict[Profile, int] = {"api": 300, "full": 2000}  # etcd, logs and, with a node, images


def check(spec: ClusterSpec, root: Path, effective_user: int) -> None:
    if spec.profile == "full" and effective_user != 0:
        raise PreflightError(
            "the full profile needs root: it makes network and mount namespaces, cgroups and containers",
            "run it with sudo, or start a cluster without real pods: `footplate cluster start --profile api`",
        )
    check_writable(root)
    free = shutil.disk_usage(existing(root)).free >> 20
    if free < DISK_MIB[spec.profile]:
        raise PreflightError(
            f"a cluster of profile {spec.profile} needs {DISK_MIB[spec.profile]} MiB in {root}, {free} MiB are free",
            "make room, or set FOOTPLATE_DATA to a directory on a larger disk",
        )


def check_writable(root: Path) -> None:
    directory = existing(root)
    if not os.access(directory, os.W_OK | os.X_OK):
        raise PreflightError(
            f"{directory} is not writable for this user",
            "set FOOTPLATE_DATA to a directory that is, or use the user who made it",
        )


def existing(path: Path) -> Path:
    """The path itself or its nearest parent that is there."""
    return path if path.exists() else existing(path.parent)
