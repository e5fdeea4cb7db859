"""Whether a team's ResourceQuotas leave room, before anything is created that they would refuse.

Source: https://kubernetes.io/docs/concepts/policy/resource-quotas/ (names of the counted resources).
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from footplate.api import quantity
from footplate.controllers.cluster import Quota
from footplate.controllers.refusal import Refusal

Amounts = dict[str, Decimal]

_WORDS = {"cpu": "CPU", "nvidia.com/gpu": "GPU", "pods": "pod", "persistentvolumeclaims": "volume claim"}
_LARGER = "ask for less, or ask a platform engineer for a larger quota (footplate:teams in the stack's configuration)"
_ACTION = "stop or delete a workspace or a job of the team, or ask for a larger quota"


def of_pod(spec: Mapping[str, Any], count: int = 1) -> Amounts:
    """What `count` pods of this PodSpec count for: init containers overlap, sidecars add up (KEP-753)."""
    total: Amounts = {"pods": Decimal(count), "count/pods": Decimal(count)}
    for kind in ("requests", "limits"):
        for name, amount in _effective(spec, kind).items():
            for counted in _names(kind, name):
                total[counted] = amount * count
    return total


def of_claim(spec: Mapping[str, Any]) -> Amounts:
    size = quantity.parse(spec["resources"]["requests"]["storage"])
    amounts = {"persistentvolumeclaims": Decimal(1), "requests.storage": size}
    class_ = spec.get("storageClassName")
    if class_:
        prefix = f"{class_}.storageclass.storage.k8s.io"
        amounts |= {f"{prefix}/requests.storage": size, f"{prefix}/persistentvolumeclaims": Decimal(1)}
    return amounts


def shortage(asked: Amounts, quotas: Iterable[Quota]) -> Refusal | None:
    """The first resource that does not fit. A quota can be raised: even one that is too small in all is waited for."""
    for quota in quotas:
        if quota.spec.scopes or quota.spec.scope_selector:
            continue  # which pods it counts is the API server's to say
        for name, limit in sorted(quota.spec.hard.items()):
            want = asked.get(name)
            if not want:
                continue
            hard, used = quantity.parse(limit), quantity.parse(quota.status.used.get(name, "0"))
            asks, has = _amount(name, want), _amount(name, hard)
            if want > hard:
                text = f"It waits for a larger quota: it asks for {asks}, and its team's quota is {has} in all."
                return Refusal("QuotaTooSmall", text, final=False, action=_LARGER)
            if used + want > hard:
                text = f"It waits for quota: it asks for {asks}, and too much of its team's {has} is in use."
                return Refusal("QuotaExceeded", text, final=False, action=_ACTION)
    return None


def _effective(spec: Mapping[str, Any], kind: str) -> Amounts:
    running = _sum(_of(container, kind) for container in spec["containers"])
    sidecars: Amounts = {}
    peak: Amounts = {}
    for container in spec.get("initContainers", ()):
        own = _of(container, kind)
        if container.get("restartPolicy") == "Always":
            sidecars = _sum((sidecars, own))
        else:
            peak = _max(peak, _sum((sidecars, own)))
    return _max(peak, _sum((running, sidecars)))


def _of(container: Mapping[str, Any], kind: str) -> Amounts:
    resources: Mapping[str, Any] = container.get("resources", {})
    return {name: quantity.parse(str(amount)) for name, amount in resources.get(kind, {}).items()}


def _names(kind: str, name: str) -> tuple[str, ...]:
    if kind == "requests" and name in ("cpu", "memory", "ephemeral-storage"):
        return (name, f"requests.{name}")
    return (f"{kind}.{name}",)


def _sum(parts: Iterable[Amounts]) -> Amounts:
    total: Amounts = {}
    for part in parts:
        for name, amount in part.items():
            total[name] = total.get(name, Decimal(0)) + amount
    return total


def _max(one: Amounts, other: Amounts) -> Amounts:
    return {name: max(one.get(name, Decimal(0)), other.get(name, Decimal(0))) for name in {*one, *other}}


def _amount(name: str, value: Decimal) -> str:
    """In a person's words: `2Gi memory`, `1 CPU`, `8 GPUs`."""
    plain = name.removeprefix("requests.").removeprefix("limits.").removeprefix("count/")
    if plain in ("memory", "storage", "ephemeral-storage") or plain.endswith("/storage"):
        return f"{quantity.human_bytes(value)} {plain}"
    word = _WORDS.get(plain)
    number = f"{value.normalize():f}"
    return f"{number} {plain}" if word is None else f"{number} {word}{'s' if value != 1 else ''}"
