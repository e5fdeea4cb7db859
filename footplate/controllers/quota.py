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
    """The first resource that does not fit; final where it would not fit an empty team either."""
    for quota in quotas:
        if quota.spec.scopes or quota.spec.scope_selector:
            continue  # which pods it counts is the API server's to say
        for name, limit in sorted(quota.spec.hard.items()):
            want = asked.get(name)
            if not want:
                continue
            hard, used = quantity.parse(limit), quantity.parse(quota.status.used.get(name, "0"))
            if want > hard:
                return Refusal(
                    "QuotaTooSmall",
                    f"It asks for {_amount(name, want)}, but the quota of namespace {quota.metadata.namespace} is {limit} in all: "
                    "ask for less, or for a larger quota.",
                )
            if used + want > hard:
                return Refusal(
                    "QuotaExceeded",
                    f"Waiting for quota: it asks for {_amount(name, want)}, and namespace {quota.metadata.namespace} uses "
                    f"{_number(name, used)} of {limit}. Stop or delete something there, or ask for a larger quota.",
                    final=False,
                    action="stop or delete a workspace or job of the team, or ask for a larger quota",
                )
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
    if name in ("pods", "count/pods", "persistentvolumeclaims"):
        return f"{value:f} {'pods' if 'pods' in name else 'volume claims'}"
    return f"{_number(name, value)} of {name}"


def _number(name: str, value: Decimal) -> str:
    if "memory" in name or "storage" in name:
        return quantity.human_bytes(value)
    return f"{value.normalize():f}"
