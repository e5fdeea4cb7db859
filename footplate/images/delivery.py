"""Brings built images to where they run: into an embedded, kind or k3d cluster, or to a registry.

Which images a cluster has is asked of its nodes each time: nothing to go stale when a cluster is deleted and made again.
"""

import json
import os
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import msgspec

from footplate.errors import FootplateError
from footplate.images import build, index, process
from footplate.images.builder import Builder, Progress
from footplate.images.errors import BuildFailed, DeliveryFailed, WrongTarget
from footplate.images.index import Built

QUERY_TIMEOUT = 60.0

_REGISTRY = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9.-]*(:\d+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*")


class Target(Protocol):
    @property
    def title(self) -> str: ...

    def present(self) -> Collection[str]:
        """References of the images that every node has."""
        ...

    def load(self, archive: Path, log: Path, progress: Progress) -> None: ...


@dataclass(frozen=True)
class Embedded:
    name: str
    #: Leads to the cluster's data (FOOTPLATE_DATA).
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)

    @property
    def title(self) -> str:
        return f"cluster {self.name}"

    def present(self) -> Collection[str]:
        from devcluster import cluster

        return cluster.images(self.name, environment=self.environment)

    def load(self, archive: Path, log: Path, progress: Progress) -> None:
        from devcluster import cluster

        cluster.import_image(self.name, archive, environment=self.environment)


@dataclass(frozen=True)
class Kind:
    name: str

    @property
    def title(self) -> str:
        return f"kind cluster {self.name}"

    def present(self) -> Collection[str]:
        nodes = _ask(["kind", "get", "nodes", "--name", self.name]).split()
        return _on_docker_nodes(nodes)

    def load(self, archive: Path, log: Path, progress: Progress) -> None:
        command = ["kind", "load", "image-archive", str(archive), "--name", self.name]
        _deliver(command, log, self.title, progress)


@dataclass(frozen=True)
class K3d:
    name: str

    @property
    def title(self) -> str:
        return f"k3d cluster {self.name}"

    def present(self) -> Collection[str]:
        nodes = json.loads(_ask(["k3d", "node", "list", "--output", "json"]))
        own = [
            node["name"]
            for node in nodes
            if node.get("role") in ("server", "agent") and node.get("runtimeLabels", {}).get("k3d.cluster") == self.name
        ]
        return _on_docker_nodes(own)

    def load(self, archive: Path, log: Path, progress: Progress) -> None:
        _deliver(["k3d", "image", "import", str(archive), "--cluster", self.name], log, self.title, progress)


_TARGETS = {"footplate-": Embedded, "kind-": Kind, "k3d-": K3d}


def target(context: str) -> Target:
    """By the context's name, as each tool makes it; raises WrongTarget."""
    for prefix, kind in _TARGETS.items():
        if context.startswith(prefix) and len(context) > len(prefix):
            return kind(context.removeprefix(prefix))
    raise WrongTarget(
        f"The context {context} is no embedded, kind or k3d cluster: images cannot be put onto its nodes from here.",
        "push them to a registry that it can pull from: `footplate images push --registry HOST/PATH`",
    )


def load(builts: Sequence[Built], to: Target, directory: Path, progress: Progress) -> list[Built]:
    """Loads what ``to`` lacks, and returns that. Raises DeliveryFailed or MachineLacks."""
    present = to.present()
    missing = [built for built in builts if built.reference not in present]
    for built in missing:
        progress.begin(f"loading {built.reference} into {to.title} ({built.size / 2**20:.0f} MiB)")
        to.load(Path(built.archive), directory / "logs" / "load.log", progress)
        progress.done(f"loaded {built.reference} into {to.title}")
    return missing


def push(names: Sequence[str], registry: str, builder: Builder, directory: Path, progress: Progress) -> dict[str, str]:
    """Name → the reference in ``registry``, by digest, which the index keeps. Raises DeliveryFailed, WrongTarget."""
    registry = registry.rstrip("/")
    if not _REGISTRY.fullmatch(registry):
        raise WrongTarget(
            f"--registry {registry!r} is not a registry.", "write HOST or HOST/PATH, such as ghcr.io/acme/footplate"
        )
    with build.lock(directory, progress):
        return {name: _push(name, registry, builder, directory, progress) for name in names}


def _push(name: str, registry: str, builder: Builder, directory: Path, progress: Progress) -> str:
    built = index.read(directory)[name]
    destination = f"{registry}/{name}:{built.reference.rsplit(':', 1)[1]}"
    progress.begin(f"pushing {destination}")
    log = directory / "logs" / "push.log"
    log.unlink(missing_ok=True)
    try:
        digest = builder.push(built.reference, Path(built.archive), destination, log)
    except BuildFailed as error:
        raise DeliveryFailed(
            f"{destination} could not be pushed: {error.last}",
            f"is it logged in to (docker login {registry.split('/')[0]})? All of the output is in {log}",
        ) from error
    reference = f"{destination}@{digest}"
    pushed = {**built.pushed, registry: reference}
    index.write(directory, {**index.read(directory), name: msgspec.structs.replace(built, pushed=pushed)})
    progress.done(f"pushed {destination}")
    return reference


def _on_docker_nodes(nodes: Sequence[str]) -> Collection[str]:
    if not nodes:
        raise DeliveryFailed("The cluster has no node that Docker knows.")
    lists = [_ask(["docker", "exec", node, "ctr", "--namespace", "k8s.io", "images", "ls", "-q"]) for node in nodes]
    return set[str].intersection(*(set(names.split()) for names in lists))


def _ask(command: Sequence[str]) -> str:
    try:
        return process.output(command, what=" ".join(command[:3]), timeout=QUERY_TIMEOUT)
    except FootplateError as error:
        raise DeliveryFailed(error.message, error.remedy) from error


def _deliver(command: Sequence[str], log: Path, title: str, progress: Progress) -> None:
    try:
        process.run(command, log, what=f"loading into {title}", progress=progress)
    except FootplateError as error:
        raise DeliveryFailed(error.message, error.remedy) from error
