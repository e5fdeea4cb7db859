"""GPUs and vCPUs of machine types, for limits that are given in GPUs or vCPUs and to tell GPU machines from others.

Sources: https://aws.amazon.com/ec2/instance-types/ (accelerated computing), https://cloud.google.com/compute/docs/gpus.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple


class Gpus(NamedTuple):
    name: str
    number: int


def _row(name: str, **counts: int) -> dict[str, Gpus]:
    return {size: Gpus(name, count) for size, count in counts.items()}


_ONE: Final = {"xlarge": 1, "2xlarge": 1, "4xlarge": 1, "8xlarge": 1, "16xlarge": 1}
_AWS: Final[Mapping[str, Mapping[str, Gpus]]] = {
    "p6-b300": _row("B300", **{"48xlarge": 8}),
    "p6-b200": _row("B200", **{"48xlarge": 8}),
    "p5en": _row("H200", **{"48xlarge": 8}),
    "p5e": _row("H200", **{"48xlarge": 8}),
    "p5": _row("H100", **{"4xlarge": 1, "48xlarge": 8}),
    "p4de": _row("A100-80GB", **{"24xlarge": 8}),
    "p4d": _row("A100-40GB", **{"24xlarge": 8}),
    "p3": _row("V100", **{"2xlarge": 1, "8xlarge": 4, "16xlarge": 8}),
    "p3dn": _row("V100", **{"24xlarge": 8}),
    "g7e": _row(
        "RTX-PRO-6000", **{"2xlarge": 1, "4xlarge": 1, "8xlarge": 1, "12xlarge": 2, "24xlarge": 4, "48xlarge": 8}
    ),
    "g6e": _row("L40S", **_ONE, **{"12xlarge": 4, "24xlarge": 4, "48xlarge": 8}),
    "g6": _row("L4", **_ONE, **{"12xlarge": 4, "24xlarge": 4, "48xlarge": 8}),
    "gr6": _row("L4", **{"4xlarge": 1, "8xlarge": 1}),
    "g5": _row("A10G", **_ONE, **{"12xlarge": 4, "24xlarge": 4, "48xlarge": 8}),
    "g4dn": _row("T4", **_ONE, **{"12xlarge": 4, "metal": 8}),
}
_GCP: Final[Mapping[str, Gpus]] = {
    "a4x-highgpu-4g": Gpus("GB200", 4),
    "a4-highgpu-8g": Gpus("B200", 8),
    "a3-ultragpu-8g": Gpus("H200", 8),
    "a3-megagpu-8g": Gpus("H100", 8),
    **{f"a3-highgpu-{n}g": Gpus("H100", n) for n in (1, 2, 4, 8)},
    **{f"a2-ultragpu-{n}g": Gpus("A100-80GB", n) for n in (1, 2, 4, 8)},
    **{f"a2-highgpu-{n}g": Gpus("A100-40GB", n) for n in (1, 2, 4, 8)},
    "a2-megagpu-16g": Gpus("A100-40GB", 16),
    **{f"g2-standard-{n}": Gpus("L4", {24: 2, 48: 4, 96: 8}.get(n, 1)) for n in (4, 8, 12, 16, 24, 32, 48, 96)},
}
GCP_ACCELERATORS: Final[Mapping[str, str]] = {
    "nvidia-gb200": "GB200",
    "nvidia-b200": "B200",
    "nvidia-h200-141gb": "H200",
    "nvidia-h100-80gb": "H100",
    "nvidia-h100-mega-80gb": "H100",
    "nvidia-a100-80gb": "A100-80GB",
    "nvidia-tesla-a100": "A100-40GB",
    "nvidia-l4": "L4",
    "nvidia-tesla-t4": "T4",
    "nvidia-tesla-v100": "V100",
    "nvidia-tesla-p100": "P100",
    "nvidia-tesla-p4": "P4",
}
"""Accelerator types of Compute Engine. Those of N1 machines (T4, V100, P100, P4) are priced apart from the machine."""


def gpus(cloud: str, machine: str) -> Gpus | None:
    """None: it has none, or none that is known."""
    if cloud == "gcp":
        return _GCP.get(machine)
    family, _, size = machine.partition(".")
    return _AWS.get(family, {}).get(size)


def gpu_machines(cloud: str, gpu: str) -> list[str]:
    if cloud == "gcp":
        return [machine for machine, found in _GCP.items() if found.name == gpu]
    return [f"{family}.{size}" for family, sizes in _AWS.items() for size, found in sizes.items() if found.name == gpu]


def vcpus(cloud: str, machine: str) -> int | None:
    if cloud == "gcp":
        found = re.fullmatch(r"[a-z0-9]+-(?:standard|highmem|highcpu)-(\d+)(?:-lssd)?", machine)
        return int(found[1]) if found else _GCP_VCPUS.get(machine)
    if machine in _METAL_VCPUS:
        return _METAL_VCPUS[machine]
    family, _, size = machine.partition(".")
    found = re.fullmatch(r"(\d*)xlarge", size)
    if found:
        return 4 * int(found[1] or 1)
    if size == "medium" and not family.startswith("t"):
        return 1
    return 2 if size in ("nano", "micro", "small", "medium", "large") else None


_METAL_VCPUS: Final = {"g4dn.metal": 96}
_GCP_VCPUS: Final = {
    **{f"a2-highgpu-{n}g": 12 * n for n in (1, 2, 4, 8)},
    **{f"a2-ultragpu-{n}g": 12 * n for n in (1, 2, 4, 8)},
    "a2-megagpu-16g": 96,
    **{f"a3-highgpu-{n}g": 26 * n for n in (1, 2, 4, 8)},
    "a3-megagpu-8g": 208,
    "a3-ultragpu-8g": 224,
    "a4-highgpu-8g": 224,
    "e2-medium": 2,
}
