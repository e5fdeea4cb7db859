"""What people have in a namespace, or of a kind: what nobody wrote into the program, and goes when those go."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any, Final, cast

from footplate.api.meta import API_VERSION
from footplate.api.quantity import human_bytes, parse
from footplate.engine.providers.kubernetes.cluster import Cluster
from footplate.engine.providers.kubernetes.kinds import Kind
from footplate.engine.state.model import Resource
from footplate.engine.values import plain
from footplate.kube.errors import KubeError

_WORK: Final = (Kind(API_VERSION, "Workspace"), Kind(API_VERSION, "TrainingJob"))
_CLAIM: Final = Kind("v1", "PersistentVolumeClaim")
_MANAGED_BY: Final = "app.kubernetes.io/managed-by"


async def of(cluster: Cluster, kind: Kind, resource: Resource) -> str:
    """`2 Workspaces, 1 volume of 10Gi`; empty where there is nothing, or nothing that this person may see."""
    if kind.is_crd:
        spec = cast(dict[str, Any], plain(resource.inputs.get("spec")) or {})
        names = cast(dict[str, Any], spec.get("names") or {})
        versions = cast(list[dict[str, Any]], spec.get("versions") or [{}])
        defined = Kind(f"{spec.get('group')}/{versions[0].get('name')}", str(names.get("kind")))
        found = [item for item in await _list(cluster, defined, None) if not _of_a_stack(item)]
        return _counted(Counter({defined.kind: len(found)}), 0, 0)
    *work, claims = await asyncio.gather(*(_list(cluster, kind, resource.id) for kind in (*_WORK, _CLAIM)))
    counts = Counter({kind.kind: len(items) for kind, items in zip(_WORK, work, strict=True)})
    return _counted(counts, len(claims), sum(_size(claim) for claim in claims))


async def _list(cluster: Cluster, kind: Kind, namespace: str | None) -> list[dict[str, Any]]:
    try:
        return list((await cluster.client.list(await cluster.api(kind), namespace)).items)
    except KubeError:
        return []


def _of_a_stack(item: dict[str, Any]) -> bool:
    labels: dict[str, str] = item["metadata"].get("labels") or {}
    return labels.get(_MANAGED_BY) == "pulumi"


def _size(claim: dict[str, Any]) -> int:
    return int(parse(claim["spec"].get("resources", {}).get("requests", {}).get("storage", "0")))


def _counted(counts: Counter[str], volumes: int, size: int) -> str:
    words = [f"{count} {kind}{'s' if count > 1 else ''}" for kind, count in counts.items() if count]
    if volumes:
        words.append(f"{volumes} volume{'s' if volumes > 1 else ''} of {human_bytes(size)}")
    return ", ".join(words)
