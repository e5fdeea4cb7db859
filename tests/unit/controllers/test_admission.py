from typing import Any

import msgspec
import pytest

from footplate.api.resources import Gpu, Resources
from footplate.controllers import quota
from footplate.controllers.caches import Served
from footplate.controllers.capacity import measure, never_fits, too_few_gpus
from footplate.controllers.cluster import Quota
from footplate.controllers.images import allows
from footplate.controllers.refusal import Refusal
from footplate.controllers.trainingjob.queueing import Queueing, choose
from footplate.controllers.workspace.desired import start
from footplate.controllers.workspace.observed import Observed
from tests.unit.controllers.build import PLATFORM, facts, node, workspace

MIXED = measure(
    [node("a", 8, "H100"), node("b", 4, "L4"), node("c"), node("d", 0, "H100", **{"nvidia.com/mig-1g.10gb": "7"})]
)
AUTOSCALED = msgspec.structs.replace(PLATFORM, autoscaled_gpus={"A100-80GB": 8})


def asks(count: int = 1, type_: str | None = None, share: str | None = None, **more: str) -> Resources:
    return Resources(gpu=Gpu(count, type_, share), **more)


@pytest.mark.parametrize(
    ("resources", "reason"),
    [
        (asks(8, "H100"), None),
        (asks(8), None),
        (asks(4, "NVIDIA-L4"), None),
        (asks(7, "H100", "1g.10gb"), None),
        (Resources(cpu="64", memory="512Gi"), None),
        (asks(9, "H100"), "GpuCountTooLarge"),
        (asks(9), "GpuCountTooLarge"),
        (asks(1, "B200"), "NoSuchGpu"),
        (asks(1, "L4", "1g.10gb"), "NoSuchGpu"),
        (asks(8, "H100", "1g.10gb"), "GpuCountTooLarge"),
        (Resources(cpu="64500m"), "CpuTooLarge"),
        (Resources(memory="1Ti"), "MemoryTooLarge"),
    ],
)
def test_what_no_node_could_ever_hold_is_refused(resources: Resources, reason: str | None) -> None:
    refusal = never_fits(resources, MIXED, PLATFORM)
    assert (refusal.reason if refusal else None) == reason


def test_what_a_pool_can_add_counts_and_sizes_to_come_are_not_guessed() -> None:
    assert never_fits(asks(8, "A100-80GB"), MIXED, AUTOSCALED) is None
    assert never_fits(asks(9, "A100-80GB"), MIXED, AUTOSCALED) is not None
    assert never_fits(Resources(cpu="500"), MIXED, AUTOSCALED) is None
    assert never_fits(asks(1, "A100-80GB", "2g.20gb"), MIXED, AUTOSCALED) is None


def test_a_job_larger_than_the_whole_cluster_is_told_so() -> None:
    assert too_few_gpus(asks(8, "H100"), 2, MIXED, PLATFORM) == (
        "It asks for 16 H100 GPUs on 2 nodes, and the cluster has 8 in all: ask for fewer, or add nodes."
    )
    assert too_few_gpus(asks(8, "H100"), 1, MIXED, PLATFORM) is None
    assert too_few_gpus(asks(6), 2, MIXED, PLATFORM) is None
    assert too_few_gpus(asks(8, "H100"), 2, MIXED, AUTOSCALED) is None


def test_an_empty_cluster_refuses_nothing_yet() -> None:
    assert never_fits(asks(8, "H100"), measure([]), PLATFORM) is None


def test_the_refusal_names_what_is_on_offer() -> None:
    refusal = never_fits(asks(1, "B200"), MIXED, PLATFORM)
    assert refusal is not None
    assert refusal.message == (
        "It asks for 1 B200 GPU on one node, but no node offers that; on offer: H100 mig-1g.10gb ×7, H100 ×8, L4 ×4."
    )


