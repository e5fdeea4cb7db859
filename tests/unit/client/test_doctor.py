from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from footplate.api import Environment, EnvironmentSpec, ObjectMeta
from footplate.client.doctor import judging
from footplate.client.doctor.finding import Verdict
from footplate.client.doctor.judging import Deployment, Lease, Node
from footplate.errors import ClusterAccess, MachineLacks, NotInstalled

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def deployment(available: int, wanted: int = 2) -> Deployment:
    return msgspec.convert({"spec": {"replicas": wanted}, "status": {"availableReplicas": available}}, Deployment)


def lease(age: float, holder: str = "controllers-abc_1234") -> Lease:
    renewed = NOW - timedelta(seconds=age)
    return msgspec.convert(
        {"spec": {"holderIdentity": holder, "leaseDurationSeconds": 15, "renewTime": renewed}}, Lease
    )


@pytest.mark.parametrize(
    ("found", "held", "verdict", "says"),
    [
        (deployment(2), lease(2), Verdict.OK, "2 of 2 ready; controllers-abc leads"),
        (deployment(1), lease(2), Verdict.WARNING, "1 of 2 ready"),
        (
            deployment(2),
            lease(60),
            Verdict.FAILED,
            "No controller leads (2 of 2 are ready); the last sign of life was 1m ago",
        ),
        (deployment(0), None, Verdict.FAILED, "No controller leads (0 of 2 are ready)."),
        (deployment(2), lease(2, holder=""), Verdict.FAILED, "No controller leads"),
        (None, lease(2), Verdict.OK, "leads, outside of the cluster"),
        (None, None, Verdict.FAILED, "not installed"),
    ],
)
def test_controllers(found: Deployment | None, held: Lease | None, verdict: Verdict, says: str) -> None:
    finding = judging.controllers(found, held, NOW)
    assert finding.verdict is verdict
    assert says in finding.detail
    if verdict is not Verdict.OK:
        assert finding.remedy


@pytest.mark.parametrize(
    ("minor", "verdict"), [("28", Verdict.FAILED), ("29", Verdict.OK), ("33+", Verdict.OK), ("99", Verdict.WARNING)]
)
def test_versions_of_kubernetes(minor: str, verdict: Verdict) -> None:
    finding = judging.kubernetes({"major": "1", "minor": minor}, "https://h", "dev")
    assert finding.verdict is verdict
    assert finding.kind is ClusterAccess


def test_a_platform_of_another_version_is_worth_a_word() -> None:
    assert judging.platform("1.0", "1.0").verdict is Verdict.OK
    assert "1.1" in judging.platform("1.1", "1.0").detail


def test_kinds_that_are_missing_are_named() -> None:
    assert judging.kinds(["Workspace", "TrainingJob", "Environment"]).verdict is Verdict.OK
    missing = judging.kinds(["Workspace"])
    assert "TrainingJob, Environment" in missing.detail
    assert missing.kind is NotInstalled


def test_disk() -> None:
    assert judging.machine(2, 8 << 30, 50 << 30, "~").verdict is Verdict.OK
    assert judging.machine(2, 8 << 30, 1 << 30, "~").verdict is Verdict.WARNING
    full = judging.machine(2, 8 << 30, 1 << 20, "~")
    assert (full.verdict, full.kind) == (Verdict.FAILED, MachineLacks)


def node(name: str, gpus: str | None, unschedulable: bool = False, **labels: str) -> Node:
    allocatable = {"cpu": "4"} | ({"nvidia.com/gpu": gpus} if gpus else {})
    return msgspec.convert(
        {
            "metadata": {"name": name, "labels": labels},
            "spec": {"unschedulable": unschedulable},
            "status": {"allocatable": allocatable},
        },
        Node,
    )


def test_gpus_are_counted_by_type_on_nodes_that_take_pods() -> None:
    h100 = {"footplate.dev/gpu-type": "H100"}
    nodes = [node("a", "8", **h100), node("b", "8", **h100), node("c", "4"), node("d", None), node("e", "8", True)]
    assert judging.gpus(nodes).detail == "4 × GPU, 16 × H100 on 3 of 5 nodes"
    assert "none among 1 nodes" in judging.gpus([node("d", None)]).detail


def test_environments() -> None:
    assert judging.environments([]).verdict is Verdict.WARNING
    known = [Environment(ObjectMeta(name=name), EnvironmentSpec("i:1")) for name in ("b", "a")]
    assert judging.environments(known).detail == "a, b"
