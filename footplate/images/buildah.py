"""Builds with Debian's buildah, as root and without a daemon. Its storage stays below the cache directory."""

import json
import shlex
import shutil
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from footplate.images import base, catalogue, host, inputs, oci, process
from footplate.images.builder import PACKAGES_SCRIPT, RUN_TIMEOUT, SOURCES, STAGE, Progress, Request
from footplate.images.catalogue import REGISTRY, Torch
from footplate.images.errors import BuildFailed

#: Of the machine, mounted during a build where present: a mirror's certificate authority, pip's and uv's settings.
HOST_FILES = (Path("/etc/ssl/certs"), Path("/etc/pip.conf"), Path("/etc/uv"))

QUERY_TIMEOUT = 120.0
_UNKNOWN = "image not known"
ANSWERS = 3

DISCARDED = "discarded-"

#: Layouts kept of one image's environment stage.
KEPT_STAGES = 2

#: More than this in layers, and the next build starts from none: versions of long ago pile up.
STORAGE_GIB = 16


class Buildah:
    name = "buildah"

    def __init__(self, directory: Path, torch: Torch, progress: Progress) -> None:
        self._directory = directory
        self._torch: Torch = torch
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

    def _ask_json(self, *words: str, what: str) -> Any:
        """Asked again where the answer is none: seen once, on a machine with no core to spare."""
        answer = ""
        for _ in range(ANSWERS):
            answer = self._ask(*words, what=what)
            try:
                return json.loads(answer)
            except ValueError:
                continue
        raise BuildFailed(f"{what}: buildah answered {answer[:200]!r}")

    def prepare(self, log: Path) -> None:
        host.ensure_tools(log, self._progress)
        self._clear()
        self._run(["rm", "--all"], log, "clearing containers of a killed build")
        self._ensure_base(log)

    def _ensure_base(self, log: Path) -> None:
        context = base.ensure(self._directory, self._temporary, log, self._progress)
        if not self._has(self._base):
            self._bud(self._base, context / "Dockerfile", context, log)

    def _clear(self) -> None:
        """Scratch files and mount counts of a killed build; its mounts went with its mount namespace."""
        for path in (self._temporary, self._run_root):
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir(parents=True)
        self._remove_discarded()
        if self._damaged():
            self._progress.begin("the storage of image layers is damaged: it is made anew")
            self._discard()

    def _discard(self) -> None:
        """All layers. Set aside first: half of a storage is one that no build gets by."""
        self._storage.rename(self._directory / f"{DISCARDED}{time.time_ns()}")
        self._remove_discarded()

    def _remove_discarded(self) -> None:
        for path in self._directory.glob(f"{DISCARDED}*"):
            shutil.rmtree(path, ignore_errors=True)

    def _damaged(self) -> bool:
        """Whether layers that are listed are not there, as after a removal or a write that was cut off."""
        listed = self._storage / f"{self._driver}-layers" / "layers.json"
        try:
            layers: list[dict[str, Any]] = json.loads(listed.read_bytes())
        except FileNotFoundError:
            return False  # nothing was built yet
        except ValueError:
            return True
        # Source: github.com/containers/storage, drivers/overlay and drivers/vfs.
        place = self._storage / ("overlay" if self._driver == "overlay" else "vfs/dir")
        return any(not (place / layer["id"]).is_dir() for layer in layers)

    def _has(self, reference: str) -> bool:
        """Asked of the one image: `buildah images` adds up the sizes of all, which takes it half a minute."""
        try:
            self._ask("inspect", "--type", "image", "--format", "{{.FromImageID}}", reference, what="buildah inspect")
        except BuildFailed as error:
            if _UNKNOWN not in error.message:
                raise
            return False
        return True

    def arguments(self, image: str) -> Mapping[str, str]:
        torch = {"TORCH": "apt" if self._torch == "cpu" else "wheel"} if image == "pytorch" else {}
        return {"BASE": self._base, **torch, **catalogue.find(image).arguments(self._torch)}

    def build(self, request: Request) -> None:
        """The stages apart: with the environment stage there, its files need not be read to see that they are the same."""
        dockerfile = request.context / request.dockerfile
        arguments = [f"--build-arg={name}={value}" for name, value in sorted(request.arguments.items())]
        if request.fresh or not self._has(request.stage):
            if _gib(self._storage) > STORAGE_GIB:
                self._discard()
                self._ensure_base(request.log)
            options = [*self._machine_settings(), *arguments, f"--target={STAGE}"]
            options += ["--no-cache"] if request.fresh else []
            self._bud(request.stage, dockerfile, request.context, request.log, options)
        last = self._temporary / "Dockerfile"
        last.write_text(inputs.split(dockerfile.read_text())[1].replace(f"FROM {STAGE}", f"FROM {request.stage}", 1))
        self._bud(request.reference, last, request.context, request.log, self._machine_settings())

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

    def _bud(self, reference: str, dockerfile: Path, context: Path, log: Path, options: Sequence[str] = ()) -> None:
        words = ["bud", "--isolation", "chroot", "--network", "host", "--format", "oci", "--layers", "--pull-never"]
        words += ["--tag", reference, *options, "--file", str(dockerfile), str(context)]
        self._run(words, log, f"building {reference}")

    def packages(self, reference: str, names: tuple[str, ...]) -> Mapping[str, str]:
        with self._container(reference) as container:
            run = ["run", "--isolation", "chroot", container, "--", "python3", "-c", PACKAGES_SCRIPT, *names]
            return self._ask_json(*run, what=f"reading the packages of {reference}")

    def run(self, reference: str, archive: Path, command: Sequence[str], log: Path) -> str:
        if not self._has(reference):  # the storage has been cleared since
            self._run(["pull", f"oci-archive:{archive}"], log, f"reading {archive}")
        with self._container(reference) as container:
            words = self._buildah("run", "--isolation", "chroot", container, "--", *command)
            return process.output(
                words, what=f"running {command[0]} in {reference}", timeout=RUN_TIMEOUT, confined=True
            )

    @contextmanager
    def _container(self, reference: str) -> Generator[str]:
        container = self._ask("from", "--pull-never", reference, what=f"opening {reference}").strip()
        try:
            yield container
        finally:
            self._ask("rm", container, what=f"closing {reference}")

    def export(self, request: Request, archive: Path) -> str:
        """The layout of the environment stage stays, so that a change of the sources writes one small layer."""
        layout = self._stage_layout(request)
        command = ["inspect", "--type", "image", request.reference]
        config = self._ask_json(*command, what=f"inspecting {request.reference}")["OCIv1"]["config"]
        return oci.compose(layout, self._sources(request), config, request.reference, archive)

    def _stage_layout(self, request: Request) -> Path:
        """zstd: a third of gzip's time at the same size, and containerd reads it."""
        name, tag = request.stage.rsplit("/", 1)[1].split(":")
        layouts = self._directory / "stages"
        layout = layouts / f"{name}-{tag}"
        if layout.exists() and not request.fresh:
            layout.touch()
            return layout
        partial = layouts / f"{name}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        layouts.mkdir(exist_ok=True)
        words = ["push", "--compression-format", "zstd", request.stage, f"oci:{partial}:{request.stage}"]
        self._run(words, request.log, f"writing the layers of {request.stage}")
        shutil.rmtree(layout, ignore_errors=True)
        partial.rename(layout)
        older = sorted(layouts.glob(f"{name}-*"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in older[KEPT_STAGES:]:
            shutil.rmtree(path)
        return layout

    def _sources(self, request: Request) -> bytes:
        """A tar of the directory that the last stage adds; the same bytes for the same files."""
        container = self._ask("from", "--pull-never", request.reference, what=f"opening {request.reference}").strip()
        file = self._temporary / "sources.tar"
        tar = "tar --create --format=pax --sort=name --numeric-owner --owner=0 --group=0 --mtime=@0"
        tar += " --pax-option=exthdr.name=%d/%f,delete=atime,delete=ctime"
        try:
            mounted = f'"$({shlex.join(self._buildah("mount", container))})"'
            script = f"exec {tar} --file={shlex.quote(str(file))} --directory={mounted} {SOURCES}"
            process.run(["sh", "-c", script], request.log, what=f"reading {request.reference}", confined=True)
            return file.read_bytes()
        finally:
            self._ask("rm", container, what=f"closing {request.reference}")

    def push(self, reference: str, archive: Path, destination: str, log: Path) -> str:
        """From the archive where the builder's storage has been cleared."""
        host.ensure_tools(log, self._progress)
        self._clear()
        if not self._has(reference):
            self._run(["pull", f"oci-archive:{archive}"], log, f"reading {archive}")
        digest = self._temporary / "digest"
        words = ["push", "--digestfile", str(digest)]
        # As Docker does: a registry on this machine may speak plain HTTP.
        words += ["--tls-verify=false"] if destination.startswith(("127.", "localhost:")) else []
        self._run([*words, reference, f"docker://{destination}"], log, f"pushing {destination}")
        return digest.read_text().strip()


def _gib(directory: Path) -> float:
    """Disk that the files below it take; 0 where there is none."""
    if not directory.exists():
        return 0.0
    used = process.output(["du", "-s", "--block-size=1M", str(directory)], what="du", timeout=QUERY_TIMEOUT)
    return int(used.split()[0]) / 1024
