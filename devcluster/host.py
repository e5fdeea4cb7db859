"""Facts of the machine that decide how its node is configured."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from devcluster.errors import PreflightError

UNSTACKABLE = frozenset({"overlay", "aufs", "fuse-overlayfs"})  # the kernel puts no overlay on these
RESOLVER_FILES = (Path("/run/systemd/resolve/resolv.conf"), Path("/etc/resolv.conf"))


@dataclass(frozen=True)
class Host:
    runc: Path
    nameservers: tuple[str, ...]  # that answer from the cluster's own network namespace
    overlay: bool  # overlayfs works where images are kept
    attributes: bool  # files there take user extended attributes

    @property
    def snapshotter(self) -> str:
        return "overlayfs" if self.overlay else "native"


def look(state: Path) -> Host:
    """`state`: the directory, which is there, in which the cluster keeps everything."""
    runc = shutil.which("runc", path=os.environ.get("PATH", "") + ":/usr/local/sbin:/usr/sbin:/sbin")
    if runc is None:
        raise PreflightError("runc is not installed", "apt-get install runc")
    return Host(
        runc=Path(runc),
        nameservers=nameservers(),
        overlay=filesystem_type(state, Path("/proc/self/mounts").read_text()) not in UNSTACKABLE,
        attributes=takes_attributes(state),
    )


def parse_nameservers(resolv: str) -> tuple[str, ...]:
    rows = [line.split() for line in resolv.splitlines() if line.startswith("nameserver ")]
    return tuple(row[1] for row in rows if len(row) > 1 and not row[1].startswith("127.") and row[1] != "::1")


def nameservers() -> tuple[str, ...]:
    """Those of systemd-resolved's own list first: its stub in /etc/resolv.conf answers on loopback only."""
    for file in RESOLVER_FILES:
        if file.exists() and (found := parse_nameservers(file.read_text())):
            return found[:3]
    return ()


def filesystem_type(path: Path, mounts: str) -> str:
    """The type of the mount that `path` is on."""
    best = ("", "")
    for line in mounts.splitlines():
        _, place, kind, *_ = line.split()
        inside = path.is_relative_to(place)
        if inside and len(place) >= len(best[0]):
            best = (place, kind)
    return best[1]


def takes_attributes(directory: Path) -> bool:
    with tempfile.NamedTemporaryFile(dir=directory) as file:
        try:
            os.setxattr(file.name, "user.footplate", b"1")
        except OSError as error:
            if error.errno in {errno.ENOTSUP, errno.EPERM, errno.EOPNOTSUPP}:
                return False
            raise
    return True


def mounts_below(directory: Path, mounts: str) -> list[Path]:
    places = (Path(line.split()[1]) for line in mounts.splitlines())
    return [place for place in places if place.is_relative_to(directory)]
