"""GPUs of a simulated node: how they are asked for, and the labels that NVIDIA's feature discovery would give it."""

from __future__ import annotations

from dataclasses import dataclass

from devcluster.errors import UsageError
from footplate.api.gpu_types import GPU_TYPES, TYPE_LABEL, GpuType

GPU_RESOURCE = "nvidia.com/gpu"


@dataclass(frozen=True)
class GpuCount:
    """`H100:8`: so many GPUs of one type a node; `H100:8,1g.10gb:7` adds MIG slices beside whole GPUs."""

    type: GpuType
    count: int
    mig: tuple[tuple[str, int], ...] = ()

    def resources(self) -> dict[str, int]:
        """Extended resources as NVIDIA's device plugin names them (MIG strategy `mixed`)."""
        whole = {GPU_RESOURCE: self.count} if self.count else {}
        return whole | {f"nvidia.com/mig-{profile}": count for profile, count in self.mig}

    def labels(self) -> dict[str, str]:
        return {
            "nvidia.com/gpu.present": "true",
            "nvidia.com/gpu.product": self.type.products[0],
            "nvidia.com/gpu.memory": str(self.type.memory_mib),
            "nvidia.com/gpu.count": str(self.count),
            TYPE_LABEL: self.type.name,
        }

    def __str__(self) -> str:
        return ",".join([f"{self.type.name}:{self.count}", *(f"{profile}:{count}" for profile, count in self.mig)])


def parse_gpus(text: str, option: str) -> GpuCount | None:
    """Read `TYPE:COUNT[,PROFILE:COUNT…]`; the empty string means no GPU."""
    if not text:
        return None
    first, *rest = text.split(",")
    name, count = _pair(first, option)
    gpu = GPU_TYPES.get(name)
    if gpu is None:
        raise UsageError(f"{option} {text!r}: unknown GPU type {name!r}; known are {', '.join(GPU_TYPES)}")
    mig = tuple(_pair(part, option) for part in rest)
    for profile, _ in mig:
        if profile not in gpu.mig:
            known = ", ".join(gpu.mig) or "none"
            raise UsageError(f"{option} {text!r}: {name} has no MIG profile {profile!r}; its profiles: {known}")
    return GpuCount(gpu, count, mig)


def _pair(text: str, option: str) -> tuple[str, int]:
    name, separator, count = text.strip().partition(":")
    if not separator or not count.isascii() or not count.isdigit():
        raise UsageError(f"{option} {text!r}: write TYPE:COUNT, for example H100:8")
    if int(count) > 1024:
        raise UsageError(f"{option} {text!r}: at most 1024 of a kind on one node")
    return name, int(count)
