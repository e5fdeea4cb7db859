from pathlib import Path

import pytest

from devcluster import preflight, spec
from devcluster.errors import ClusterNotFound, PreflightError, UsageError
from devcluster.spec import ClusterSpec


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"kubernetes_version": "1.30.0"}, "--kubernetes-version 1.30.0"),
        ({"api_port": 70000}, "--api-port 70000"),
        ({"kwok_nodes": -1}, "--kwok-nodes -1"),
        ({"gpus": "H100"}, "write TYPE:COUNT"),
        ({"gpus": "H900:8"}, "unknown GPU type 'H900'"),
        ({"gpus": "L4:1,1g.10gb:1"}, "no MIG profile"),
        ({"kwok_gpus": "H100:8"}, "needs --kwok-nodes"),
        ({"profile": "api", "gpus": "H100:8"}, "no kubelet"),
        ({"pod_cidr": "10.244.0.0"}, "--pod-cidr"),
        ({"pod_cidr": "10.244.0.1/16"}, "--pod-cidr"),
        ({"service_cidr": "ten"}, "--service-cidr"),
        ({"client_qps": 0}, "--client-qps 0"),
    ],
)
def test_what_can_never_start_is_refused_with_the_options_name(changes: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        spec.requested("dev", changes)


@pytest.mark.parametrize("name", ["", "-a", "a-", "A", "a_b", "a" * 33, "ü", "a/b"])
def test_names_that_cannot_be_host_names_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="cluster name"):
        spec.check_name(name)


def test_a_later_start_changes_what_may_change_and_keeps_the_rest() -> None:
    stored = spec.requested("dev", {"kwok_nodes": 3, "kwok_gpus": "H100:8"})
    assert spec.merged(stored, {"kwok_nodes": 5}) == ClusterSpec("dev", kwok_nodes=5, kwok_gpus="H100:8")
    with pytest.raises(UsageError, match="has profile full, not api"):
        spec.merged(stored, {"profile": "api"})


def test_feature_gates_are_read_as_kubernetes_writes_them() -> None:
    assert spec.parse_gates(["A=true", "B=false"]) == {"A": True, "B": False}
    with pytest.raises(UsageError, match="NAME=true"):
        spec.parse_gates(["A=1"])


def test_a_missing_and_a_broken_specification_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ClusterNotFound, match="footplate cluster start --name dev"):
        spec.read(tmp_path / "cluster.json", "dev")
    (tmp_path / "cluster.json").write_text('{"name": "dev", "profil": "api"}')
    with pytest.raises(Exception, match="footplate cluster delete --name dev"):
        spec.read(tmp_path / "cluster.json", "dev")


def test_the_full_profile_is_refused_without_root_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(PreflightError, match="needs root") as refused:
        preflight.check(ClusterSpec("dev"), tmp_path / "clusters" / "dev", effective_user=1000)
    assert refused.value.remedy is not None and "--profile api" in refused.value.remedy
    preflight.check(ClusterSpec("dev", profile="api"), tmp_path / "clusters" / "dev", effective_user=1000)
    assert list(tmp_path.iterdir()) == []
