"""The built images as the Pulumi program and a cluster see them."""

import subprocess
import sys
from pathlib import Path

import pytest

from footplate.images import catalogue, delivery, index
from footplate.images.environments import registered
from footplate.images.errors import NotBuilt, WrongTarget
from footplate.images.index import Built


def built(name: str, **fields: object) -> Built:
    reference = f"footplate.local/{name}:0123456789ab"
    return Built(reference, "sha256:" + "0" * 64, f"/cache/{name}.tar", packages={"python": "3.11"}, **fields)  # type: ignore[arg-type]


def test_environments_carry_the_content_tag_and_the_packages(tmp_path: Path) -> None:
    index.write(tmp_path, {name: built(name, gpu=name == "pytorch") for name in catalogue.NAMES})
    found = registered(directory=tmp_path)
    assert found.platform_image == "footplate.local/platform:0123456789ab"
    assert list(found.environments) == ["jupyter", "pytorch"]
    pytorch = found.environments["pytorch"]
    assert (pytorch.image, pytorch.gpu, pytorch.packages) == (
        "footplate.local/pytorch:0123456789ab", True, {"python": "3.11"}
    )  # fmt: skip


def test_what_is_missing_is_named_with_the_command_that_makes_it(tmp_path: Path) -> None:
    index.write(tmp_path, {"platform": built("platform"), "jupyter": built("jupyter")})
    with pytest.raises(NotBuilt) as caught:
        registered(directory=tmp_path)
    assert str(caught.value) == "The image pytorch has not been built.\nrun `footplate images build`"


def test_pushed_images_are_named_by_digest(tmp_path: Path) -> None:
    pushed = {"ghcr.io/acme": "ghcr.io/acme/x:0123456789ab@sha256:1"}
    index.write(tmp_path, {name: built(name, pushed=pushed) for name in catalogue.NAMES})
    assert registered("ghcr.io/acme/", tmp_path).platform_image == "ghcr.io/acme/x:0123456789ab@sha256:1"
    with pytest.raises(NotBuilt, match="has not been pushed to other") as caught:
        registered("other.io", tmp_path)
    assert caught.value.remedy == "run `footplate images push --registry other.io`"


def test_the_program_needs_no_builder_and_no_cluster_to_read_the_index() -> None:
    script = "import sys; import footplate.images.environments; print(sorted(m for m in sys.modules if m.startswith(('devcluster', 'pulumi', 'aiohttp', 'footplate.images.b'))))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        ("footplate-default", delivery.Embedded("default")),
        ("kind-dev", delivery.Kind("dev")),
        ("k3d-a-b", delivery.K3d("a-b")),
    ],
)
def test_the_context_says_how_images_get_there(context: str, expected: object) -> None:
    assert delivery.target(context) == expected


@pytest.mark.parametrize("context", ["arn:aws:eks:eu-west-1:1:cluster/prod", "gke_x_y_z", "minikube", "kind-", ""])
def test_other_clusters_pull_from_a_registry(context: str) -> None:
    with pytest.raises(WrongTarget) as caught:
        delivery.target(context)
    assert "footplate images push --registry" in (caught.value.remedy or "")


def test_only_what_a_cluster_lacks_is_loaded(tmp_path: Path) -> None:
    class Cluster:
        title = "cluster test"

        def __init__(self) -> None:
            self.loaded: list[str] = []

        def present(self) -> list[str]:
            return ["footplate.local/jupyter:0123456789ab", "docker.io/library/other:1"]

        def load(self, archive: Path, log: Path, progress: object) -> None:
            self.loaded.append(archive.name)

    class Quiet:
        def begin(self, title: str) -> None: ...
        def detail(self, text: str) -> None: ...
        def done(self, text: str) -> None: ...

    cluster = Cluster()
    loaded = delivery.load([built(name) for name in catalogue.NAMES], cluster, tmp_path, Quiet())
    assert cluster.loaded == ["platform.tar", "pytorch.tar"]
    assert [one.reference.split(":")[0] for one in loaded] == ["footplate.local/platform", "footplate.local/pytorch"]
