"""Karpenter's NodePools: the machines that their requirements admit, up to their limits (https://karpenter.sh/docs/concepts/nodepools/)."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, cast

import msgspec

from footplate.costs.aws import disks
from footplate.costs.charges import Charge, Finding, Gap, Option
from footplate.costs.machines import gpus, vcpus
from footplate.costs.planned import Plan, Planned
from footplate.costs.prices import Market, PriceTable

NODE_POOL: Final = "kubernetes:karpenter.sh/v1:NodePool"
NODE_CLASS: Final = "kubernetes:karpenter.k8s.aws/v1:EC2NodeClass"
GPU: Final = "nvidia.com/gpu"
_MARKETS: Final = {"spot": Market.SPOT, "on-demand": Market.ON_DEMAND, "reserved": Market.RESERVED}
_UNITS: Final = {"": 1.0, "k": 1e3, "M": 1e6, "m": 1e-3}


class Requirement(msgspec.Struct, frozen=True):
    key: str
    operator: str = "In"
    values: tuple[str, ...] = ()


def _family(machine: str) -> str:
    return machine.partition(".")[0]


def _generation(machine: str) -> str:
    return next(iter(re.findall(r"\d+", _family(machine))), "")


def _architecture(machine: str) -> str:
    return "arm64" if re.fullmatch(r"[a-z]+\d+g[a-z]*", _family(machine)) else "amd64"


_LABELS: Final[Mapping[str, Callable[[str], str]]] = {
    "node.kubernetes.io/instance-type": lambda machine: machine,
    "karpenter.k8s.aws/instance-family": _family,
    "karpenter.k8s.aws/instance-size": lambda machine: machine.partition(".")[2],
    "karpenter.k8s.aws/instance-category": lambda machine: re.split(r"\d", _family(machine))[0],
    "karpenter.k8s.aws/instance-generation": _generation,
    "karpenter.k8s.aws/instance-cpu": lambda machine: str(vcpus("aws", machine) or ""),
    "karpenter.k8s.aws/instance-gpu-count": lambda machine: (
        str(found.number) if (found := gpus("aws", machine)) else ""
    ),
    "kubernetes.io/arch": _architecture,
}


def rule(resource: Planned, plan: Plan, table: PriceTable) -> Iterable[Finding]:
    region = plan.cloud_region("aws")
    requirements = _requirements(resource)
    admitted = [m for m in _candidates(requirements, table, region) if all(_admits(r, m) for r in requirements)]
    if not admitted:
        yield Gap("machines", f"no machine that its requirements admit has a price in {region or 'its region'}")
        return
    markets = _markets(requirements)
    limits = cast(Mapping[str, Any], resource.get("spec", "limits") or {})
    standing = resource.number("spec", "replicas") or 0
    options = [Option(machine, market, standing, _most(machine, limits)) for machine in admitted for market in markets]
    listed = " or ".join(admitted) if len(admitted) <= 3 else f"{len(admitted)} machine types"
    limited = f"up to {', '.join(f'{v} {k}' for k, v in limits.items())}" if limits else "without limits"
    yield Charge(
        f"Karpenter: {listed}, {' or '.join(markets)}, {limited}",
        "aws",
        region,
        options,
        gpu=any(gpus("aws", machine) for machine in admitted),
    )
    mosts = [option.maximum for option in options]
    most = None if None in mosts else max(most for most in mosts if most is not None)
    yield from disks(_mappings(resource, plan), region, standing, most)


def _mappings(resource: Planned, plan: Plan) -> Any:
    """Of the EC2NodeClass that it refers to by name."""
    name = resource.get("spec", "template", "spec", "nodeClassRef", "name")
    classes = (r for r in plan.resources if r.type == NODE_CLASS and r.get("metadata", "name") == name)
    found = next(classes, None)
    return found.get("spec", "blockDeviceMappings") if found is not None else None


def _requirements(resource: Planned) -> list[Requirement]:
    found = resource.get("spec", "template", "spec", "requirements")
    try:
        return msgspec.convert(found or [], list[Requirement], strict=False)
    except msgspec.ValidationError:  # values that are unknown still
        return []


def _candidates(requirements: list[Requirement], table: PriceTable, region: str) -> list[str]:
    """What is named, priced or not; else all that have a price."""
    for requirement in requirements:
        if requirement.key == "node.kubernetes.io/instance-type" and requirement.operator == "In":
            return list(requirement.values)
    return [m for m in table.machines("aws", region) if "." in m]


def _admits(requirement: Requirement, machine: str) -> bool:
    label = _LABELS.get(requirement.key)
    if label is None:
        return True
    value, wanted = label(machine), requirement.values
    match requirement.operator:
        case "In":
            return value in wanted
        case "NotIn":
            return value not in wanted
        case "Exists":
            return bool(value)
        case "DoesNotExist":
            return not value
        case "Gt" | "Lt" as operator if wanted and value.isdigit():
            return int(value) > int(wanted[0]) if operator == "Gt" else int(value) < int(wanted[0])
        case _:
            return False


def _markets(requirements: list[Requirement]) -> list[Market]:
    for requirement in requirements:
        if requirement.key == "karpenter.sh/capacity-type" and requirement.operator == "In":
            return [_MARKETS[v] for v in requirement.values if v in _MARKETS] or [Market.ON_DEMAND]
    return [Market.ON_DEMAND]


def _most(machine: str, limits: Mapping[str, Any]) -> float | None:
    """Nodes of that type that the limits allow; None: no limit binds it."""
    found = gpus("aws", machine)
    sizes = {GPU: found.number if found else None, "cpu": vcpus("aws", machine), "nodes": 1}
    bounds = [
        math.floor(limit / size)
        for name, size in sizes.items()
        if size and name in limits and (limit := _amount(limits[name])) is not None
    ]
    return float(min(bounds)) if bounds else None


def _amount(value: Any) -> float | None:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([kMm]?)", str(value))
    return float(found[1]) * _UNITS[found[2]] if found else None
