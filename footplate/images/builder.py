"""The seams of the build: the tool that does it, and where its progress goes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class Progress(Protocol):
    """``begin`` and ``done`` are for the record, ``detail`` for who is watching."""

    def begin(self, title: str) -> None: ...
    def detail(self, text: str) -> None: ...
    def done(self, text: str) -> None: ...


#: The stage of every Dockerfile that has all but Footplate's own sources, and the one directory that the last stage adds.
STAGE = "environment"
SOURCES = "opt/footplate/src"

#: Seconds for a command in an image.
RUN_TIMEOUT = 300.0


@dataclass(frozen=True)
class Request:
    """``stage`` names the image of ``STAGE``, by the content of what that is made of."""

    reference: str
    stage: str
    dockerfile: str
    context: Path
    arguments: Mapping[str, str]
    log: Path
    #: Without anything kept of earlier builds: packages as they are today.
    fresh: bool = False


class Builder(Protocol):
    @property
    def name(self) -> str: ...

    def prepare(self, log: Path) -> None:
        """Installs what is missing, clears what a killed build left. Called once, under the lock."""
        ...

    def arguments(self, image: str) -> Mapping[str, str]:
        """BASE; of pytorch TORCH and TORCH_INDEX, of what `images/environment` builds ENVIRONMENT and VARIANT."""
        ...

    def build(self, request: Request) -> None: ...

    def packages(self, reference: str, names: tuple[str, ...]) -> Mapping[str, str]:
        """Versions of the named Python distributions in a built image, and of Python itself."""
        ...

    def run(self, reference: str, archive: Path, command: Sequence[str], log: Path) -> str:
        """What a command prints that runs in a built image, as its user and with no server started. Raises BuildFailed."""
        ...

    def export(self, request: Request, archive: Path) -> str:
        """Writes the archive and returns the manifest's digest."""
        ...

    def push(self, reference: str, archive: Path, destination: str, log: Path) -> str:
        """Pushes to a registry and returns the manifest's digest there."""
        ...


#: Prints {distribution: version} as JSON; runs in the image, with the names as arguments.
PACKAGES_SCRIPT = """
import importlib.metadata, json, platform, sys
found = {"python": platform.python_version()}
for name in sys.argv[1:]:
    try:
        found[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        pass
print(json.dumps(found))
"""
