"""The api profile by a user without any rights. As root, that user is made for the test: the number of `nobody`, a home of
its own, and, in a mount namespace, the paths to Python and to the built programs opened where they lead through root's home.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from devcluster import paths
from tests.leftovers import directory, fresh

ROOT = Path(__file__).parents[3]
NOBODY = 65534
PROGRAMS = ("unshare", "setpriv", "mount")

Run = Callable[..., subprocess.CompletedProcess[str]]


def closed(path: Path) -> Path | None:
    """The topmost directory on the way to it that others may not enter."""
    return next((p for p in reversed(path.parents) if not p.stat().st_mode & stat.S_IXOTH), None)


def outermost(found: list[Path]) -> list[Path]:
    return [path for path in found if not any(other in path.parents for other in found)]


def opening(needed: list[Path], stash: Path) -> list[str]:
    """Shell lines that leave of a closed directory only the way to what is needed."""
    hidden = {path: place for path in outermost(needed) if (place := closed(path)) is not None}
    kept = {path: stash / str(number) for number, path in enumerate(hidden)}
    return [
        *(f"mkdir -p {place} && mount --rbind {path} {place}" for path, place in kept.items()),
        *(f"mount -t tmpfs -o mode=755 tmpfs {place}" for place in sorted(set(hidden.values()))),
        *(f"mkdir -p {path} && mount --rbind {place} {path}" for path, place in kept.items()),
    ]


@pytest.fixture
def home() -> Path:
    """pytest's own directories are for their user only."""
    made = fresh("home")
    (made / "cache").mkdir()
    (made / "cache" / "bin").symlink_to(paths.cache_directory() / "bin")
    if os.geteuid() == 0:
        for path in (made, made / "cache"):
            os.chown(path, NOBODY, NOBODY)
    return made


@pytest.fixture
def footplate(home: Path) -> Run:
    variables = {
        "PATH": "/usr/bin:/bin",
        "HOME": str(home),
        "FOOTPLATE_CACHE": str(home / "cache"),
        "FOOTPLATE_DATA": str(home),
    }

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "footplate.cli.main", *arguments]
        if os.geteuid() == 0:
            needed = [ROOT, Path(sys.prefix), Path(sys.base_prefix), paths.cache_directory() / "bin"]
            drop = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs", *command]
            script = [*opening(needed, directory() / "stash"), f"cd {ROOT}", f"exec {shlex.join(drop)}"]
            command = ["unshare", "--mount", "sh", "-euc", "\n".join(script)]
        return subprocess.run(command, env=variables, cwd=ROOT, capture_output=True, text=True, check=False)

    return run


@pytest.mark.skipif(
    os.geteuid() == 0 and not all(map(shutil.which, PROGRAMS)), reason=f"needs {', '.join(PROGRAMS)} to drop rights"
)
def test_the_life_of_a_cluster_without_root(footplate: Run, home: Path) -> None:
    refused = footplate("cluster", "start")
    assert refused.returncode == 9, refused.stderr
    assert "the full profile needs root" in refused.stderr
    assert "`footplate cluster start --profile api`" in refused.stderr
    assert not list((home / "clusters").glob("*/*"))

    name = ("--name", "without-root")
    started = footplate("cluster", "start", *name, "--profile", "api", "--kwok-nodes", "1", "--kwok-gpu", "H100:8")
    try:
        assert started.returncode == 0, started.stderr
        found = json.loads(footplate("cluster", "status", *name, "-o", "json").stdout)
        assert found["state"] == "Running"
        owners = {Path(f"/proc/{part['pid']}").stat().st_uid for part in found["components"]}
        assert owners == {os.geteuid() or NOBODY}
        shell = footplate("cluster", "exec", *name, "--", "ls")
        assert shell.returncode == 2
        assert "has no node of its own: its profile is api" in shell.stderr
        assert "H100 on 1 of 1 nodes" in footplate("doctor", "--context", "footplate-without-root").stdout
    finally:
        deleted = footplate("cluster", "delete", *name, "--yes")
    assert deleted.returncode == 0, deleted.stderr
    assert not list((home / "clusters").glob("*/"))
