"""GPU pools on AWS: the machine, the ladder, sharing, the fabric; what AWS cannot do is refused by its field."""

from __future__ import annotations

import re
from typing import Any

import pytest

from footplate.api import platform
from footplate.api.gpu_types import GPU_TYPES
from providers import spec
from providers.aws import machines
from providers.aws.gpu_pool import capacity_types
from providers.contract import ProviderError
from tests.unit.providers.aws.build import Register, pool, program

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

RESERVED = {"kind": "reservation", "reservation": "cr-1", "expires": "2027-01-01"}
BLOCK = {"kind": "flex", "reservation": "cr-2", "expires": "2026-02-01"}


def requirements(node_pool: dict[str, Any]) -> dict[str, list[str]]:
    return {r["key"]: r["values"] for r in node_pool["spec"]["template"]["spec"]["requirements"]}


@pytest.mark.parametrize("gpu", GPU_TYPES)
def test_every_gpu_has_a_machine_somewhere(gpu: str) -> None:
    of_gpu = [machine for machine in machines.GPU_MACHINES if machine.gpu == gpu]
    assert of_gpu
    for machine in of_gpu:
        region = min(machines.REGIONS[machine.family])
        asked = spec.GpuPool("p", gpu, 1, machine.gpus, cpu=machine.cpu, memory=f"{machine.memory}Gi")
        found = machines.for_pool(asked, region, "path")
        assert (found.gpu, found.gpus) == (gpu, machine.gpus)
        assert found.cpu >= machine.cpu and found.memory >= machine.memory


@pytest.mark.parametrize(
    ("fields", "type_"),
    [
        ({"gpu": "A10G"}, "g5.xlarge"),
        ({"gpu": "A10G", "cpu": 16}, "g5.4xlarge"),
        ({"gpu": "A10G", "memory": "100Gi"}, "g5.8xlarge"),
        ({"gpu": "H200", "count": 8}, "p5en.48xlarge"),
        ({"gpu": "H100"}, "p5.4xlarge"),
    ],
)
def test_the_cheapest_machine_that_has_what_is_asked_for(fields: dict[str, Any], type_: str) -> None:
    assert machines.for_pool(spec.GpuPool("p", max_nodes=1, **fields), "us-east-2", "path").type == type_


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (pool(count=4), "gpuPools[0].count: AWS has no machine with 4 × H100: 1, 8 can be had"),
        (pool(gpu="A100-80GB"), "gpuPools[0].gpu: us-east-2 has no 8 × A100-80GB (p4de.24xlarge): use .*assumeOffered"),
        (pool(gpu="L4", count=1, memory="1Ti"), "gpuPools[0].memory: no such machine has 0 CPUs and 1Ti: the largest"),
        (pool(driver="operator"), "gpuPools[0].driver: AWS's node images bring the driver.*: set it to image"),
        (pool(fabric=True), "gpuPools[0].zones: a fabric is within one zone, and there are us-east-2a, us-east-2b"),
        (
            pool(gpu="L4", count=1, fabric=True, zones=["us-east-2a"]),
            "gpuPools[0].fabric: g6.xlarge has no EFA: ask for more GPUs or CPUs",
        ),
        (pool(sharing={"mode": "mps", "replicas": 2}), "gpuPools[0].sharing.mode: Bottlerocket has no MPS: set image"),
        (
            pool(capacity=[{"kind": "flex"}]),
            "gpuPools[0].capacity[0].reservation: on AWS flexible capacity is a capacity block",
        ),
        (
            pool(capacity=[{"kind": "on-demand"}, {"kind": "spot"}]),
            "gpuPools[0].capacity[1].kind: on AWS spot is tried before on-demand: put it first",
        ),
    ],
)
def test_what_aws_cannot_do_is_refused_by_its_field(asked: dict[str, Any], message: str, register: Register) -> None:
    pattern = re.escape(f"footplate:{message}").replace(r"\.\*", ".*")
    with pytest.raises(ProviderError, match=pattern):
        register(program(asked))


def test_a_machine_that_aws_has_begun_to_offer_can_be_said_to_be_there() -> None:
    asked = spec.GpuPool("p", "A100-80GB", 1, 8, assume_offered=True)
    assert machines.for_pool(asked, "us-east-2", "path").type == "p4de.24xlarge"


@pytest.mark.parametrize(
    ("steps", "kinds"),
    [
        ([RESERVED, BLOCK, {"kind": "spot"}, {"kind": "on-demand"}], ["reserved", "spot", "on-demand"]),
        ([BLOCK, RESERVED], ["reserved"]),
        ([{"kind": "spot"}], ["spot"]),
    ],
)
def test_the_ladder_is_karpenters_order(steps: list[dict[str, Any]], kinds: list[str]) -> None:
    capacity = tuple(spec.Capacity(step["kind"], step.get("reservation", "")) for step in steps)
    assert capacity_types(spec.GpuPool("p", "H100", 1, 8, capacity=capacity), "path") == kinds


