"""Where a test run keeps what outlives its process: data directories of clusters, tunnels and stacks.

A run that is killed leaves clusters behind: processes, an interface, iptables rules, mounts. The next run finds their
directories here, sees by a lock that nobody uses them, and ends them. pytest's own directories would be cleared away
below clusters that still run.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

from devcluster import teardown
from devcluster.paths import ClusterPaths

ROOT = Path(tempfile.gettempdir()) / f"footplate-tests-{os.geteuid()}"
VARIABLE = "FOOTPLATE_TESTS"
"""Names this run's directory, for its workers too."""


def begin() -> int:
    """Mends what former runs left, and makes a directory for this one; the lock on it, which ends with the process."""
    ROOT.mkdir(exist_ok=True)
    for former in ROOT.iterdir():
        if (lock := _lock(former)) is not None:
            end(former, lock)
    own = Path(tempfile.mkdtemp(dir=ROOT))
    own.chmod(0o755)
    lock = _lock(own)
    assert lock is not None
    os.environ[VARIABLE] = str(own)
    return lock


def end(directory: Path, lock: int) -> None:
    for place in map(ClusterPaths, directory.glob("*/clusters/*/")):
        teardown.end(place)
        teardown.remove(place)
    shutil.rmtree(directory, ignore_errors=True)
    os.close(lock)


def directory() -> Path:
    return Path(os.environ[VARIABLE])


def fresh(name: str) -> Path:
    """An empty data directory."""
    return Path(tempfile.mkdtemp(prefix=f"{name}-", dir=directory()))


def _lock(directory: Path) -> int | None:
    """None while a run holds it."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor
