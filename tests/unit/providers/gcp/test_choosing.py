"""Which machine, where, and what Google Cloud cannot do: the message names the field, the value and the remedy."""

from __future__ import annotations

from typing import Any

import pytest

from footplate.api.gpu_types import GPU_TYPES
from providers.contract import ProviderError
from providers.gcp import choosing, gpu_pools
from providers.gcp.machines import MACHINES, PARTITIONS
from tests.unit.providers.gcp.conftest import ZONES, pool

PATH = "footplate:gpuPools[0]"
SPOT = [{"kind": "spot"}]


def chosen(**fields: Any) -> tuple[str, tuple[str, ...]]:
    wanted = pool(**fields)
    machine = choosing.machine_for(wanted, ZONES, PATH)
    zones = choosing.zones_for(wanted, machine, ZONES, PATH)
    gpu_pools.check(wanted, machine, zones, PATH)
    return machine.type, zones


@pytest.mark.parametrize(
    ("fields", "machine", "zones"),
    [
        ({"gpu": "T4"}, "n1-standard-4", "abc"),
        ({"gpu": "T4", "count": 4, "cpu": 40}, "n1-standard-64", "abc"),
        ({"gpu": "V100", "count": 8}, "n1-standard-32", "abc"),
        ({"gpu": "L4"}, "g2-standard-4", "abc"),
        ({"gpu": "L4", "memory": "40Gi"}, "g2-standard-12", "abc"),
        ({"gpu": "L4", "count": 8}, "g2-standard-96", "abc"),
        ({"gpu": "A100-40GB", "count": 16}, "a2-megagpu-16g", "abc"),
        ({"gpu": "A100-80GB", "count": 8}, "a2-ultragpu-8g", "ac"),
        ({"gpu": "H100", "count": 1, "capacity": SPOT}, "a3-highgpu-1g", "abc"),
        ({"gpu": "H100", "count": 8}, "a3-highgpu-8g", "abc"),
        ({"gpu": "H100", "count": 8, "fabric": True}, "a3-megagpu-8g", "a"),
        ({"gpu": "H200", "count": 8, "capacity": SPOT}, "a3-ultragpu-8g", "b"),
        ({"gpu": "B200", "count": 8, "capacity": SPOT, "fabric": True}, "a4-highgpu-8g", "b"),
    ],
)
def test_the_smallest_machine_that_fits_where_it_is(fields: dict[str, Any], machine: str, zones: str) -> None:
    assert chosen(**fields) == (machine, tuple(f"us-central1-{letter}" for letter in zones))


