"""The record of what has been built from this checkout: ``$FOOTPLATE_CACHE/images/checkouts/<which>.json``.

Archives and layers are shared with the user's other checkouts; which of them counts is each checkout's own.
"""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from footplate.images.errors import MachineLacks


class Built(msgspec.Struct, frozen=True):
    """``digest`` is the manifest's; ``archive`` an OCI (buildah) or Docker archive; ``size`` the archive's, in bytes."""

    reference: str
    digest: str
    archive: str
    size: int = 0
    builder: str = ""
    #: Whether it carries a CUDA stack.
    gpu: bool = False
    packages: dict[str, str] = {}
    #: Registry → the reference there, by digest.
    pushed: dict[str, str] = {}

    @property
    def present(self) -> bool:
        try:
            return Path(self.archive).stat().st_size == self.size
        except OSError:
            return False


def cache_directory(environment: Mapping[str, str] = os.environ) -> Path:
    """``$FOOTPLATE_CACHE/images``; FOOTPLATE_CACHE defaults to ``$XDG_CACHE_HOME/footplate``."""
    explicit = environment.get("FOOTPLATE_CACHE")
    base = Path(explicit) if explicit else Path(environment.get("XDG_CACHE_HOME") or "~/.cache") / "footplate"
    return base.expanduser().absolute() / "images"


def path_in(directory: Path) -> Path:
    checkout = hashlib.sha256(os.fsencode(Path(__file__).resolve().parents[2])).hexdigest()[:12]
    return directory / "checkouts" / f"{checkout}.json"


def read(directory: Path) -> dict[str, Built]:
    path = path_in(directory)
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Built])
    except FileNotFoundError:
        return {}
    except msgspec.DecodeError as error:
        raise MachineLacks(
            f"{path} cannot be read: {error}.", "delete it, and run `footplate images build` again"
        ) from error


def write(directory: Path, index: Mapping[str, Built]) -> None:
    """Atomic: a reader sees the old index or the new one."""
    path = path_in(directory)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(msgspec.json.format(msgspec.json.encode(dict(sorted(index.items()))), indent=2) + b"\n")
    temporary.replace(path)
