"""The lines of a cost estimate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from rich.text import Text

from footplate.costs.estimate import Estimate, Line, Missing, Total
from footplate.engine import urn as urns
from footplate.engine.display import wording

LISTED: Final = 20
"""Of what is priced and of what is not, that are shown; `--output json` has all."""
_SMALL: Final = 0.005


def lines(found: Estimate) -> Iterator[Text]:
    yield Text("cost an hour, in USD: at minimum, at the autoscaler's maximum", style="bold")
    at_least = "" if found.complete else "at least "
    yield _total("GPU machines", found.minimum, found.maximum, "", gpu=True)
    yield _total("everything", found.minimum, found.maximum, at_least, gpu=False)
    dearest = sorted(found.lines, key=_weight, reverse=True)
    for line in dearest[:LISTED]:
        yield _line(line)
    if len(dearest) > LISTED:
        yield Text(f"  … {len(dearest) - LISTED} more", style="dim")
    yield from _missing([m for m in found.missing if not m.by_use])
    by_use = [_short(m.urn) for m in found.missing if m.by_use]
    if by_use:
        yield Text(f"  billed by use, not counted: {', '.join(by_use)}", style="dim")
    dates = sorted(price.date for price in found.prices)
    if dates:
        since = f"{dates[0]} to {dates[-1]}" if dates[0] != dates[-1] else f"{dates[0]}"
        yield Text(f"  list prices of {since}; without tax, discounts and traffic", style="dim")


def _weight(line: Line) -> float:
    return float("inf") if line.maximum is None else line.maximum


def _total(name: str, minimum: Total, maximum: Total, at_least: str, *, gpu: bool) -> Text:
    low, high = (minimum.gpu, maximum.gpu) if gpu else (minimum.total, maximum.total)
    return Text(f"  {name:<14}").append(f"{at_least}{_usd(low)} to {_usd(high)}", style="bold")


def _line(line: Line) -> Text:
    shown = Text(f"    {_usd(line.minimum)} to {_usd(line.maximum)}  ", style="" if line.gpu else "dim")
    shown.append(f"{_short(line.urn)}: {line.what}", style="dim")
    if line.notes:
        shown.append(f" ({'; '.join(line.notes)})", style="dim")
    return shown


def _missing(found: Sequence[Missing]) -> Iterator[Text]:
    """One line for all of one kind with one reason."""
    if not found:
        return
    yield Text("  not counted", style="yellow")
    grouped: dict[tuple[str, str, str], list[str]] = {}
    for missing in found:
        kind = wording.kind(urns.parse(missing.urn).type)
        grouped.setdefault((kind, missing.what, missing.why), []).append(urns.parse(missing.urn).name)
    for (kind, what, why), names in list(grouped.items())[:LISTED]:
        yield Text(f"    {kind} {', '.join(names)}: {what}: {why}", style="dim")
    if len(grouped) > LISTED:
        yield Text(f"    … {len(grouped) - LISTED} more", style="dim")


def _short(urn: str) -> str:
    return f"{wording.kind(urns.parse(urn).type)} {urns.parse(urn).name}"


def _usd(amount: float | None) -> str:
    if amount is None:
        return "no bound"
    return f"${amount:,.2f}" if amount == 0 or amount >= _SMALL else "<$0.01"
