"""GPU requests in Kubernetes' terms: the extended resource, and which nodes carry a GPU type."""

from collections.abc import Mapping
from typing import Any

from footplate.api.gpu_types import FRACTION, GPU_TYPES, SHARE_LABEL, TYPE_LABEL
from footplate.api.platform import Fabric, Platform
from footplate.api.resources import Gpu

GPU = "nvidia.com/gpu"
#: Time-sliced GPUs, as NVIDIA's device plugin names them with `renameByDefault: true`.
SHARED = "nvidia.com/gpu.shared"
PRODUCT_LABEL = "nvidia.com/gpu.product"
NO_FABRIC = Fabric("", 0)


def resource(gpu: Gpu) -> str:
    """`share` 1g.10gb is a MIG slice (strategy `mixed`); a fraction is a replica of a time-sliced GPU."""
    if gpu.share is None:
        return GPU
    return f"nvidia.com/mig-{gpu.share}" if "g." in gpu.share else SHARED


def requested(gpu: Gpu, platform: Platform) -> str:
    """What a pod's container names: where labels tell shares apart, all of them are counted as GPUs."""
    return GPU if platform.gpu_shares == "labels" else resource(gpu)


def offered(name: str, labels: Mapping[str, str]) -> str:
    """A node's resource as `resource` has it: its GPUs may be shares."""
    share = labels.get(SHARE_LABEL)
    if name != GPU or share is None:
        return name
    return SHARED if share == FRACTION else f"nvidia.com/mig-{share}"


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


def affinity(gpu: Gpu | None, platform: Platform) -> dict[str, Any] | None:
    """Node affinity for the GPU type and share: the terms are alternatives, one per label that providers set."""
    if gpu is None:
        return None
    types: list[list[dict[str, Any]]] = [[]]
    if gpu.type is not None:
        types = [
            [{"key": TYPE_LABEL, "operator": "In", "values": [gpu.type]}],
            [{"key": PRODUCT_LABEL, "operator": "In", "values": list(products(gpu.type))}],
        ]
    # A whole GPU is on no node of shares, which an autoscaler would start for it.
    share = [_share(gpu)] if platform.gpu_shares == "labels" or gpu.share is None else []
    terms = [{"matchExpressions": [*type_, *share]} for type_ in types if type_ or share]
    if not terms:
        return None
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    return {"nodeAffinity": required}


def _share(gpu: Gpu) -> dict[str, Any]:
    if gpu.share is None:
        return {"key": SHARE_LABEL, "operator": "DoesNotExist"}
    return {"key": SHARE_LABEL, "operator": "In", "values": [gpu.share if "g." in gpu.share else FRACTION]}


def tolerations(platform: Platform) -> list[dict[str, str]]:
    keys = (GPU, *platform.gpu_taints)
    return [{"key": key, "operator": "Exists", "effect": "NoSchedule"} for key in keys]


def fabric(gpu: Gpu | None, nodes: int, platform: Platform) -> Fabric:
    """Of ranks that have a peer to reach, each with all GPUs of a node: fewer could not share the node's interfaces."""
    if gpu is None or gpu.share is not None or nodes == 1:
        return NO_FABRIC
    return next((one for one in platform.fabrics if (one.gpu, one.gpus) == (gpu.type, gpu.count)), NO_FABRIC)
