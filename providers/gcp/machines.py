"""GPU × count a node → Compute Engine machine type, and what that machine can.

Sources of the rows, by series:
N1: https://cloud.google.com/compute/docs/gpus#n1-gpus (GPUs attached, with the most CPUs that so many of them allow);
G2, A2, A3, A4: https://cloud.google.com/compute/docs/accelerator-optimized-machines (CPUs, memory, local SSD);
accelerator names: https://cloud.google.com/kubernetes-engine/docs/concepts/gpus;
capacity: https://cloud.google.com/kubernetes-engine/docs/concepts/consumption-option and, for A3 High with fewer than eight
GPUs, https://cloud.google.com/compute/docs/gpus/create-gpu-vm-a3 (Spot and flex-start only);
fabric: https://cloud.google.com/kubernetes-engine/docs/how-to/gpu-bandwidth-gpudirect-tcpx and
https://cloud.google.com/ai-hypercomputer/docs/create/gke-ai-hypercompute-custom (RDMA).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from providers.gcp.zones import ZONES


class Fabric(StrEnum):
    """`TCPX`: four more gVNIC networks. `TCPXO`: eight. `RDMA`: one gVNIC network and eight RDMA ones of one RoCE VPC."""

    TCPX = "tcpx"
    TCPXO = "tcpxo"
    RDMA = "rdma"


ANYWHERE = ("reservation", "flex", "spot", "on-demand")
NO_ON_DEMAND = ("reservation", "flex", "spot")
NO_PROMISE = ("flex", "spot")


@dataclass(frozen=True)
class Machine:
    """`memory_gib` as Google counts it. `local_ssds`: disks of 375 GiB that always come with it.

    `disk`: type of the boot disk; the newest series take no Persistent Disk at all, so no home of a workspace either.
    """

    type: str
    gpu: str
    gpus: int
    accelerator: str
    cpus: int
    memory_gib: int
    zones: frozenset[str]
    capacity: tuple[str, ...] = ANYWHERE
    fabric: Fabric | None = None
    local_ssds: int = 0
    disk: str = "pd-balanced"

    @property
    def attaches_homes(self) -> bool:
        return self.disk.startswith("pd-")


def _n1(gpu: str, accelerator: str, rows: Mapping[int, Sequence[tuple[str, int, int]]]) -> list[Machine]:
    zones = ZONES[f"n1+{accelerator}"]
    return [
        Machine(name, gpu, gpus, accelerator, cpus, memory, zones)
        for gpus, machines in rows.items()
        for name, cpus, memory in machines
    ]


def _g2(cpus: int, gpus: int) -> Machine:
    return Machine(f"g2-standard-{cpus}", "L4", gpus, "nvidia-l4", cpus, cpus * 4, ZONES["g2"])


def _a2(name: str, gpus: int, cpus: int, memory: int) -> Machine:
    series = name.rpartition("-")[0]
    return Machine(name, "A100-40GB", gpus, "nvidia-tesla-a100", cpus, memory, ZONES[series])


def _a2_ultra(gpus: int) -> Machine:
    return Machine(
        f"a2-ultragpu-{gpus}g", "A100-80GB", gpus, "nvidia-a100-80gb", gpus * 12, gpus * 170, ZONES["a2-ultragpu"],
        local_ssds=gpus,
    )  # fmt: skip


def _a3_high(gpus: int, capacity: tuple[str, ...], fabric: Fabric | None = None) -> Machine:
    return Machine(
        f"a3-highgpu-{gpus}g", "H100", gpus, "nvidia-h100-80gb", gpus * 26, gpus * 234, ZONES["a3-highgpu"],
        capacity, fabric, local_ssds=gpus * 2,
    )  # fmt: skip


_N1 = {cpus: (f"n1-standard-{cpus}", cpus, cpus * 15 // 4) for cpus in (4, 8, 16, 32, 64, 96)}

#: Within one GPU × count the smallest first: it is taken unless the pool asks for more.
MACHINES: Sequence[Machine] = (
    *_n1("T4", "nvidia-tesla-t4", {1: [_N1[4], _N1[8], _N1[16], _N1[32]], 2: [_N1[8], _N1[16], _N1[32]], 4: [_N1[16], _N1[32], _N1[64], _N1[96]]}),
    *_n1("V100", "nvidia-tesla-v100", {1: [_N1[4], _N1[8]], 2: [_N1[8], _N1[16]], 4: [_N1[16], _N1[32]], 8: [_N1[32], _N1[64], _N1[96]]}),
    *(_g2(cpus, 1) for cpus in (4, 8, 12, 16, 32)),
    _g2(24, 2),
    _g2(48, 4),
    _g2(96, 8),
    _a2("a2-highgpu-1g", 1, 12, 85),
    _a2("a2-highgpu-2g", 2, 24, 170),
    _a2("a2-highgpu-4g", 4, 48, 340),
    _a2("a2-highgpu-8g", 8, 96, 680),
    _a2("a2-megagpu-16g", 16, 96, 1360),
    *(_a2_ultra(gpus) for gpus in (1, 2, 4, 8)),
    *(_a3_high(gpus, NO_PROMISE) for gpus in (1, 2, 4)),
    _a3_high(8, ANYWHERE, Fabric.TCPX),
    Machine(
        "a3-megagpu-8g", "H100", 8, "nvidia-h100-mega-80gb", 208, 1872, ZONES["a3-megagpu"],
        ANYWHERE, Fabric.TCPXO, local_ssds=16,
    ),
    Machine(
        "a3-ultragpu-8g", "H200", 8, "nvidia-h200-141gb", 224, 2952, ZONES["a3-ultragpu"],
        NO_ON_DEMAND, Fabric.RDMA, local_ssds=32, disk="hyperdisk-balanced",
    ),
    Machine(
        "a4-highgpu-8g", "B200", 8, "nvidia-b200", 224, 3968, ZONES["a4-highgpu"],
        NO_ON_DEMAND, Fabric.RDMA, local_ssds=32, disk="hyperdisk-balanced",
    ),
)  # fmt: skip

#: GPU → partitions that GKE's device plugin makes of one.
#: Source: GoogleCloudPlatform/container-engine-accelerators, pkg/gpu/nvidia/mig (gpuPartitionSizeMaxCount).
PARTITIONS: Mapping[str, tuple[str, ...]] = {
    "A100-40GB": ("1g.5gb", "2g.10gb", "3g.20gb", "7g.40gb"),
    "A100-80GB": ("1g.10gb", "2g.20gb", "3g.40gb", "7g.80gb"),
    "H100": ("1g.10gb", "1g.20gb", "2g.20gb", "3g.40gb", "7g.80gb"),
    "H200": ("1g.18gb", "1g.35gb", "2g.35gb", "3g.71gb", "4g.71gb", "7g.141gb"),
    "B200": ("1g.23gb", "1g.45gb", "2g.45gb", "3g.90gb", "4g.90gb", "7g.180gb"),
}
