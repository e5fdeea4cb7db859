"""The price table: `prices/<cloud>.csv` of this package, and files of one's own in the same form, which win.

Columns: region (`*`: every region), item, market, usd, unit, source, date (of the price list, or when the row was entered
where the list has none). An item is a machine type, or a thing that a rule of the cloud names (`eks-cluster`, `disk:gp3`).
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import Final, TextIO

from footplate.errors import BadUsage

CLOUDS: Final = ("aws", "gcp")
COLUMNS: Final = ("region", "item", "market", "usd", "unit", "source", "date")
MONTH: Final = 730.0
"""Hours, as both clouds reckon a month."""
_HOURS: Final = {"hour": 1.0, "month": MONTH, "GiB-hour": 1.0, "GiB-month": MONTH}
ANYWHERE: Final = "*"


class Market(StrEnum):
    ON_DEMAND = "on-demand"
    SPOT = "spot"
    FLEX_START = "flex-start"
    CAPACITY_BLOCK = "capacity-block"
    RESERVED = "reserved"


_DEARER: Final = {
    Market.SPOT: "counted at the on-demand price, which spot does not exceed",
    Market.FLEX_START: "counted at the on-demand price, which flex-start does not exceed",
    Market.RESERVED: "counted at the on-demand price, which is what a reservation costs, used or not",
}
"""Markets whose price the on-demand price bounds, where the table has none of their own."""


@dataclass(frozen=True)
class Price:
    """`usd`: of one unit (`hour`, `month`, `GiB-hour`, `GiB-month`), without tax, discounts and traffic."""

    region: str
    item: str
    market: Market
    usd: float
    unit: str
    source: str
    date: date

    @property
    def hourly(self) -> float:
        return self.usd / _HOURS[self.unit]


class PricesInvalid(BadUsage):
    """A price file of one's own does not read; the message names file, line and column."""


class PriceTable:
    def __init__(self, prices: Iterable[tuple[str, Price]]) -> None:
        """(cloud, price); of two for the same thing the later one counts."""
        self._prices = {(cloud, price.region, price.item, price.market): price for cloud, price in prices}

    def find(self, cloud: str, region: str, item: str, market: Market) -> Price | None:
        exact = self._prices.get((cloud, region, item, market))
        return exact or self._prices.get((cloud, ANYWHERE, item, market))

    def bounding(self, cloud: str, region: str, item: str, market: Market) -> tuple[Price | None, str]:
        """Of what has no price of its own, the on-demand price where that bounds it, with a note."""
        price = self.find(cloud, region, item, market)
        if price is None and market in _DEARER:
            price = self.find(cloud, region, item, Market.ON_DEMAND)
            if price is not None:
                return price, f"no {market} price of {item} here: {_DEARER[market]}"
        return price, ""

    def machines(self, cloud: str, region: str) -> list[str]:
        """Machine types that have a price in the region."""
        return list(dict.fromkeys(i for c, r, i, _ in self._prices if c == cloud and r == region and ":" not in i))


def load(own: Sequence[Path] = ()) -> PriceTable:
    return PriceTable([*_packaged(), *(row for path in own for row in _own(path))])


def _packaged() -> Iterator[tuple[str, Price]]:
    for cloud in CLOUDS:
        source = resources.files("footplate.costs") / "prices" / f"{cloud}.csv"
        with source.open() as stream:
            for row in csv.DictReader(stream):
                yield cloud, _price(row)


def _own(path: Path) -> Iterator[tuple[str, Price]]:
    """As the packaged files, with a column `cloud` besides."""
    try:
        with path.open() as stream:
            yield from _checked(path, stream)
    except (OSError, UnicodeDecodeError) as error:
        raise PricesInvalid(f"the price file {path} cannot be read: {error}") from error


def _checked(path: Path, stream: TextIO) -> Iterator[tuple[str, Price]]:
    reader = csv.DictReader(stream)
    missing = [name for name in ("cloud", *COLUMNS) if name not in (reader.fieldnames or ())]
    if missing:
        raise PricesInvalid(
            f"{path}: the column {missing[0]!r} is missing", f"the columns are {', '.join(('cloud', *COLUMNS))}"
        )
    for row in reader:
        where = f"{path}, line {reader.line_num}"
        if row["cloud"] not in CLOUDS:
            raise PricesInvalid(f"{where}: cloud is {row['cloud']!r}", f"it is one of {', '.join(CLOUDS)}")
        if row["unit"] not in _HOURS:
            raise PricesInvalid(f"{where}: unit is {row['unit']!r}", f"it is one of {', '.join(_HOURS)}")
        if row["market"] not in set(Market):
            raise PricesInvalid(f"{where}: market is {row['market']!r}", f"it is one of {', '.join(Market)}")
        if not row["source"]:
            raise PricesInvalid(f"{where}: source is empty", "say where the price comes from, such as the contract")
        try:
            price = _price(row)
        except ValueError as error:
            raise PricesInvalid(f"{where}: {error}", "usd is a number, date is written 2026-12-31") from error
        if price.usd < 0:
            raise PricesInvalid(f"{where}: usd is {price.usd:g}", "a price is 0 or more")
        yield row["cloud"], price


def _price(row: dict[str, str]) -> Price:
    return Price(
        row["region"],
        row["item"],
        Market(row["market"]),
        float(row["usd"]),
        row["unit"],
        row["source"],
        date.fromisoformat(row["date"]),
    )