def test_a_zone_that_google_has_come_to_offer_can_be_named() -> None:
    asked = {"gpu": "H200", "count": 8, "capacity": SPOT, "zones": ["us-central1-c"]}
    with pytest.raises(ProviderError, match="assumeOffered"):
        chosen(**asked)
    assert chosen(**asked, assumeOffered=True) == ("a3-ultragpu-8g", ("us-central1-c",))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"gpu": "A10G"}, ".gpu: Google Cloud has no A10G; L4 comes nearest; it has T4, V100, L4"),
        ({"gpu": "L40S"}, ".gpu: Google Cloud has no L40S; L4 comes nearest"),
        ({"gpu": "H100", "count": 3}, ".count: no machine has 3 H100; there are some with 1, 2, 4, 8"),
        ({"gpu": "H200", "count": 1}, ".count: no machine has 1 H200; there are some with 8"),
        ({"gpu": "B200", "count": 4}, ".count: no machine has 4 B200; there are some with 8"),
        ({"gpu": "T4", "count": 8}, ".count: no machine has 8 T4; there are some with 1, 2, 4"),
        ({"gpu": "H100", "count": 2}, ".capacity[0].kind: Google Cloud has no on-demand a3-highgpu-2g"),
        ({"gpu": "H200", "count": 8}, ".capacity[0].kind: Google Cloud has no on-demand a3-ultragpu-8g (8 × H200); it has"),
        ({"gpu": "B200", "count": 8}, ".capacity[0].kind: Google Cloud has no on-demand a4-highgpu-8g (8 × B200); it has"),
        (
            {"gpu": "H100", "capacity": [*SPOT, {"kind": "reservation", "reservation": "r", "expires": "2027-01-01"}]},
            ".capacity[1].kind: Google Cloud has no reservation a3-highgpu-1g (1 × H100); it has flex, spot",
        ),
        ({"gpu": "A100-40GB", "count": 8, "fabric": True}, ".fabric: no machine with 8 × A100-40GB has GPUDirect"),
        ({"gpu": "L4", "fabric": True}, ".fabric: no machine with 1 × L4 has GPUDirect; those with 8 × H100"),
        ({"gpu": "H100", "count": 4, "fabric": True, "capacity": SPOT}, ".fabric: no machine with 4 × H100 has"),
        ({"gpu": "L4", "cpu": 64}, ".cpu: no machine with 1 L4 has 64 CPUs; the most is 32"),
        ({"gpu": "V100", "memory": "64Gi"}, ".memory: no such machine with 1 V100 has 64Gi; the most is 30Gi"),
        (
            {"gpu": "B200", "count": 8, "capacity": SPOT, "zones": ["us-central1-a"]},
            ".zones: us-central1-a lack a4-highgpu-8g (B200); in us-central1 those with it are us-central1-b",
        ),
        (
            {"gpu": "H100", "count": 8, "fabric": True, "zones": ["us-central1-a", "us-central1-b"]},
            ".zones: a fabric does not cross zones, and there are 2: name one",
        ),
        (
            {"gpu": "H100", "sharing": {"mode": "mig", "profile": "4g.40gb"}, "capacity": SPOT},
            ".sharing.profile: GKE makes no 4g.40gb of H100; it makes 1g.10gb, 1g.20gb, 2g.20gb, 3g.40gb, 7g.80gb",
        ),
        ({"gpu": "L4", "sharing": {"mode": "mig", "profile": "1g.5gb"}}, ".sharing.profile: GKE makes no 1g.5gb of L4; it makes none"),
        ({"gpu": "A100-80GB", "localDisks": False}, ".localDisks: a2-ultragpu-1g comes with its local SSDs"),
        ({"gpu": "L4", "driver": "operator"}, ".driver: GKE installs the driver with the node's image, and the GPU operator none beside it"),
        (
            {"gpu": "L4", "capacity": [{"kind": "flex", "reservation": "cb-1", "expires": "2027-01-01"}]},
            ".capacity[0].reservation: flex-start on Google Cloud takes no reservation",
        ),
        ({"gpu": "L4", "minNodes": 1, "capacity": [{"kind": "flex"}]}, ".minNodes: flex-start nodes live seven days at most"),
        (
            {"gpu": "L4", "capacity": [{"kind": "reservation", "reservation": "l4-1", "expires": "2027-01-01"}]},
            ".zones: reservation 'l4-1' is of one zone, and the pool has us-central1-a, us-central1-b, us-central1-c",
        ),
        ({"gpu": "L4", "scaleDownAfter": "3d"}, ".scaleDownAfter: '3d' is not what GKE can wait: 1m at least, 24h at most"),
        ({"gpu": "L4", "scaleDownAfter": "30s"}, ".scaleDownAfter: '30s' is not what GKE can wait"),
    ],
)  # fmt: skip
def test_what_cannot_be_had_names_the_field_and_what_can(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ProviderError) as caught:
        chosen(**fields)
    assert str(caught.value).startswith(f"{PATH}{message}")


def test_a_region_without_the_gpu_names_those_that_have_it() -> None:
    wanted = pool(gpu="V100")
    machine = choosing.machine_for(wanted, ["asia-south1-a"], PATH)
    with pytest.raises(ProviderError, match=r"asia-south1 has none with it; others have: asia-east1-c, europe-west4-a"):
        choosing.zones_for(wanted, machine, ["asia-south1-a"], PATH)


def test_every_gpu_of_the_platform_has_a_machine_or_a_nearest_one() -> None:
    there = {machine.gpu for machine in MACHINES}
    assert there | choosing.NEAREST.keys() == GPU_TYPES.keys()


def test_machines_have_zones_and_partitions_are_of_the_gpus_own() -> None:
    assert all(machine.zones and machine.capacity for machine in MACHINES)
    assert len({(machine.type, machine.gpu, machine.gpus) for machine in MACHINES}) == len(MACHINES)
    for gpu, profiles in PARTITIONS.items():
        assert set(profiles) <= GPU_TYPES[gpu].mig.keys()