@pytest.mark.parametrize(
    ("pattern", "image", "allowed"),
    [
        ("registry.example/a/*", "registry.example/a/b:1", True),
        ("registry.example/a/*", "registry.example/ab:1", False),
        ("registry.example/a:1", "registry.example/a:1", True),
        ("registry.example/a:1", "registry.example/a:10", False),
        ("*", "anything", True),
    ],
)
def test_images_by_prefix_or_in_full(pattern: str, image: str, allowed: bool) -> None:
    assert allows(pattern, image) is allowed


def limits(hard: dict[str, str], used: dict[str, str] | None = None, **spec: Any) -> Quota:
    body = {"metadata": {"name": "team"}, "spec": {"hard": hard, **spec}, "status": {"used": used or {}}}
    return msgspec.convert(body, Quota)


@pytest.mark.parametrize(
    ("quotas", "reason", "final"),
    [
        ([], None, False),
        ([limits({"requests.cpu": "1"})], None, False),
        ([limits({"requests.cpu": "2"}, {"requests.cpu": "1500m"})], "QuotaExceeded", False),
        ([limits({"requests.cpu": "999m"})], "QuotaTooSmall", False),
        ([limits({"limits.memory": "1Gi"})], "QuotaTooSmall", False),
        ([limits({"pods": "3"}, {"pods": "3"})], "QuotaExceeded", False),
        ([limits({"requests.storage": "5Gi"})], "QuotaTooSmall", False),
        ([limits({"persistentvolumeclaims": "1"}, {"persistentvolumeclaims": "1"})], "QuotaExceeded", False),
        ([limits({"requests.nvidia.com/gpu": "0"})], None, False),
        ([limits({"pods": "0"}, scopes=["Terminating"])], None, False),
    ],
)
def test_a_workspace_under_its_teams_quotas(quotas: list[Quota], reason: str | None, final: bool) -> None:
    found = start(workspace(), Observed(facts(quotas=tuple(quotas))))
    if reason is None:
        assert not isinstance(found, Refusal)
    else:
        assert isinstance(found, Refusal)
        assert (found.reason, found.final) == (reason, final)


def test_what_a_pod_counts_for_is_the_larger_of_its_start_and_its_run() -> None:
    def container(cpu: str, **more: str) -> dict[str, Any]:
        return {"resources": {"requests": {"cpu": cpu}}, **more}

    spec = {
        "containers": [container("1"), container("2")],
        "initContainers": [container("4"), container("500m", restartPolicy="Always"), container("3")],
    }
    assert quota.of_pod(spec)["requests.cpu"] == 4
    spec["initContainers"] = [container("500m", restartPolicy="Always"), container("3")]
    assert quota.of_pod(spec, 2)["cpu"] == 7


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"platform": None}, "PlatformNotSetUp"),
        ({"team": None}, "NotATeam"),
        ({"environments": {}}, "UnknownEnvironment"),
    ],
)
def test_what_a_start_needs_of_the_platform(changes: dict[str, Any], reason: str) -> None:
    found = start(workspace(), Observed(facts(**changes)))
    assert isinstance(found, Refusal)
    assert found.reason == reason


@pytest.mark.parametrize(
    ("asked", "native", "kueue", "chosen"),
    [
        ("auto", True, True, Queueing.KUEUE),
        ("auto", True, False, Queueing.NATIVE),
        ("auto", False, False, Queueing.PLAIN),
        ("native", True, True, Queueing.NATIVE),
        ("none", True, True, Queueing.PLAIN),
        ("kueue", True, True, Queueing.KUEUE),
        ("kueue", True, False, "KueueMissing"),
        ("native", False, False, "GangSchedulingMissing"),
    ],
)
def test_queueing_is_what_is_asked_for_and_there(asked: Any, native: bool, kueue: bool, chosen: str) -> None:
    from footplate.kube.resource import Resource

    served = Served(native, Resource("kueue.x-k8s.io", "v1beta1", "Workload", "workloads", True) if kueue else None)
    found = choose(msgspec.structs.replace(PLATFORM, queueing=asked), served)
    assert (found.reason if isinstance(found, Refusal) else found) == chosen
