"""Builds what is not built, one at a time under a lock, and records it."""

import fcntl
import os
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from footplate.images import catalogue, docker, host, index, inputs
from footplate.images.buildah import Buildah
from footplate.images.builder import STAGE, Builder, Progress, Request
from footplate.images.catalogue import REGISTRY, Image, Torch
from footplate.images.docker import Docker
from footplate.images.errors import MachineLacks
from footplate.images.index import Built

BuilderName = Literal["auto", "buildah", "docker"]

#: Archives kept of one image: the newest, and what a branch left a moment ago was built of.
KEPT_ARCHIVES = 2


@dataclass(frozen=True)
class Outcome:
    image: Image
    built: Built
    #: None where it was there already.
    seconds: float | None


def ensure(
    names: Sequence[str],
    progress: Progress,
    *,
    builder: BuilderName = "auto",
    torch: Torch = "cpu",
    force: bool = False,
    environment: Mapping[str, str] = os.environ,
) -> list[Outcome]:
    """Builds the named images where their inputs have changed; quick otherwise. No names: those that are built always.

    Raises UnknownImage, MachineLacks or BuildFailed. What was built before a failure stays recorded.
    """
    images = [catalogue.find(name) for name in names or catalogue.ALWAYS]
    directory = index.cache_directory(environment)
    directory.mkdir(parents=True, exist_ok=True)
    return build(
        images, catalogue.repository(), directory, choose(builder, directory, torch, progress), progress, force
    )


def choose(name: BuilderName, directory: Path, torch: Torch, progress: Progress) -> Builder:
    """``auto`` is Docker where a daemon answers, buildah otherwise."""
    if name == "docker" or (name == "auto" and docker.available()):
        return Docker(torch, progress)
    return Buildah(directory, torch, progress)


def wanted(image: Image, context: Path, builder: Builder, log: Path) -> Request:
    """The references that the image and its environment stage have with their present inputs."""
    arguments = builder.arguments(image.name)
    text = (context / image.dockerfile).read_text()
    stage = inputs.tag(context, inputs.split(text)[0], arguments)
    return Request(
        reference=f"{REGISTRY}/{image.name}:{inputs.tag(context, text, arguments)}",
        stage=f"{REGISTRY}/{image.name}-{STAGE}:{stage}",
        dockerfile=image.dockerfile,
        context=context,
        arguments=arguments,
        log=log,
    )


def build(
    images: Sequence[Image], context: Path, directory: Path, builder: Builder, progress: Progress, force: bool
) -> list[Outcome]:
    with lock(directory, progress):
        outcomes: list[Outcome] = []
        prepared = False
        for image in images:
            log = directory / "logs" / f"{image.name}.log"
            request = replace(wanted(image, context, builder, log), fresh=force)
            present = index.read(directory).get(image.name)
            if not force and present and present.reference == request.reference and present.present:
                outcomes.append(Outcome(image, present, None))
                continue
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_bytes(b"")
            started = time.monotonic()
            if not prepared:
                host.check_disk(directory)
                progress.begin(f"building images with {builder.name}")
                builder.prepare(log)
                prepared = True
            progress.begin(f"building {request.reference}")
            built = _build_one(image, request, directory, builder)
            index.write(directory, {**index.read(directory), image.name: built})
            _delete_old_archives(directory, image.name)
            outcomes.append(Outcome(image, built, time.monotonic() - started))
            progress.done(
                f"built {request.reference} ({built.size / 2**20:.0f} MiB, {time.monotonic() - started:.0f} s)"
            )
        return outcomes


def _build_one(image: Image, request: Request, directory: Path, builder: Builder) -> Built:
    builder.build(request)
    archive = directory / "archives" / f"{image.name}-{request.reference.rsplit(':', 1)[1]}.tar"
    partial = archive.with_suffix(".partial")
    archive.parent.mkdir(parents=True, exist_ok=True)
    partial.unlink(missing_ok=True)
    digest = builder.export(request, partial)
    partial.replace(archive)
    return Built(
        reference=request.reference,
        digest=digest,
        archive=str(archive),
        size=archive.stat().st_size,
        builder=builder.name,
        gpu=has_cuda(request.arguments),
        packages=dict(builder.packages(request.reference, image.packages)),
    )


def has_cuda(arguments: Mapping[str, str]) -> bool:
    """Of an image that is built with them. PyTorch's own wheels have CUDA where no other index is named."""
    wheels = arguments.get("TORCH") == "wheel" and not arguments.get("TORCH_INDEX")
    return arguments.get("VARIANT") == "cuda" or wheels


def _delete_old_archives(directory: Path, name: str) -> None:
    archives = sorted(
        (directory / "archives").glob(f"{name}-*.tar"), key=lambda path: path.stat().st_mtime, reverse=True
    )
    for archive in (*archives[KEPT_ARCHIVES:], *(directory / "archives").glob(f"{name}-*.partial")):
        archive.unlink(missing_ok=True)


@contextmanager
def lock(directory: Path, progress: Progress) -> Generator[None]:
    """One build at a time on a machine; the kernel lets go of the lock when its holder dies."""
    path = directory / "lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.begin(f"waiting for another build, of process {os.pread(descriptor, 32, 0).decode() or 'unknown'}")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        except OSError as error:
            raise MachineLacks(f"{path} cannot be locked: {error}.") from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)
