"""The machines that a planned stack may run, by which quotas and zones are judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from footplate.costs.charges import Charge
from footplate.costs.estimate import findings
from footplate.costs.machines import vcpus
from footplate.costs.planned import Plan
from footplate.costs.prices import Market, PriceTable


@dataclass(frozen=True)
class Need:
    """`nodes`: at most; None where nothing bounds it."""

    machine: str
    market: Market
    nodes: float | None


@dataclass(frozen=True)
class Needs:
    """Of one cloud. Each of `pools` has its alternatives."""

    region: str = ""
    pools: Sequence[Sequence[Need]] = ()

    @property
    def machines(self) -> list[str]:
        return sorted({need.machine for pool in self.pools for need in pool})


def needs(plan: Plan, table: PriceTable, cloud: str) -> Needs:
    pools: list[list[Need]] = []
    for resource in plan.resources:
        for charge in findings(resource, plan, table):
            if isinstance(charge, Charge) and charge.cloud == cloud:
                asked = [Need(o.item, o.market, o.maximum) for o in charge.options if vcpus(cloud, o.item)]
                pools += [asked] if asked else []
    return Needs(plan.cloud_region(cloud), pools)
