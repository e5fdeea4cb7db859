"""GPU requests in Kubernetes' terms: the extended resource, and which nodes carry a GPU type."""

from collections.abc import Mapping
from typing import Any

from footplate.api.meta import GROUP
from footplate.api.resources import Gpu

GPU = "nvidia.com/gpu"
#: Time-sliced GPUs, as NVIDIA's device plugin names them with `renameByDefault: true`.
SHARED = "nvidia.com/gpu.shared"
TYPE_LABEL = f"{GROUP}/gpu-type"
PRODUCT_LABEL = "nvidia.com/gpu.product"

#: Values of `nvidia.com/gpu.product`. Source: NVIDIA/k8s-device-plugin, docs/gpu-feature-discovery (the NVML product name,
#: spaces to dashes).
PRODUCTS: dict[str, tuple[str, ...]] = {
    "T4": ("Tesla-T4",),
    "V100": ("Tesla-V100-SXM2-16GB", "Tesla-V100-SXM2-32GB", "Tesla-V100-PCIE-16GB"),
    "A10G": ("NVIDIA-A10G",),
    "L4": ("NVIDIA-L4",),
    "L40S": ("NVIDIA-L40S",),
    "A100-40GB": ("NVIDIA-A100-SXM4-40GB", "NVIDIA-A100-PCIE-40GB"),
    "A100-80GB": ("NVIDIA-A100-SXM4-80GB", "NVIDIA-A100-80GB-PCIe"),
    "H100": ("NVIDIA-H100-80GB-HBM3", "NVIDIA-H100-PCIe", "NVIDIA-H100-NVL"),
    "H200": ("NVIDIA-H200",),
    "B200": ("NVIDIA-B200",),
}


def resource(gpu: Gpu) -> str:
    """`share` 1g.10gb is a MIG slice (strategy `mixed`); a fraction is a replica of a time-sliced GPU."""
    if gpu.share is None:
        return GPU
    return f"nvidia.com/mig-{gpu.share}" if "g." in gpu.share else SHARED


def products(type_: str) -> tuple[str, ...]:
    """The type itself too, so that a product label can be named in a spec."""
    return (*PRODUCTS.get(type_, ()), type_)


def carries(labels: Mapping[str, str], type_: str) -> bool:
    return labels.get(TYPE_LABEL) == type_ or labels.get(PRODUCT_LABEL) in products(type_)


def type_of(labels: Mapping[str, str]) -> str:
    """The node's GPU type in the platform's names; the product where it has none; empty without a GPU."""
    if TYPE_LABEL in labels:
        return labels[TYPE_LABEL]
    product = labels.get(PRODUCT_LABEL, "")
    return next((name for name, known in PRODUCTS.items() if product in known), product)


def affinity(gpu: Gpu | None) -> dict[str, Any] | None:
    """Node affinity for the GPU type: the terms are alternatives, one per label that providers set."""
    if gpu is None or gpu.type is None:
        return None
    terms = [
        {"matchExpressions": [{"key": TYPE_LABEL, "operator": "In", "values": [gpu.type]}]},
        {"matchExpressions": [{"key": PRODUCT_LABEL, "operator": "In", "values": list(products(gpu.type))}]},
    ]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    return {"nodeAffinity": required}


def phrase(gpu: Gpu) -> str:
    """`8 H100 GPUs`, `1 GPU`, `2 1g.10gb shares of H100`."""
    name = f"{gpu.type} GPU" if gpu.type else "GPU"
    plural = "s" if gpu.count != 1 else ""
    if gpu.share is not None:
        return f"{gpu.count} {gpu.share} share{plural} of {'an ' if gpu.type is None else ''}{gpu.type or 'any GPU'}".replace(
            "an any", "any"
        )
    return f"{gpu.count} {name}{plural}"
