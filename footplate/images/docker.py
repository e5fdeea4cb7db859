"""Builds with Docker, on the official Python image: the same Dockerfiles."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from footplate.errors import FootplateError
from footplate.images import catalogue, process
from footplate.images.builder import PACKAGES_SCRIPT, RUN_TIMEOUT, Progress, Request
from footplate.images.catalogue import TORCH_CPU_INDEX, Torch
from footplate.images.errors import BuildFailed, MachineLacks

BASE = "python:3.11-slim-bookworm"

QUERY_TIMEOUT = 120.0


def available(timeout: float = 10.0) -> bool:
    """True where a daemon answers."""
    if shutil.which("docker") is None:
        return False
    try:
        process.output(["docker", "info", "--format", "{{.ServerVersion}}"], what="docker info", timeout=timeout)
    except FootplateError:
        return False
    return True


class Docker:
    name = "docker"

    def __init__(self, torch: Torch, progress: Progress) -> None:
        self._torch: Torch = torch
        self._progress = progress

    def prepare(self, log: Path) -> None:
        if not available():
            raise MachineLacks("Docker does not answer (docker info).", "start it, or use --builder buildah as root")

    def arguments(self, image: str) -> Mapping[str, str]:
        torch = (
            {"TORCH": "wheel", "TORCH_INDEX": TORCH_CPU_INDEX if self._torch == "cpu" else ""}
            if image == "pytorch"
            else {}
        )
        return {"BASE": BASE, **torch, **catalogue.find(image).arguments(self._torch)}

    def build(self, request: Request) -> None:
        arguments = [f"--build-arg={name}={value}" for name, value in sorted(request.arguments.items())]
        command = [
            "docker",
            "build",
            "--tag",
            request.reference,
            *(["--no-cache"] if request.fresh else []),
            *arguments,
        ]
        command += ["--file", str(request.context / request.dockerfile), str(request.context)]
        process.run(command, request.log, what=f"building {request.reference}", progress=self._progress)

    def packages(self, reference: str, names: tuple[str, ...]) -> Mapping[str, str]:
        command = ["docker", "run", "--rm", "--network", "none", reference, "python3", "-c", PACKAGES_SCRIPT, *names]
        return json.loads(process.output(command, what=f"reading the packages of {reference}", timeout=QUERY_TIMEOUT))

    def run(self, reference: str, archive: Path, command: Sequence[str], log: Path) -> str:
        process.run(["docker", "load", "--input", str(archive)], log, what=f"loading {archive}")
        words = ["docker", "run", "--rm", "--network", "none", reference, *command]
        return process.output(words, what=f"running {command[0]} in {reference}", timeout=RUN_TIMEOUT)

    def export(self, request: Request, archive: Path) -> str:
        """Docker knows a manifest's digest only after a push: the image's own ID stands in for it."""
        reference, log = request.reference, request.log
        process.run(
            ["docker", "save", "--output", str(archive), reference],
            log,
            what=f"saving {reference}",
            progress=self._progress,
        )
        inspect = ["docker", "image", "inspect", "--format", "{{.Id}}", reference]
        return process.output(inspect, what=f"inspecting {reference}", timeout=QUERY_TIMEOUT).strip()

    def push(self, reference: str, archive: Path, destination: str, log: Path) -> str:
        process.run(["docker", "load", "--input", str(archive)], log, what=f"loading {archive}")
        process.run(["docker", "tag", reference, destination], log, what=f"tagging {destination}")
        process.run(["docker", "push", destination], log, what=f"pushing {destination}", progress=self._progress)
        inspect = ["docker", "image", "inspect", "--format", "{{json .RepoDigests}}", destination]
        digests: list[str] = json.loads(
            process.output(inspect, what=f"inspecting {destination}", timeout=QUERY_TIMEOUT)
        )
        repository = destination.rsplit(":", 1)[0]
        for digest in digests:
            if digest.startswith(f"{repository}@"):
                return digest.split("@", 1)[1]
        raise BuildFailed(f"Docker reports no digest of {destination} after its push")
