"""Fields that cannot be changed in place: a change of them replaces the object.

From the API server's own validation (`pkg/apis/*/validation` of kubernetes/kubernetes) where it has a fixed list, in the
cases for which pulumi-kubernetes plans a replacement; what is not here and the server still refuses to change is found
by its answer to the dry run (`immutable`).
"""

from __future__ import annotations

import re
from typing import Final

from footplate.engine import paths
from footplate.engine.paths import Path
from footplate.engine.providers.kubernetes.kinds import Kind

_IDENTITY: Final = ("metadata.name", "metadata.namespace")

_FIXED: Final[dict[tuple[str, str], tuple[str, ...]]] = {
    ("apps", "DaemonSet"): ("spec.selector",),
    ("apps", "Deployment"): ("spec.selector",),
    ("apps", "StatefulSet"): (
        "spec.selector",
        "spec.serviceName",
        "spec.podManagementPolicy",
        "spec.revisionHistoryLimit",
        "spec.volumeClaimTemplates",
    ),
    ("batch", "Job"): ("spec.completions", "spec.parallelism", "spec.selector", "spec.template"),
    ("rbac.authorization.k8s.io", "RoleBinding"): ("roleRef",),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): ("roleRef",),
    ("storage.k8s.io", "StorageClass"): ("provisioner", "parameters"),
    ("", "PersistentVolumeClaim"): (
        "spec.accessModes",
        "spec.selector",
        "spec.storageClassName",
        "spec.volumeName",
    ),
    ("", "ResourceQuota"): ("spec.scopes",),
    ("", "Secret"): ("type",),
    ("", "Service"): ("spec.clusterIP",),
}

# A pod's spec is fixed but for a few fields, of which these alone make sense to change.
_POD_CHANGEABLE: Final = ("spec.tolerations", "spec.activeDeadlineSeconds", "spec.schedulingGates")
_VOLUME_CHANGEABLE: Final = (
    "spec.capacity",
    "spec.accessModes",
    "spec.mountOptions",
    "spec.persistentVolumeReclaimPolicy",
    "spec.storageClassName",
    "spec.claimRef",
    "spec.nodeAffinity",
    "spec.volumeAttributesClassName",
)
_ALL_BUT: Final = {("", "Pod"): _POD_CHANGEABLE, ("", "PersistentVolume"): _VOLUME_CHANGEABLE}

_IMMUTABLE: Final = re.compile(
    r"field is immutable|immutable after creation|cannot change roleRef|may not change once set"
    r"|updates to .* are forbidden|may not change fields other than|updates to parameters are forbidden"
    r"|is immutable",
    re.IGNORECASE,
)


def fixed_fields(kind: Kind, *, mutable_config_map: bool, mutable_secret: bool, frozen: bool) -> list[Path]:
    """`frozen`: the object says `immutable: true`. ConfigMaps and Secrets are replaced unless the provider's options
    allow changing them, so that what mounts them under a generated name rolls out anew."""
    found: list[str] = [*_IDENTITY]
    if not kind.patch:
        found += _FIXED.get((kind.group, kind.kind), ())
        if kind.group == "" and kind.kind == "ConfigMap" and (frozen or not mutable_config_map):
            found += ("data", "binaryData")
        if kind.is_secret and (frozen or not mutable_secret):
            found += ("data", "stringData")
    return [paths.parse(text) for text in found]


def is_fixed(kind: Kind, path: Path) -> bool:
    """For kinds whose spec is fixed but for some fields."""
    changeable = _ALL_BUT.get((kind.group, kind.kind))
    if kind.patch or changeable is None or path[:1] != ("spec",):
        return False
    return not any(paths.touches(paths.parse(text), path) for text in changeable)


def immutable(message: str) -> bool:
    """The server's refusal says that a field cannot be changed, not that its new value is wrong."""
    return bool(_IMMUTABLE.search(message))
