from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from footplate.api import Environment, EnvironmentSpec, ObjectMeta
from footplate.api.platform import Platform, Team
from footplate.client.doctor import judging
from footplate.client.doctor.finding import Verdict
from footplate.client.doctor.judging import Deployment, Lease, Node
from footplate.client.pods import Pod
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
    ("minor", "verdict"), [("29", Verdict.FAILED), ("30", Verdict.OK), ("33+", Verdict.OK), ("99", Verdict.WARNING)]
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


def node(name: str, gpus: str | None, unschedulable: bool = False, capacity: str = "", kind: str = "") -> Node:
    allocatable = {"cpu": "4"} | ({"nvidia.com/gpu": gpus} if gpus else {})
    return msgspec.convert(
        {
            "metadata": {"name": name, "labels": {"footplate.dev/gpu-type": kind} if kind else {}},
            "spec": {"unschedulable": unschedulable},
            "status": {"allocatable": allocatable, "capacity": {"nvidia.com/gpu": capacity} if capacity else {}},
        },
        Node,
    )


def test_gpus_are_counted_by_type_on_nodes_that_take_pods() -> None:
    nodes = [
        node("a", "8", kind="H100"),
        node("b", "8", kind="H100"),
        node("c", "4"),
        node("d", None),
        node("e", "8", True),
    ]
    assert judging.gpus(nodes).detail == "4 × GPU, 16 × H100 on 3 of 5 nodes"
    assert "none among 1 nodes" in judging.gpus([node("d", None)]).detail


def test_a_gpu_that_a_node_has_and_does_not_offer_is_told() -> None:
    finding = judging.gpus([node("a", "3", capacity="4")])
    assert finding.verdict is Verdict.WARNING
    assert finding.detail == "3 × GPU on 1 of 1 nodes; unhealthy: 1 on a"


def test_what_holds_up_the_controllers_is_quoted() -> None:
    waiting = {"reason": "ImagePullBackOff", "message": "no such image"}
    status = {"containerStatuses": [{"name": "controllers", "state": {"waiting": waiting}}]}
    pod = msgspec.convert({"metadata": {"name": "controllers-x"}, "status": status}, Pod)
    finding = judging.with_trouble(judging.controllers(deployment(1), lease(2), NOW), [pod])
    assert "(controllers-x: ImagePullBackOff: no such image)" in finding.detail


def test_who_is_in_several_teams_need_not_choose() -> None:
    teams = (Team("vision", "s3://b/vision"), Team("speech", "s3://b/speech"))
    platform = Platform(version="1", platform_image="i", state_uri="s3://b/state", teams=teams)
    finding = judging.teams(teams, platform)
    assert (finding.verdict, finding.detail) == (
        Verdict.OK,
        "vision (data in s3://b/vision), speech (data in s3://b/speech)",
    )
    assert judging.teams((), platform).verdict is Verdict.WARNING


def test_environments() -> None:
    assert judging.environments([]).verdict is Verdict.WARNING
    known = [Environment(ObjectMeta(name=name), EnvironmentSpec("i:1")) for name in ("b", "a")]
    assert judging.environments(known).detail == "a, b"
