"""Builds with Debian's buildah, as root and without a daemon. Its storage stays below the cache directory."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

from footplate.images import base, host, process
from footplate.images.builder import PACKAGES_SCRIPT, Progress, Request
from footplate.images.catalogue import REGISTRY, Torch

#: Of the machine, mounted during a build where present: a mirror's certificate authority, pip's and uv's settings.
HOST_FILES = (Path("/etc/ssl/certs"), Path("/etc/pip.conf"), Path("/etc/uv"))

QUERY_TIMEOUT = 120.0

#: More than this in layers, and the next build starts from none: versions of long ago pile up.
STORAGE_GIB = 16


class Buildah:
    name = "buildah"

    def __init__(self, directory: Path, torch: Torch, progress: Progress) -> None:
        self._directory = directory
        self._torch = torch
        self._progress = progress
        self._storage = directory / "storage"
        self._temporary = directory / "tmp"
        self._run_root = directory / "run"
        self._driver = "overlay" if "overlay" in Path("/proc/filesystems").read_text() else "vfs"
        self._base = f"{REGISTRY}/base:{base.key()}"

    def _buildah(self, *words: str) -> list[str]:
        storage = ["--root", str(self._storage), "--runroot", str(self._run_root), "--storage-driver", self._driver]
        return ["env", f"TMPDIR={self._temporary}", "buildah", *storage, *words]

    def _run(self, words: list[str], log: Path, what: str) -> None:
        process.run(self._buildah(*words), log, what=what, progress=self._progress, confined=True)

    def _ask(self, *words: str, what: str) -> str:
        return process.output(self._buildah(*words), what=what, timeout=QUERY_TIMEOUT, confined=True)

    def prepare(self, log: Path) -> None:
        host.ensure_tools(log, self._progress)
        self._clear()
        if _gib(self._storage) > STORAGE_GIB:
            shutil.rmtree(self._storage)
        self._run(["rm", "--all"], log, "clearing containers of a killed build")
        context = base.ensure(self._directory, self._temporary, log, self._progress)
        if not self._has(self._base):
            self._bud(Request(self._base, "Dockerfile", context, {}, log), [])

    def _clear(self) -> None:
        """Scratch files and mount counts of a killed build; its mounts went with its mount namespace."""
        for path in (self._temporary, self._run_root):
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir(parents=True)

    def _has(self, reference: str) -> bool:
        images = self._ask("images", "--json", what="buildah images")
        return any(reference in (image.get("names") or ()) for image in json.loads(images or "[]"))

    def arguments(self, image: str) -> Mapping[str, str]:
        torch = {"TORCH": "apt" if self._torch == "cpu" else "wheel"} if image == "pytorch" else {}
        return {"BASE": self._base, **torch}

    def has_cuda(self, image: str) -> bool:
        return image == "pytorch" and self._torch == "cuda"

    def build(self, request: Request) -> None:
        self._bud(request, self._machine_settings())

    def _machine_settings(self) -> list[str]:
        """Mounts of a build's RUN steps. They leave empty files in the image, and nothing of what is in them."""
        mounts = [f"--volume={path}:{path}:ro" for path in HOST_FILES if path.exists()]
        files = {"/etc/apt/apt.conf.d/99build-machine": "\n".join(host.apt_settings())}
        if (sources := base.sources()) != base.PUBLIC_SOURCES:
            files["/etc/apt/sources.list"] = sources
        for target, content in files.items():
            if content:
                file = self._temporary / Path(target).name
                file.write_text(content + "\n")
                mounts.append(f"--volume={file}:{target}:ro")
        return mounts

    def _bud(self, request: Request, mounts: list[str]) -> None:
        words = ["bud", "--isolation", "chroot", "--network", "host", "--layers", "--format", "oci"]
        words += ["--tag", request.reference, *mounts]
        words += [f"--build-arg={name}={value}" for name, value in sorted(request.arguments.items())]
        words += ["--file", str(request.context / request.dockerfile), str(request.context)]
        self._run(words, request.log, f"building {request.reference}")

    def packages(self, reference: str, names: tuple[str, ...]) -> Mapping[str, str]:
        container = self._ask("from", "--pull-never", reference, what=f"opening {reference}").strip()
        try:
            run = ["run", "--isolation", "chroot", container, "--", "python3", "-c", PACKAGES_SCRIPT, *names]
            return json.loads(self._ask(*run, what=f"reading the packages of {reference}"))
        finally:
            self._ask("rm", container, what=f"closing {reference}")

    def export(self, reference: str, archive: Path, log: Path) -> str:
        """zstd: a third of gzip's time at the same size, and containerd reads it."""
        return self._copy(reference, f"oci-archive:{archive}:{reference}", ["--compression-format", "zstd"], log)

    def push(self, reference: str, archive: Path, destination: str, log: Path) -> str:
        """From the archive where the builder's storage has been cleared."""
        host.ensure_tools(log, self._progress)
        self._clear()
        if not self._has(reference):
            self._run(["pull", f"oci-archive:{archive}"], log, f"reading {archive}")
        return self._copy(reference, f"docker://{destination}", [], log)

    def _copy(self, reference: str, destination: str, options: list[str], log: Path) -> str:
        digest = self._temporary / "digest"
        words = ["push", *options, "--digestfile", str(digest), reference, destination]
        self._run(words, log, f"writing {reference} to {destination}")
        return digest.read_text().strip()


def _gib(directory: Path) -> float:
    """Disk that the files below it take; 0 where there is none."""
    if not directory.exists():
        return 0.0
    used = process.output(["du", "-s", "--block-size=1M", str(directory)], what="du", timeout=QUERY_TIMEOUT)
    return int(used.split()[0]) / 1024
