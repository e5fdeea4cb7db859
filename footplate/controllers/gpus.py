"""GPU requests in Kubernetes' terms: the extended resource, and which nodes carry a GPU type."""

from collections.abc import Mapping
from typing import Any

from footplate.api.gpu_types import GPU_TYPES, TYPE_LABEL
from footplate.api.resources import Gpu

GPU = "nvidia.com/gpu"
#: Time-sliced GPUs, as NVIDIA's device plugin names them with `renameByDefault: true`.
SHARED = "nvidia.com/gpu.shared"
PRODUCT_LABEL = "nvidia.com/gpu.product"


def resource(gpu: Gpu) -> str:
    """`share` 1g.10gb is a MIG slice (strategy `mixed`); a fraction is a replica of a time-sliced GPU."""
    if gpu.share is None:
        return GPU
    return f"nvidia.com/mig-{gpu.share}" if "g." in gpu.share else SHARED


def products(type_: str) -> tuple[str, ...]:
    """The type itself too, so that a product label can be named in a spec."""
    known = GPU_TYPES.get(type_)
    return (*known.products, type_) if known else (type_,)


def carries(labels: Mapping[str, str], type_: str) -> bool:
    return labels.get(TYPE_LABEL) == type_ or labels.get(PRODUCT_LABEL) in products(type_)


def type_of(labels: Mapping[str, str]) -> str:
    """The node's GPU type in the platform's names; the product where it has none; empty without a GPU."""
    if TYPE_LABEL in labels:
        return labels[TYPE_LABEL]
    product = labels.get(PRODUCT_LABEL, "")
    return next((name for name, known in GPU_TYPES.items() if product in known.products), product)


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
