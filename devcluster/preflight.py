"""What the machine must have before anything is changed: privileges, programs, disk. Missing programs are installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from devcluster.build import Progress
from devcluster.errors import PreflightError
from devcluster.spec import ClusterSpec, Profile

DISK_MIB: dict[Profile, int] = {"api": 300, "full": 2000}  # etcd, logs and, with a node, images
KEPT_MIB = 50  # to start one again

# Program → Debian's package. Runc comes from there: built as a Go module it lacks seccomp.
PACKAGES: Mapping[str, str] = {
    "runc": "runc",
    "iptables": "iptables",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "unshare": "util-linux",
}
MODULES = ("overlay", "br_netfilter", "nf_conntrack")  # where the kernel has them as modules


def check(spec: ClusterSpec, root: Path, effective_user: int) -> None:
    if spec.profile == "full" and effective_user != 0:
        raise PreflightError(
            "the full profile needs root: it makes network and mount namespaces, cgroups and containers",
            "run it with sudo, or start a cluster without real pods: `footplate cluster start --profile api`",
        )
    check_writable(root)
    free = shutil.disk_usage(existing(root)).free >> 20
    needed = KEPT_MIB if root.exists() else DISK_MIB[spec.profile]
    if free < needed:
        raise PreflightError(
            f"a cluster of profile {spec.profile} needs {needed} MiB in {root}, {free} MiB are free",
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


def ensure_node_programs(progress: Progress) -> None:
    """Those that a node takes from the distribution, installed where missing; and the right to use them."""
    if missing := missing_packages():
        _install(missing, progress)
    for module in MODULES:
        if shutil.which("modprobe"):
            subprocess.run(["modprobe", "--quiet", module], check=False, capture_output=True)
    attempt = subprocess.run(["unshare", "--mount", "--net", "true"], check=False, capture_output=True, text=True)
    if attempt.returncode:
        raise PreflightError(
            f"root may not make namespaces here ({attempt.stderr.strip()}): a container without privileges, perhaps",
            "run the container with --privileged, or start a cluster without real pods: --profile api",
        )


def missing_packages() -> list[str]:
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return sorted({package for program, package in PACKAGES.items() if shutil.which(program, path=path) is None})


def _install(packages: list[str], progress: Progress) -> None:
    if shutil.which("apt-get") is None:
        raise PreflightError(
            f"a node needs {', '.join(packages)}, and there is no apt-get to install them with",
            "install them with this system's own package tool",
        )
    progress.begin(f"installing {', '.join(packages)} from the distribution")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
    refused = ""
    for command in (install, ["apt-get", "update", "-qq"], install):  # a new machine has no lists yet
        attempt = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
        if command is install and attempt.returncode == 0:
            progress.done(f"{', '.join(packages)} installed")
            return
        refused = attempt.stderr.strip()[-500:]
    raise PreflightError(
        f"{', '.join(packages)} could not be installed: {refused}",
        f"install them by hand: apt-get install {' '.join(packages)}",
    )
