"""An archive of a layout and one more layer, checked as the image specification says it."""

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path

from footplate.images import oci


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def layout(root: Path) -> Path:
    layer = b"a layer of the base"
    config = {"created": "2026-01-01T00:00:00Z", "architecture": "amd64", "os": "linux", "config": {"User": "root"},
              "rootfs": {"type": "layers", "diff_ids": ["sha256:base"]}, "history": [{"created_by": "base"}]}  # fmt: skip
    blobs = {"layer": layer, "config": json.dumps(config).encode()}
    manifest = {
        "schemaVersion": 2,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(blobs["config"]), "size": 1},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+zstd", "digest": digest(layer), "size": len(layer)}],
    }  # fmt: skip
    blobs["manifest"] = json.dumps(manifest).encode()
    (root / "blobs" / "sha256").mkdir(parents=True)
    for content in blobs.values():
        (root / "blobs" / "sha256" / digest(content).removeprefix("sha256:")).write_bytes(content)
    entry = {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest(blobs["manifest"]), "size": 1}
    (root / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    return root


def test_the_archive_is_whole(tmp_path: Path) -> None:
    top = io.BytesIO()
    with tarfile.open(fileobj=top, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("opt/footplate/src"))
    archive = tmp_path / "image.tar"
    found = oci.compose(
        layout(tmp_path / "base"), top.getvalue(), {"User": "1000:1000"}, "footplate.local/x:1", archive
    )
    with tarfile.open(archive) as tar:
        contents = {member.name: tar.extractfile(member).read() for member in tar if member.isfile()}  # type: ignore[union-attr]
    blobs = {f"sha256:{name.rsplit('/', 1)[1]}": content for name, content in contents.items() if "blobs" in name}
    assert all(digest(content) == name for name, content in blobs.items())

    [entry] = json.loads(contents["index.json"])["manifests"]
    assert entry["digest"] == found
    assert entry["annotations"] == {"org.opencontainers.image.ref.name": "footplate.local/x:1"}
    manifest = json.loads(blobs[entry["digest"]])
    for described in (manifest["config"], *manifest["layers"]):
        assert len(blobs[described["digest"]]) == described["size"]
    config = json.loads(blobs[manifest["config"]["digest"]])
    assert config["config"] == {"User": "1000:1000"}
    assert config["rootfs"]["diff_ids"] == [
        "sha256:base",
        digest(gzip.decompress(blobs[manifest["layers"][1]["digest"]])),
    ]
    assert len(config["history"]) == len(manifest["layers"]) == 2


def test_the_same_content_gives_the_same_digest(tmp_path: Path) -> None:
    base = layout(tmp_path / "base")
    first = oci.compose(base, b"layer", {}, "a:1", tmp_path / "1.tar")
    second = oci.compose(base, b"layer", {}, "a:1", tmp_path / "2.tar")
    assert first == second
    assert (tmp_path / "1.tar").read_bytes() == (tmp_path / "2.tar").read_bytes()
    assert oci.compose(base, b"other", {}, "a:1", tmp_path / "3.tar") != first
