"""Images of one layer, made without a builder: an OCI image layout in a tar archive. The sandbox image of pods is one."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_JSON = "application/vnd.oci.image"


def sandbox_reference(pause: Path) -> str:
    return f"footplate.local/pause:{hashlib.sha256(pause.read_bytes()).hexdigest()[:12]}"


def sandbox_archive(pause: Path) -> bytes:
    """Runs as nobody: the program needs no privilege, and pods that must not run as root need their sandbox not to."""
    config = {"Entrypoint": ["/pause"], "User": "65535:65535"}
    return archive(sandbox_reference(pause), {"pause": pause.read_bytes()}, config)


def archive(name: str, programs: Mapping[str, bytes], config: Mapping[str, Any]) -> bytes:
    """`programs`: executable files by their path in the image. `config`: the image's `config` (Entrypoint, Env, User)."""
    layer = _tar(programs, mode=0o755)
    compressed = gzip.compress(layer, mtime=0)
    document = _json(
        {
            "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
            "os": "linux",
            "config": dict(config),
            "rootfs": {"type": "layers", "diff_ids": [_digest(layer)]},
        }
    )
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": f"{_JSON}.manifest.v1+json",
            "config": _descriptor(document, f"{_JSON}.config.v1+json"),
            "layers": [_descriptor(compressed, f"{_JSON}.layer.v1.tar+gzip")],
        }
    )
    named = {"io.containerd.image.name": name}
    index = {"schemaVersion": 2, "manifests": [_descriptor(manifest, f"{_JSON}.manifest.v1+json", named)]}
    blobs = {f"blobs/sha256/{_digest(blob).partition(':')[2]}": blob for blob in (compressed, document, manifest)}
    return _tar({"oci-layout": _json({"imageLayoutVersion": "1.0.0"}), "index.json": _json(index), **blobs}, mode=0o644)


def _descriptor(blob: bytes, kind: str, annotations: dict[str, str] | None = None) -> dict[str, Any]:
    described: dict[str, Any] = {"mediaType": kind, "digest": _digest(blob), "size": len(blob)}
    return described | ({"annotations": annotations} if annotations else {})


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _tar(files: Mapping[str, bytes], mode: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
