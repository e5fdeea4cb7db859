"""From planned resources to one estimate: lines with prices, gaps, and totals at the minimum and at the maximum."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from footplate.costs import aws, gcp, karpenter
from footplate.costs.charges import Charge, Finding, Gap, Rule
from footplate.costs.planned import Plan, Planned
from footplate.costs.prices import Price, PriceTable

RULES: Final[Mapping[str, Rule]] = {**aws.RULES, **gcp.RULES, karpenter.NODE_POOL: karpenter.rule}
_BY_USE: Final = {**aws.BY_USE, **gcp.BY_USE}
_FREE: Final = (*aws.FREE_MODULES, *gcp.FREE_MODULES, "aws:index/", "gcp:index/")


@dataclass(frozen=True)
class Line:
    """USD an hour. `maximum` None: nothing bounds it."""

    urn: str
    what: str
    gpu: bool
    minimum: float
    maximum: float | None
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Missing:
    """What is not in the totals."""

    urn: str
    what: str
    why: str
    by_use: bool = False


@dataclass(frozen=True)
class Total:
    gpu: float | None
    total: float | None


@dataclass(frozen=True)
class Estimate:
    lines: Sequence[Line]
    missing: Sequence[Missing]
    prices: Sequence[Price]

    @property
    def minimum(self) -> Total:
        return Total(sum(x.minimum for x in self.lines if x.gpu), sum(x.minimum for x in self.lines))

    @property
    def maximum(self) -> Total:
        """None where a line has no bound."""
        return Total(_sum([x.maximum for x in self.lines if x.gpu]), _sum([x.maximum for x in self.lines]))

    @property
    def complete(self) -> bool:
        """Whether all that costs by the hour is counted."""
        return all(missing.by_use for missing in self.missing)

    def data(self) -> dict[str, Any]:
        """For JSON; amounts are USD an hour, null without a bound."""
        return {
            "currency": "USD",
            "per": "hour",
            "minimum": _amounts(self.minimum),
            "maximum": _amounts(self.maximum),
            "complete": self.complete,
            "lines": [
                {
                    "urn": line.urn,
                    "what": line.what,
                    "gpu": line.gpu,
                    "minimum": round(line.minimum, 4),
                    "maximum": None if line.maximum is None else round(line.maximum, 4),
                    **({"notes": list(line.notes)} if line.notes else {}),
                }
                for line in self.lines
            ],
            "notCounted": [{"urn": m.urn, "what": m.what, "why": m.why} for m in self.missing if not m.by_use],
            "billedByUse": [{"urn": m.urn, "why": m.why} for m in self.missing if m.by_use],
            "prices": [
                {
                    "region": p.region,
                    "item": p.item,
                    "market": p.market.value,
                    "usd": p.usd,
                    "unit": p.unit,
                    "source": p.source,
                    "date": p.date.isoformat(),
                }
                for p in self.prices
            ],
        }


def _sum(amounts: Sequence[float | None]) -> float | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if len(known) == len(amounts) else None


def _amounts(total: Total) -> dict[str, float | None]:
    return {
        "gpu": None if total.gpu is None else round(total.gpu, 4),
        "total": None if total.total is None else round(total.total, 4),
    }


def estimate(plan: Plan, table: PriceTable) -> Estimate:
    lines: list[Line] = []
    missing: list[Missing] = []
    used: dict[Price, None] = {}
    for resource in plan.resources:
        for finding in findings(resource, plan, table):
            if isinstance(finding, Gap):
                missing.append(Missing(resource.urn, finding.what, finding.why, finding.by_use))
            else:
                _price(resource, finding, table, lines, missing, used)
    return Estimate(lines, missing, list(used))


def findings(resource: Planned, plan: Plan, table: PriceTable) -> Iterable[Finding]:
    rule = RULES.get(resource.type)
    if rule is not None:
        return rule(resource, plan, table)
    if resource.type in _BY_USE:
        return [Gap("use", _BY_USE[resource.type], by_use=True)]
    if not resource.type.startswith(("aws:", "gcp:")) or resource.type.startswith(_FREE):
        return []
    return [Gap("all of it", f"there is no price rule for {resource.type}")]


def _price(
    resource: Planned,
    charge: Charge,
    table: PriceTable,
    lines: list[Line],
    missing: list[Missing],
    used: dict[Price, None],
) -> None:
    notes = [charge.note] if charge.note else []
    minimums: list[float] = []
    maximums: list[float | None] = []
    unpriced: list[str] = []
    for option in charge.options:
        price, note = table.bounding(charge.cloud, charge.region, option.item, option.market)
        if price is None:
            unpriced.append(f"{option.item} ({option.market})")
            continue
        used[price] = None
        if note and note not in notes:
            notes.append(note)
        minimums.append(option.minimum * price.hourly)
        maximums.append(None if option.maximum is None else option.maximum * price.hourly)
    where = charge.region or "a region that is not known yet"
    if unpriced:
        why = f"no price of {', '.join(unpriced)} in {where}"
        missing.append(Missing(resource.urn, charge.what, why))
    if minimums:
        bound = None if None in maximums else max(m for m in maximums if m is not None)
        lines.append(Line(resource.urn, charge.what, charge.gpu, min(minimums), bound, notes))
