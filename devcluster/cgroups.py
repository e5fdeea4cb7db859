"""The control group that holds a cluster's pods, in every hierarchy that the machine has mounted (version 1 and 2)."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

PREFIX = "footplate-"
LEAF = "init"
POLL = 0.02
KILL_SECONDS = 15.0
WANTED_CONTROLLERS = ("cpu", "cpuset", "io", "memory", "pids", "hugetlb")


def name(identity: str) -> str:
    return f"{PREFIX}{identity}"


def parse_hierarchies(mounts: str) -> list[tuple[Path, str]]:
    """(mount point, `cgroup` or `cgroup2`) from /proc/self/mounts."""
    rows = [line.split() for line in mounts.splitlines()]
    return [(Path(row[1]), row[2]) for row in rows if row[2] in {"cgroup", "cgroup2"}]


def hierarchies() -> list[tuple[Path, str]]:
    return parse_hierarchies(Path("/proc/self/mounts").read_text())


def prepare(group: str) -> None:
    """Make the group; raises OSError where the hierarchies are read-only."""
    for root, kind in hierarchies():
        place = root / group
        place.mkdir(exist_ok=True)
        if kind == "cgroup2":
            _empty_root(root)
            for directory in (root, place):
                _enable_controllers(directory)
        elif (root / "cpuset.cpus").exists():
            for setting in ("cpuset.cpus", "cpuset.mems"):  # a new group of version 1 has none and accepts no process
                if not (place / setting).read_text().strip():
                    (place / setting).write_text((root / setting).read_text())


def _empty_root(root: Path) -> None:
    """In a container the root group is an ordinary one, and one with processes may not share its controllers out.

    Its processes move to a leaf, as Docker in Docker has it. The machine's own root group needs none of this.
    """
    if not (root / "cgroup.type").exists():
        return
    leaf = root / LEAF
    leaf.mkdir(exist_ok=True)
    for pid in _pids(root):
        with contextlib.suppress(OSError):  # it has ended, or is a thread of the kernel
            (leaf / "cgroup.procs").write_text(str(pid))


def _enable_controllers(directory: Path) -> None:
    available = set((directory / "cgroup.controllers").read_text().split())
    for controller in sorted(available & set(WANTED_CONTROLLERS)):
        (directory / "cgroup.subtree_control").write_text(f"+{controller}")


def members(group: str) -> set[int]:
    return {pid for place in _places(group) for directory in _tree(place) for pid in _pids(directory)}


def remove(group: str, grace: float) -> None:
    """End every process of the group (SIGTERM, after `grace` seconds SIGKILL) and the group itself."""
    _signal(group, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while members(group) and time.monotonic() < deadline:
        time.sleep(POLL)
    deadline = time.monotonic() + KILL_SECONDS
    while members(group) and time.monotonic() < deadline:
        _signal(group, signal.SIGKILL)
        time.sleep(POLL)
    for place in _places(group):
        for directory in _tree(place):
            _remove_directory(directory)


def _remove_directory(directory: Path) -> None:
    """The kernel may take a moment to let go of a group whose last process has ended."""
    for _ in range(100):
        try:
            directory.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(POLL)
        else:
            return


def _signal(group: str, number: signal.Signals) -> None:
    for pid in members(group):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _places(group: str) -> list[Path]:
    return [place for root, _ in hierarchies() if (place := root / group).is_dir()]


def _tree(place: Path) -> Iterator[Path]:
    """Deepest first."""
    for directory, _, _ in os.walk(place, topdown=False):
        yield Path(directory)


def _pids(directory: Path) -> list[int]:
    try:
        return [int(pid) for pid in (directory / "cgroup.procs").read_text().split() if int(pid)]
    except OSError:
        return []
