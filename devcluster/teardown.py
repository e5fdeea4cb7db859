"""Ending a cluster's processes, pods included, and undoing what was done to the machine, whatever state it is in."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from devcluster import addresses, cgroups, host, link, processes
from devcluster.errors import DevclusterError, PreflightError
from devcluster.paths import ClusterPaths
from devcluster.processes import SUPERVISOR

SUPERVISOR_SECONDS = 40.0
POD_GRACE = 2.0
POLL = 0.05


def cgroup(place: ClusterPaths) -> str:
    return cgroups.name(addresses.identity(place.root))


def end(place: ClusterPaths) -> None:
    """End every process of the cluster, whoever supervises them, and undo what was done to the machine."""
    processes.end(processes.of_component(place.root, SUPERVISOR), place.root, SUPERVISOR_SECONDS)
    cgroups.remove(cgroup(place), POD_GRACE)
    for _ in range(2):  # a process in the middle of its exec is not seen for an instant
        while left := processes.of_cluster(place.root):
            processes.end([process for process in left if process.leader], place.root, 3.0)
            processes.end(left, place.root, 0.0)  # the shims of containers do not heed SIGTERM
        time.sleep(POLL)
    cgroups.remove(cgroup(place), 0.0)  # what was started meanwhile
    endpoints = addresses.read(place)
    if os.geteuid() == 0 and (endpoints is None or endpoints.node is not None):
        link.disconnect(addresses.interface(place.root), place.forwarding)
    shutil.rmtree(place.run, ignore_errors=True)


def remove(place: ClusterPaths) -> None:
    if not place.root.exists():
        return
    if mounts := host.mounts_below(place.root, Path("/proc/self/mounts").read_text()):
        raise DevclusterError(f"{mounts[0]} is mounted inside the cluster's directory", f"umount {mounts[0]}")
    try:
        shutil.rmtree(place.root)
    except PermissionError as error:
        raise PreflightError(f"{error.filename} may not be removed by this user", "use the user who made it") from error
