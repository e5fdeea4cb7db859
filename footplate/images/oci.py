"""An OCI archive put together from a layout that is there already and one more layer.

A builder that writes an archive reads, packs and hashes every layer of an image each time, gigabytes for one changed
source file. An image's last stage adds one directory (``Dockerfile``), so the archive is the layout of the stage before
it, written once, and that directory as a layer. Formats: https://github.com/opencontainers/image-spec
"""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar+gzip"


def compose(layout: Path, layer: bytes, config: Mapping[str, Any], reference: str, archive: Path) -> str:
    """Writes ``archive`` and returns its manifest's digest. ``layer`` is a tar; ``config`` the image's run-time settings."""
    index = json.loads((layout / "index.json").read_bytes())
    manifest = json.loads(_blob(layout, index["manifests"][0]["digest"]).read_bytes())
    base = json.loads(_blob(layout, manifest["config"]["digest"]).read_bytes())

    packed = gzip.compress(layer, compresslevel=6, mtime=0)
    settings = _encode(
        {
            **base,
            "config": dict(config),
            "rootfs": {"type": "layers", "diff_ids": [*base["rootfs"]["diff_ids"], _digest(layer)]},
            "history": [*base["history"], {"created": base["created"], "created_by": "footplate"}],
        }
    )
    manifest["config"] = {**manifest["config"], "digest": _digest(settings), "size": len(settings)}
    added = {"mediaType": LAYER_TYPE, "digest": _digest(packed), "size": len(packed)}
    kept = [item["digest"] for item in manifest["layers"]]
    manifest["layers"].append(added)
    document = _encode(manifest)
    entry = {
        "mediaType": index["manifests"][0]["mediaType"],
        "digest": _digest(document),
        "size": len(document),
        "annotations": {"org.opencontainers.image.ref.name": reference},
    }
    _write(
        archive,
        {
            "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
            "index.json": _encode({"schemaVersion": 2, "manifests": [entry]}),
            **{_path(_digest(content)): content for content in (document, settings, packed)},
        },
        {_path(digest): _blob(layout, digest) for digest in dict.fromkeys(kept)},
    )
    return _digest(document)


def _write(archive: Path, contents: Mapping[str, bytes], files: Mapping[str, Path]) -> None:
    with tarfile.open(archive, "w") as tar:
        for name in _directories([*contents, *files]):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        for name, content in contents.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        for name, path in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = path.stat().st_size
            with path.open("rb") as file:
                tar.addfile(entry, file)


def _directories(names: Iterable[str]) -> list[str]:
    return sorted({parent.as_posix() for name in names for parent in Path(name).parents if parent.name})


def _blob(layout: Path, digest: str) -> Path:
    return layout / _path(digest)


def _path(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _encode(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()
