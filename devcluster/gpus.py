"""GPU types by the names that platform engineers use, with the labels that NVIDIA's feature discovery gives them."""

from __future__ import annotations

from dataclasses import dataclass

from devcluster.errors import UsageError

GPU_RESOURCE = "nvidia.com/gpu"
TYPE_LABEL = "footplate.dev/gpu-type"  # the GPU type by its name here; controllers select nodes by it


@dataclass(frozen=True)
class GpuType:
    name: str
    product: str  # label nvidia.com/gpu.product, as gpu-feature-discovery writes it
    memory_mib: int
    mig_profiles: tuple[str, ...] = ()


# Product strings and memory: NVIDIA k8s-device-plugin, docs/gpu-feature-discovery; profiles: NVIDIA MIG user guide.
GPU_TYPES = {
    gpu.name: gpu
    for gpu in (
        GpuType("T4", "Tesla-T4", 15360),
        GpuType("V100", "Tesla-V100-SXM2-16GB", 16384),
        GpuType("A10G", "NVIDIA-A10G", 23028),
        GpuType("L4", "NVIDIA-L4", 23034),
        GpuType("L40S", "NVIDIA-L40S", 46068),
        GpuType("A100-40GB", "NVIDIA-A100-SXM4-40GB", 40960, ("1g.5gb", "2g.10gb", "3g.20gb", "4g.20gb", "7g.40gb")),
        GpuType("A100-80GB", "NVIDIA-A100-SXM4-80GB", 81920, ("1g.10gb", "2g.20gb", "3g.40gb", "4g.40gb", "7g.80gb")),
        GpuType(
            "H100", "NVIDIA-H100-80GB-HBM3", 81559, ("1g.10gb", "1g.20gb", "2g.20gb", "3g.40gb", "4g.40gb", "7g.80gb")
        ),
        GpuType("H200", "NVIDIA-H200", 143771, ("1g.18gb", "1g.35gb", "2g.35gb", "3g.71gb", "4g.71gb", "7g.141gb")),
        GpuType("B200", "NVIDIA-B200", 183359, ("1g.23gb", "1g.45gb", "2g.45gb", "3g.90gb", "4g.90gb", "7g.180gb")),
    )
}


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
            "nvidia.com/gpu.product": self.type.product,
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
        if profile not in gpu.mig_profiles:
            known = ", ".join(gpu.mig_profiles) or "none"
            raise UsageError(f"{option} {text!r}: {name} has no MIG profile {profile!r}; its profiles: {known}")
    return GpuCount(gpu, count, mig)


def _pair(text: str, option: str) -> tuple[str, int]:
    name, separator, count = text.strip().partition(":")
    if not separator or not count.isascii() or not count.isdigit():
        raise UsageError(f"{option} {text!r}: write TYPE:COUNT, for example H100:8")
    if int(count) > 1024:
        raise UsageError(f"{option} {text!r}: at most 1024 of a kind on one node")
    return name, int(count)
