from pathlib import Path

import pytest

from footplate.client.target import Target, connect, data_directory, resolve
from footplate.errors import ClusterAccess


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    for name in ("default", "side"):
        place = tmp_path / "data" / "clusters" / name
        place.mkdir(parents=True)
        (place / "kubeconfig").write_text("{}")
    return {"HOME": str(tmp_path), "FOOTPLATE_DATA": str(tmp_path / "data")}


def config(home: dict[str, str], name: str) -> Path:
    return Path(home["FOOTPLATE_DATA"]) / "clusters" / name / "kubeconfig"


def test_flags_then_environment_then_the_embedded_cluster(home: dict[str, str]) -> None:
    given = Path("/x")
    assert resolve(Target(given, "c"), home) == Target(given, "c")
    assert resolve(Target(None, "prod"), home) == Target(None, "prod")
    assert resolve(Target(), {**home, "FOOTPLATE_CONTEXT": "prod"}) == Target(None, "prod")
    assert resolve(Target(), {**home, "KUBECONFIG": "/y"}) == Target(None, None)
    assert resolve(Target(), home) == Target(config(home, "default"), None)


def test_an_embedded_cluster_is_known_by_its_context_whatever_kubeconfig_says(home: dict[str, str]) -> None:
    environ = {**home, "KUBECONFIG": "/y"}
    assert resolve(Target(None, "footplate-side"), environ) == Target(config(home, "side"), "footplate-side")
    assert resolve(Target(None, "footplate-none"), environ) == Target(None, "footplate-none")


def test_without_anything_it_is_kubernetes_own_default(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "FOOTPLATE_DATA": str(tmp_path)}
    assert resolve(Target(), environ) == Target(None, None)
    with pytest.raises(ClusterAccess, match="No cluster is configured") as raised:
        connect(Target(), environ)
    assert "footplate cluster start" in (raised.value.remedy or "")


def test_where_state_is_kept() -> None:
    assert data_directory({"HOME": "/h"}) == Path("/h/.local/share/footplate")
    assert data_directory({"HOME": "/h", "XDG_DATA_HOME": "/d"}) == Path("/d/footplate")
    assert data_directory({"HOME": "/h", "FOOTPLATE_DATA": "/f"}) == Path("/f")
