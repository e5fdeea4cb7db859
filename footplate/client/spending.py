"""What jobs cost: the hours of their attempts' nodes, by the price table (`footplate.costs`). Pure.

A job pays for its part of a node: its GPUs, or its CPUs where it has none. What has no price is named with its hours and
is in no sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from footplate.api import TrainingJob, quantity
from footplate.api.meta import Wire
from footplate.api.resources import Resources
from footplate.api.trainingjob import Machine
from footplate.client.reports import attempt_hours, groups
from footplate.costs import machines
from footplate.costs.prices import CLOUDS, Market, Price, PriceTable


class CostRow(Wire, frozen=True, omit_defaults=False):
    """`usd`: None where nothing of it has a price. `unpriced`: what has none → node hours."""

    name: str
    jobs: int
    gpu_hours: float
    node_hours: float
    usd: float | None
    unpriced: dict[str, float]


@dataclass(frozen=True)
class Spending:
    rows: tuple[CostRow, ...]
    prices: tuple[Price, ...]
    """Those that were used."""
    notes: tuple[str, ...]


@dataclass
class _Sum:
    usd: float | None = None
    gpu_hours: float = 0.0
    node_hours: float = 0.0
    unpriced: dict[str, float] = field(default_factory=dict[str, float])


@dataclass(frozen=True)
class _Rate:
    """USD an hour of one node's part that a job has; `why`: there is none, of what."""

    usd: float = 0.0
    why: str = ""
    price: Price | None = None
    note: str = ""


def spending(
    jobs: Iterable[TrainingJob], by: str, start: datetime | None, now: datetime, table: PriceTable
) -> Spending:
    rows: list[CostRow] = []
    prices: dict[Price, None] = {}
    notes: dict[str, None] = {}
    for name, members in groups(jobs, by):
        total = _Sum()
        for job in members:
            _add(total, job, start, now, table, prices, notes)
        unpriced = {what: round(hours, 2) for what, hours in sorted(total.unpriced.items())}
        usd = None if total.usd is None else round(total.usd, 2)
        rows.append(CostRow(name, len(members), round(total.gpu_hours, 2), round(total.node_hours, 2), usd, unpriced))
    rows.sort(key=lambda row: (-(row.usd or 0.0), -row.gpu_hours, row.name))
    return Spending(tuple(rows), tuple(prices), tuple(notes))


def _add(
    total: _Sum,
    job: TrainingJob,
    start: datetime | None,
    now: datetime,
    table: PriceTable,
    prices: dict[Price, None],
    notes: dict[str, None],
) -> None:
    gpu = job.spec.resources.gpu
    for attempt in job.status.attempts:
        hours = attempt_hours(attempt, start, now)
        if not hours:
            continue
        total.node_hours += hours * attempt.nodes
        total.gpu_hours += hours * attempt.nodes * (gpu.count if gpu else 0)
        for machine in attempt.machines or (Machine(count=attempt.nodes),):
            rate = _rate(machine, job.spec.resources, table)
            if rate.price is None:
                total.unpriced[rate.why] = total.unpriced.get(rate.why, 0.0) + hours * machine.count
                continue
            total.usd = (total.usd or 0.0) + hours * machine.count * rate.usd
            prices[rate.price] = None
            notes |= {rate.note: None} if rate.note else {}


def _rate(machine: Machine, resources: Resources, table: PriceTable) -> _Rate:
    if not machine.type:
        return _Rate(why="nodes that name no machine type")
    market = Market(machine.market) if machine.market in set(Market) else Market.ON_DEMAND
    for cloud in CLOUDS:
        price, note = table.bounding(cloud, machine.region, machine.type, market)
        if price is not None:
            part = _part(cloud, machine.type, resources)
            if isinstance(part, str):
                return _Rate(why=part)
            return _Rate(price.hourly * part, price=price, note=note)
    return _Rate(why=f"{machine.type} ({market}) in {machine.region or 'a region that its nodes do not name'}")


def _part(cloud: str, type_: str, resources: Resources) -> float | str:
    """Of a node, 0 to 1; what it is that has no price where that cannot be told."""
    gpu = resources.gpu
    if gpu is None:
        vcpus = machines.vcpus(cloud, type_)
        return min(1.0, float(quantity.parse(resources.cpu)) / vcpus) if vcpus else f"a part of {type_}"
    if gpu.share is not None:
        return f"{gpu.share} shares of GPUs of {type_}"
    there = machines.gpus(cloud, type_)
    return min(1.0, gpu.count / there.number) if there else f"GPUs of {type_}"


def priced(rows: Iterable[CostRow]) -> float | None:
    """The sum of what has a price; None where nothing has."""
    known = [row.usd for row in rows if row.usd is not None]
    return round(sum(known), 2) if known else None


def unpriced(rows: Iterable[CostRow]) -> Mapping[str, float]:
    found: dict[str, float] = {}
    for row in rows:
        for what, hours in row.unpriced.items():
            found[what] = found.get(what, 0.0) + hours
    return found
