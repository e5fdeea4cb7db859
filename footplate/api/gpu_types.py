"""GPU types by the names that people use, whatever carries them: a cloud's machine, one's own node, a simulated one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from footplate.api.meta import GROUP

#: Node label with the GPU type by its name here; pods are placed by it.
TYPE_LABEL = f"{GROUP}/gpu-type"
#: Node label of clouds that count shares as whole GPUs: the MIG profile, or FRACTION. Absent: whole GPUs.
SHARE_LABEL = f"{GROUP}/gpu-share"
FRACTION = "fraction"


@dataclass(frozen=True)
class GpuType:
    """`products`: values of the label `nvidia.com/gpu.product`. `mig`: profile → the most instances of it on one GPU."""

    name: str
    products: tuple[str, ...]
    memory_mib: int
    mig: Mapping[str, int] = field(default_factory=dict[str, int])


def _mig(one: str, one_large: str, two: str, three: str, four: str, seven: str) -> dict[str, int]:
    """The profiles differ between GPUs only in their memory."""
    sizes = (one, one_large, two, three, four, seven)
    slices = ("1g", "1g", "2g", "3g", "4g", "7g")
    return {f"{part}.{size}gb": most for part, size, most in zip(slices, sizes, (7, 4, 3, 2, 1, 1), strict=True)}


#: Products: NVIDIA/k8s-device-plugin, docs/gpu-feature-discovery (the NVML product name, spaces to dashes).
#: Memory: the same labels (`nvidia.com/gpu.memory`). MIG: NVIDIA MIG User Guide, "Supported MIG Profiles".
GPU_TYPES: Mapping[str, GpuType] = {
    gpu.name: gpu
    for gpu in (
        GpuType("T4", ("Tesla-T4",), 15360),
        GpuType("V100", ("Tesla-V100-SXM2-16GB", "Tesla-V100-SXM2-32GB", "Tesla-V100-PCIE-16GB"), 16384),
        GpuType("A10G", ("NVIDIA-A10G",), 23028),
        GpuType("L4", ("NVIDIA-L4",), 23034),
        GpuType("L40S", ("NVIDIA-L40S",), 46068),
        GpuType(
            "A100-40GB",
            ("NVIDIA-A100-SXM4-40GB", "NVIDIA-A100-PCIE-40GB"),
            40960,
            _mig("5", "10", "10", "20", "20", "40"),
        ),
        GpuType(
            "A100-80GB",
            ("NVIDIA-A100-SXM4-80GB", "NVIDIA-A100-80GB-PCIe"),
            81920,
            _mig("10", "20", "20", "40", "40", "80"),
        ),
        GpuType(
            "H100",
            ("NVIDIA-H100-80GB-HBM3", "NVIDIA-H100-PCIe", "NVIDIA-H100-NVL"),
            81559,
            _mig("10", "20", "20", "40", "40", "80"),
        ),
        GpuType("H200", ("NVIDIA-H200",), 143771, _mig("18", "35", "35", "71", "71", "141")),
        GpuType("B200", ("NVIDIA-B200",), 183359, _mig("23", "45", "45", "90", "90", "180")),
    )
}
