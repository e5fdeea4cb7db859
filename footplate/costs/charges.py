"""What a rule says of a resource: how many of which priced thing it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from footplate.costs.planned import Plan, Planned
from footplate.costs.prices import Market, PriceTable


@dataclass(frozen=True)
class Option:
    """One way in which the charge can come about. `maximum` None: nothing bounds it."""

    item: str
    market: Market
    minimum: float
    maximum: float | None


@dataclass(frozen=True)
class Charge:
    """The cheapest option counts at the minimum, the dearest at the maximum. `gpu`: machines with GPUs, or the GPUs."""

    what: str
    cloud: str
    region: str
    options: Sequence[Option]
    gpu: bool = False
    note: str = ""


@dataclass(frozen=True)
class Gap:
    """What is not counted, and why. `by_use`: it costs what is used of it, which no plan can tell."""

    what: str
    why: str
    by_use: bool = False


Finding: TypeAlias = Charge | Gap
Rule: TypeAlias = Callable[[Planned, Plan, PriceTable], Iterable[Finding]]

UNKNOWN_YET = "known only after the update"


def fee(cloud: str, what: str, resource: Planned, plan: Plan, item: str, amount: float = 1) -> Charge:
    """At the on-demand price, whatever runs."""
    return Charge(what, cloud, plan.region(resource), [Option(item, Market.ON_DEMAND, amount, amount)])


def storage(cloud: str, what: str, resource: Planned, plan: Plan, item: str, size: float | None) -> Finding:
    """`size` in GiB; None where it is not known yet."""
    if size is None:
        return Gap(what, f"its size is {UNKNOWN_YET}")
    return fee(cloud, f"{what} of {size:g} GiB", resource, plan, item, size)


def span(minimum: float, maximum: float | None) -> str:
    """`0 to 8`, `3`, `2 or more`."""
    if maximum is None:
        return f"{minimum:g} or more"
    return f"{minimum:g}" if minimum == maximum else f"{minimum:g} to {maximum:g}"
