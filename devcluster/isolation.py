"""A network and a mount namespace of the cluster's own, so that all that a node does to a machine goes when its processes go.

Mounts: paths that programs of a node insist on (`FIXED`) are the cluster's own directories or memory inside the namespace.
Files with the values that the kubelet wants stand over six kernel settings: it finds them as it likes and leaves those of
the machine alone (`vm.overcommit_memory`, `kernel.panic_on_oops` and others would change for everything on it).

Network: one veth pair leads to the machine (`link`).

The namespaces are held by the cluster's processes alone. A supervisor that is started while components of an earlier one
still run joins theirs.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from devcluster import link, processes
from devcluster.paths import ClusterPaths
from devcluster.plan import NodeNetwork

INSIDE_VARIABLE = "FOOTPLATE_INSIDE"  # set for processes that are in the namespaces already

CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
MS_BIND, MS_REC, MS_SLAVE, MS_SHARED = 4096, 16384, 1 << 19, 1 << 20

KUBELET = Path("/var/lib/kubelet")  # its device plugin socket cannot be elsewhere
IN_MEMORY = (
    Path("/run/containerd"),  # state and sockets of containerd and its shims
    Path("/var/lib/cni"),  # which pod has which address
    Path("/var/log/containers"),  # links that the kubelet makes
)

# KubeletConfiguration has no switch for this: k8s.io/component-helpers/node/util/sysctl, used by the container manager.
KUBELET_SYSCTLS = {
    "vm/overcommit_memory": 1,
    "vm/panic_on_oom": 0,
    "kernel/panic": 10,
    "kernel/panic_on_oops": 1,
    "kernel/keys/root_maxkeys": 1000000,
    "kernel/keys/root_maxbytes": 25000000,
}

_libc = ctypes.CDLL(None, use_errno=True)


def enter(network: NodeNetwork, paths: ClusterPaths) -> None:
    """Move this process (one thread) into the cluster's namespaces, made and connected if there are none."""
    if INSIDE_VARIABLE in os.environ:
        return
    if member := inside_process(paths):
        join(member)
    else:
        host = os.open("/proc/self/ns/net", os.O_RDONLY)
        try:
            link.open_way_out(network, paths.forwarding)
            _unshare()
            _mount_fixed_paths(paths)
            link.connect(network, link.in_namespace(f"/proc/{os.getpid()}/fd/{host}"), os.getpid())
        finally:
            os.close(host)
    os.environ[INSIDE_VARIABLE] = "1"


def inside_process(paths: ClusterPaths) -> int | None:
    """PID of a process of the cluster that is in its namespaces."""
    mine = Path("/proc/self/ns/net").readlink()
    for process in processes.of_cluster(paths.root):
        try:
            if Path(f"/proc/{process.pid}/ns/net").readlink() != mine:
                return process.pid
        except OSError:
            continue
    return None


def join(pid: int) -> None:
    root = os.open(f"/proc/{pid}/root", os.O_RDONLY | os.O_DIRECTORY)  # its own where it lives in a chroot
    try:
        for name, kind in (("net", CLONE_NEWNET), ("mnt", CLONE_NEWNS)):
            with Path(f"/proc/{pid}/ns/{name}").open("rb") as namespace:
                _checked(_libc.setns(namespace.fileno(), kind), f"joining the {name} namespace of process {pid}")
        os.fchdir(root)
        os.chroot(".")
        os.chdir("/")
    finally:
        os.close(root)


def _unshare() -> None:
    _checked(_libc.unshare(CLONE_NEWNS | CLONE_NEWNET), "making namespaces")
    # Mounts of the machine still appear here, and what is unmounted there does not stay busy here; nothing goes out.
    _mount("", "/", "", MS_REC | MS_SLAVE)


def _mount_fixed_paths(paths: ClusterPaths) -> None:
    for directory in (KUBELET, *IN_MEMORY):
        directory.mkdir(parents=True, exist_ok=True)
    for directory in IN_MEMORY:
        _mount("tmpfs", str(directory), "tmpfs", 0, "mode=0711")
    paths.kubelet.mkdir(parents=True, exist_ok=True)
    _mount(str(paths.kubelet), str(KUBELET), "", MS_BIND)
    for name, value in KUBELET_SYSCTLS.items():
        stand_in = paths.run / "sysctl" / name.replace("/", ".")
        stand_in.parent.mkdir(parents=True, exist_ok=True)
        stand_in.write_text(f"{value}\n")
        _mount(str(stand_in), f"/proc/sys/{name}", "", MS_BIND)
    # Pods may ask for mount propagation, which takes shared mounts.
    _mount("", "/", "", MS_REC | MS_SHARED)


def _mount(source: str, target: str, kind: str, flags: int, options: str = "") -> None:
    result = _libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), options.encode())
    _checked(result, f"mounting {target}")


def _checked(result: int, doing: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{doing}: {os.strerror(number)}")
