"""Types of resources whose replacement or deletion loses what they hold: a cluster, the work on GPU nodes, data."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final, cast

from footplate.costs.machines import gpus


class Holding(StrEnum):
    CLUSTER = "cluster"
    GPU_POOL = "GPU pool"
    DATA = "data store"


_TYPES: Final[Mapping[str, Holding]] = {
    "aws:eks/cluster:Cluster": Holding.CLUSTER,
    "gcp:container/cluster:Cluster": Holding.CLUSTER,
    "aws:s3/bucket:Bucket": Holding.DATA,
    "aws:s3/bucketV2:BucketV2": Holding.DATA,
    "aws:efs/fileSystem:FileSystem": Holding.DATA,
    "aws:fsx/lustreFileSystem:LustreFileSystem": Holding.DATA,
    "aws:ebs/volume:Volume": Holding.DATA,
    "aws:ecr/repository:Repository": Holding.DATA,
    "aws:kms/key:Key": Holding.DATA,
    "aws:rds/instance:Instance": Holding.DATA,
    "aws:dynamodb/table:Table": Holding.DATA,
    "gcp:storage/bucket:Bucket": Holding.DATA,
    "gcp:filestore/instance:Instance": Holding.DATA,
    "gcp:lustre/instance:Instance": Holding.DATA,
    "gcp:compute/disk:Disk": Holding.DATA,
    "gcp:compute/regionDisk:RegionDisk": Holding.DATA,
    "gcp:artifactregistry/repository:Repository": Holding.DATA,
    "gcp:kms/cryptoKey:CryptoKey": Holding.DATA,
    "gcp:sql/databaseInstance:DatabaseInstance": Holding.DATA,
    "kubernetes:core/v1:PersistentVolumeClaim": Holding.DATA,
    "kubernetes:core/v1:PersistentVolume": Holding.DATA,
}


def holding(type: str, inputs: Mapping[str, Any]) -> Holding | None:
    """`inputs`: as they were. Whether a pool has nodes now only the cloud knows: any with a maximum above 0 may have."""
    match type:
        case "aws:eks/nodeGroup:NodeGroup":
            scaling = _block(inputs.get("scalingConfig"))
            machines = cast(list[Any], inputs.get("instanceTypes") or [])
            plain = bool(machines) and not any(gpus("aws", str(name)) for name in machines)
            pool = not plain and scaling.get("maxSize") != 0
        case "gcp:container/nodePool:NodePool":
            scaling, node = _block(inputs.get("autoscaling")), _block(inputs.get("nodeConfig"))
            gpu = gpus("gcp", str(node.get("machineType"))) or node.get("guestAccelerators")
            most = scaling.get("totalMaxNodeCount", scaling.get("maxNodeCount", inputs.get("nodeCount")))
            pool = bool(gpu) and most != 0
        case "kubernetes:karpenter.sh/v1:NodePool":
            limit = _block(_block(inputs.get("spec")).get("limits")).get("nvidia.com/gpu")
            pool = limit is not None and str(limit) != "0"
        case _:
            return _TYPES.get(type)
    return Holding.GPU_POOL if pool else None


def _block(value: Any) -> Mapping[str, Any]:
    return cast(Mapping[str, Any], value) if isinstance(value, Mapping) else {}
