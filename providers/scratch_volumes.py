"""High-throughput scratch as pods reach it: one filesystem of the cloud, a volume of it held for each team's claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from footplate.api import labels

SCRATCH_CLASS = "footplate-scratch"
_CLAIM = "scratch"


def storage_class(opts: pulumi.ResourceOptions) -> None:
    """Provisions nothing: it joins the teams' claims with their volumes."""
    kubernetes.storage.v1.StorageClass(
        SCRATCH_CLASS,
        metadata={"name": SCRATCH_CLASS},
        provisioner="kubernetes.io/no-provisioner",
        reclaim_policy="Retain",
        opts=opts,
    )


def team_volume(
    team: str, size: str, csi: Mapping[str, Any], opts: pulumi.ResourceOptions, mount_options: Sequence[str] = ()
) -> None:
    """Held for the claim `scratch` in the team's namespace. `csi`: the cloud's driver, and where it finds the volume."""
    mounted: dict[str, Any] = {"mount_options": list(mount_options)} if mount_options else {}
    spec: Any = {
        "storage_class_name": SCRATCH_CLASS,
        "capacity": {"storage": size},
        "access_modes": ["ReadWriteMany"],
        "persistent_volume_reclaim_policy": "Retain",
        **mounted,
        "claim_ref": {
            "api_version": "v1",
            "kind": "PersistentVolumeClaim",
            "namespace": f"{labels.TEAM_NAMESPACE_PREFIX}{team}",
            "name": _CLAIM,
        },
        "csi": dict(csi),
    }
    name = f"{_CLAIM}-{team}"
    kubernetes.core.v1.PersistentVolume(name, metadata={"name": name}, spec=spec, opts=opts)
