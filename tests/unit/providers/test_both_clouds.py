"""One `gpuPools` block is good for every cloud that has the GPU; where a cloud has it not, it says so by the field."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from footplate.api.gpu_types import GPU_TYPES
from providers.aws import gpu_pool as aws_pools
from providers.aws import machines as aws
from providers.contract import ProviderError
from providers.gcp import choosing
from providers.gcp import gpu_pools as gcp_pools
from providers.gcp.machines import MACHINES, PARTITIONS
from providers.spec import GpuPool

PATH = "footplate:gpuPools[0]"
AWS = {(machine.gpu, machine.gpus) for machine in aws.GPU_MACHINES}
GCP = {(machine.gpu, machine.gpus) for machine in MACHINES}


def block(gpu: str, count: int, **more: Any) -> GpuPool:
    """Spot alone: neither cloud has every GPU on demand."""
    fields = {"name": "pool", "gpu": gpu, "count": count, "maxNodes": 4, "capacity": [{"kind": "spot"}], **more}
    return msgspec.convert(fields, GpuPool)


def on_aws(pool: GpuPool) -> str:
    region = next(
        region
        for machine in aws.GPU_MACHINES
        if (machine.gpu, machine.gpus) == (pool.gpu, pool.count)
        for region in sorted(aws.REGIONS[machine.family])
    )
    aws_pools.capacity_types(pool, PATH)
    return aws.for_pool(pool, region, PATH).type


def on_gcp(pool: GpuPool) -> str:
    zones = next([zone] for m in MACHINES if (m.gpu, m.gpus) == (pool.gpu, pool.count) for zone in sorted(m.zones))
    machine = choosing.machine_for(pool, zones, PATH)
    gcp_pools.check(pool, machine, choosing.zones_for(pool, machine, zones, PATH), PATH)
    return machine.type


@pytest.mark.parametrize(("gpu", "count"), sorted(AWS & GCP))
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"capacity": [{"kind": "spot"}], "minNodes": 1, "scaleDownAfter": "30m", "bootDisk": "300Gi"},
        {"labels": {"acme.example/purpose": "training"}, "taints": [{"key": "acme.example/only", "value": "us"}]},
    ],
    ids=["plain", "sized", "labelled"],
)
def test_the_same_block_is_good_for_both(gpu: str, count: int, more: dict[str, Any]) -> None:
    pool = block(gpu, count, **more)
    assert on_aws(pool)
    assert on_gcp(pool)


@pytest.mark.parametrize("gpu", PARTITIONS)
def test_a_gpu_is_cut_alike_on_both(gpu: str) -> None:
    """What GKE makes of a GPU are profiles of NVIDIA's, so a block with one of them is good for AWS too."""
    count = max(count for name, count in AWS & GCP if name == gpu)
    for profile in PARTITIONS[gpu]:
        pool = block(gpu, count, sharing={"mode": "mig", "profile": profile})
        assert aws_pools.shares(pool) == gcp_pools.shares(pool)
        assert on_gcp(pool)


def test_both_have_every_gpu_but_the_ones_of_aws_alone() -> None:
    assert {gpu for gpu, _ in AWS} == set(GPU_TYPES)
    assert {gpu for gpu, _ in AWS} - {gpu for gpu, _ in GCP} == {"A10G", "L40S"}


@pytest.mark.parametrize(("gpu", "count"), sorted(AWS - GCP))
def test_what_aws_alone_has_is_refused_by_google_with_the_field(gpu: str, count: int) -> None:
    field = "gpu" if gpu not in {name for name, _ in GCP} else "count"
    with pytest.raises(ProviderError, match=rf"^footplate:gpuPools\[0\]\.{field}: "):
        choosing.machine_for(block(gpu, count), ["us-central1-a"], PATH)


@pytest.mark.parametrize(("gpu", "count"), sorted(GCP - AWS))
def test_what_google_alone_has_is_refused_by_aws_with_the_field(gpu: str, count: int) -> None:
    with pytest.raises(
        ProviderError, match=rf"^footplate:gpuPools\[0\]\.count: AWS has no machine with {count} × {gpu}"
    ):
        aws.for_pool(block(gpu, count), "us-east-2", PATH)
