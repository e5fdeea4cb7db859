import hashlib
import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from devcluster import artifacts, build, oci, toolchain
from devcluster.artifacts import Tool
from devcluster.errors import PreflightError


def test_an_address_changes_with_sources_pins_packages_and_compiler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifacts, "TOOLS_DIRECTORY", tmp_path)
    tool = Tool("small", {"small": "."})
    tool.directory.mkdir()
    (tool.directory / "go.mod").write_text("module small")

    def address(tool: Tool = tool, go: str = "go1.26.8") -> str:
        return artifacts.address(tool, go, "linux/x86_64")

    first = address()
    (tool.directory / "README").write_text("nothing of the program")
    assert address() == first
    others = [address(go="go1.27.0"), address(replace(tool, packages={"small": "./cmd"}))]
    (tool.directory / "main.go").write_text("package main")
    assert len({first, *others, address()}) == 4


@pytest.mark.parametrize(
    ("package", "binary"),
    [
        ("go.etcd.io/etcd/server/v3", "server"),
        ("k8s.io/kubernetes/cmd/kubelet", "kubelet"),
        ("./pause", "pause"),
        (".", "coredns"),
    ],
)
def test_the_name_that_go_gives_a_binary(package: str, binary: str) -> None:
    assert build.default_name(package, Tool("coredns", {})) == binary


def test_every_tool_is_pinned_by_its_go_mod_and_sums() -> None:
    for tool in artifacts.TOOLS:
        assert (tool.directory / "go.mod").exists() and (tool.directory / "go.sum").exists()
    assert {tool.name for tool in artifacts.tools_for("api")} < {tool.name for tool in artifacts.tools_for("full")}


def test_too_little_disk_for_a_build_is_said_before_it_begins(tmp_path: Path) -> None:
    with pytest.raises(PreflightError, match="FOOTPLATE_CACHE, GOCACHE"):
        build.check_disk([Tool("huge", {}, disk_mib=1 << 40)], tmp_path / "not" / "there")
    build.check_disk([], tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("go version go1.26.8 linux/amd64", (1, 26, 8)),
        ("go1.27", (1, 27, 0)),
        ("go version devel go1.28-abcdef linux/amd64", (1, 28, 0)),
        ("gccgo", ()),
    ],
)
def test_versions_of_go_are_compared_as_numbers(said: str, version: tuple[int, ...]) -> None:
    assert toolchain.parse_version(said) == version
    assert (version >= toolchain.REQUIRED) == (version >= (1, 26, 0))


def test_a_build_does_not_follow_the_environments_cross_compilation() -> None:
    environment = build.build_environment({"GOOS": "windows", "GOFLAGS": "-mod=mod", "HOME": "/root"})
    assert "GOOS" not in environment
    assert environment["GOFLAGS"] == artifacts.BUILD_ENVIRONMENT["GOFLAGS"]
    assert environment["HOME"] == "/root"


def test_an_image_archive_is_whole_and_the_same_every_time() -> None:
    archive = oci.archive("footplate.local/x:1", {"bin/sh": b"program"}, {"Entrypoint": ["/bin/sh"]})
    assert archive == oci.archive("footplate.local/x:1", {"bin/sh": b"program"}, {"Entrypoint": ["/bin/sh"]})
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        files = {entry.name: tar.extractfile(entry).read() for entry in tar if entry.isfile()}  # type: ignore[union-attr]
    blobs = {name.rpartition("/")[2]: content for name, content in files.items() if name.startswith("blobs/")}
    assert all(hashlib.sha256(content).hexdigest() == name for name, content in blobs.items())
    named = json.loads(files["index.json"])["manifests"][0]
    assert named["annotations"] == {"io.containerd.image.name": "footplate.local/x:1"}
    manifest = json.loads(blobs[named["digest"].partition(":")[2]])
    assert {manifest["config"]["digest"], manifest["layers"][0]["digest"], named["digest"]} == {
        f"sha256:{name}" for name in blobs
    }