def test_a_pool_is_what_karpenter_may_launch(register: Register) -> None:
    made = register(program(pool(minNodes=1, capacity=[RESERVED, {"kind": "spot"}], labels={"acme.example/tier": "1"})))
    pools = made.of("karpenter.sh/v1:NodePool")
    dynamic, static = pools["train"], pools["train-base"]
    assert dynamic["spec"]["limits"] == {"nvidia.com/gpu": "24"}, "minNodes are the static pool's"
    assert static["spec"]["replicas"] == 1
    for one in (dynamic, static):
        assert requirements(one) == {
            "node.kubernetes.io/instance-type": ["p5.48xlarge"],
            "topology.kubernetes.io/zone": ["us-east-2a", "us-east-2b"],
            "karpenter.sh/capacity-type": ["reserved", "spot"],
        }
        assert one["spec"]["template"]["spec"]["taints"] == [
            {"key": "nvidia.com/gpu", "value": "present", "effect": "NoSchedule"}
        ]
        assert {"footplate.dev/pool": "train", "footplate.dev/gpu-type": "H100", "acme.example/tier": "1"}.items() <= (
            one["spec"]["template"]["metadata"]["labels"].items()
        )
    node_class = made.of("EC2NodeClass")["train-class"]["spec"]
    assert node_class["capacityReservationSelectorTerms"] == [{"id": "cr-1"}]
    assert node_class["instanceStorePolicy"] == "RAID0"
    assert node_class["metadataOptions"]["httpTokens"] == "required"
    assert node_class["metadataOptions"]["httpPutResponseHopLimit"] == 1
    assert node_class["blockDeviceMappings"][0]["ebs"]["encrypted"] is True
    assert dynamic["spec"]["disruption"]["consolidateAfter"] == "10m"


def test_a_fabric_is_one_placement_group_and_an_efa_on_every_card(register: Register) -> None:
    made = register(program(pool(fabric=True, zones=["us-east-2b"]), pool("more", fabric=True, zones=["us-east-2b"])))
    groups = made.of("ec2/placementGroup:PlacementGroup")
    assert groups["train"] == {"name": "ml-train", "strategy": "cluster"}
    cards = made.of("EC2NodeClass")["train-class"]["spec"]["networkInterfaces"]
    assert cards[0] == {"networkCardIndex": 0, "deviceIndex": 0, "interfaceType": "interface"}
    efas = [card for card in cards if card["interfaceType"] == "efa-only"]
    assert [(card["networkCardIndex"], card["deviceIndex"]) for card in efas] == [
        (0, 1),
        *((card, 0) for card in range(1, 32)),
    ]
    assert "aws-efa-k8s-device-plugin" in made.of("helm.sh/v3:Release"), "one for both pools"
    told = platform.from_config_map_data(made.of("core/v1:ConfigMap")[platform.CONFIG_MAP]["data"])
    assert [(one.gpu, one.gpus, one.resources) for one in told.fabrics] == [
        ("H100", 8, {"vpc.amazonaws.com/efa": "32"})
    ] * 2
    assert {"fabric"} <= made.of("vpc/securityGroupEgressRule:SecurityGroupEgressRule").keys()


@pytest.mark.parametrize(
    ("image", "sharing", "capacity", "label", "user_data"),
    [
        (
            "general",
            {"mode": "mig", "profile": "1g.10gb"},
            {"nvidia.com/mig-1g.10gb": "56"},
            ("nvidia.com/mig.config", "all-1g.10gb"),
            "",
        ),
        (
            "general",
            {"mode": "mps", "replicas": 4},
            {"nvidia.com/gpu.shared": "32"},
            ("nvidia.com/device-plugin.config", "mps-4"),
            "",
        ),
        (
            "minimal",
            {"mode": "time-slicing", "replicas": 3},
            {"nvidia.com/gpu.shared": "24"},
            ("nvidia.com/gpu.deploy.device-plugin", "false"),
            'device-sharing-strategy = "time-slicing"',
        ),
        (
            "minimal",
            {"mode": "mig", "profile": "3g.40gb"},
            {"nvidia.com/mig-3g.40gb": "16"},
            ("nvidia.com/gpu.deploy.mig-manager", "false"),
            '"h100.80gb" = "3g.40gb"',
        ),
    ],
)
def test_shares_of_gpus_are_known_before_there_is_a_node(
    image: str,
    sharing: dict[str, Any],
    capacity: dict[str, str],
    label: tuple[str, str],
    user_data: str,
    register: Register,
) -> None:
    made = register(program(pool(image=image, sharing=sharing)))
    assert made.of("NodeOverlay")["train-shares"]["spec"]["capacity"] == capacity
    labels = made.of("karpenter.sh/v1:NodePool")["train"]["spec"]["template"]["metadata"]["labels"]
    assert label in labels.items()
    assert labels["footplate.dev/gpu-share"] == sharing.get("profile", "fraction")
    assert user_data in made.of("EC2NodeClass")["train-class"]["spec"].get("userData", "")


def test_the_device_plugin_has_a_config_for_each_way_of_sharing(register: Register) -> None:
    made = register(
        program(
            pool(image="general", sharing={"mode": "mps", "replicas": 4}),
            pool("b", "L4", 1, sharing={"mode": "time-slicing", "replicas": 2}),
        )
    )
    values = made.of("helm.sh/v3:Release")["gpu-operator"]["values"]
    assert values["driver"] == {"enabled": False}, "AWS's images have it"
    assert sorted(values["devicePlugin"]["config"]["data"]) == ["mps-4", "time-slicing-2", "whole"]


def test_adding_and_reordering_pools_changes_those_pools_alone(register: Register) -> None:
    first, second, third = pool("a"), pool("b", "L4", 1), pool("c", "T4", 1)
    before = register(program(first, second)).resources
    after = register(program(third, second, first)).resources
    shared = before.keys() & after.keys()
    assert shared == before.keys()
    # What counts all pools together: settings that list the GPUs, and queues that have a flavor for each.
    counted = {"ConfigMap", "ClusterQueue", "PrometheusRule"}
    changed = {(type_.rpartition(":")[2], name) for type_, name in shared if before[type_, name] != after[type_, name]}
    assert {kind for kind, _ in changed} <= counted
    added = {name for _, name in after.keys() - before.keys()}
    assert added == {"c", "c-class", "flavor-c"}
