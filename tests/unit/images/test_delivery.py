"""How built images get to a cluster."""

import subprocess
import sys
from pathlib import Path

import pytest

from footplate.images import catalogue, delivery
from footplate.images.errors import WrongTarget
from footplate.images.index import Built


def built(name: str, **fields: object) -> Built:
    reference = f"footplate.local/{name}:0123456789ab"
    return Built(reference, "sha256:" + "0" * 64, f"/cache/{name}.tar", packages={"python": "3.11"}, **fields)  # type: ignore[arg-type]


def test_the_program_needs_no_builder_and_no_cluster_to_read_the_index() -> None:
    script = "import sys; from footplate.images import catalogue, index; print(sorted(m for m in sys.modules if m.startswith(('devcluster', 'pulumi', 'aiohttp', 'footplate.images.b'))))"
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
    loaded = delivery.load([built(name) for name in catalogue.ALWAYS], cluster, tmp_path, Quiet())
    assert cluster.loaded == ["platform.tar", "pytorch.tar"]
    assert [one.reference.split(":")[0] for one in loaded] == ["footplate.local/platform", "footplate.local/pytorch"]
