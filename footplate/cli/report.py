"""`footplate report`."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from footplate.cli.group import group
from footplate.cli.options import (
    AllTeamsOption,
    ContextOption,
    KubeconfigOption,
    TeamOption,
    Where,
    moment,
    note,
    on_cluster,
)
from footplate.cli.output import Column, Output, OutputOption, print_list

if TYPE_CHECKING:
    from footplate.api import TrainingJob
    from footplate.cli.progress import Live
    from footplate.client.reports import GoodputRow
    from footplate.client.session import Session
    from footplate.client.spending import Spending

app = group("Reports: what the time and the GPUs of jobs went into.")

By = Annotated[str, typer.Option("--by", help="team, owner, job or priority.")]
Since = Annotated[str, typer.Option("--since", help="Jobs that had not ended before, such as 24h, 7d or 30d.")]


@app.command()
def goodput(
    by: By = "job",
    since: Since = "7d",
    all_teams: AllTeamsOption = False,
    output: OutputOption = Output.TABLE,
    team: TeamOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """What the time of jobs went into, that which brought them forward and that which was lost, by cause."""
    from footplate.api import duration
    from footplate.client import reports
    from footplate.client.reports import GoodputRow

    now = datetime.now(UTC)
    jobs = _jobs(Where(team, context, kubeconfig), all_teams, moment("--since", since), by)
    rows = reports.goodput(jobs, by, now)

    def span(seconds: int) -> str:
        return duration.human(timedelta(seconds=seconds)) if seconds else ""

    causes = sorted({name for row in rows for name in row.lost_seconds})
    column = Column[GoodputRow]
    columns = (
        column(by, lambda row: row.name),
        column("Jobs", lambda row: row.jobs),
        column("Attempts", lambda row: row.attempts),
        column("Goodput", lambda row: f"{row.share:.0%}" if row.share is not None else None),
        column("Productive", lambda row: span(row.productive_seconds)),
        *(_lost(name, span) for name in causes),
        column("Running", lambda row: span(row.open_seconds)),
    )
    print_list(rows, columns, output)


def _lost(name: str, span: Callable[[int], str]) -> Column[GoodputRow]:
    return Column(f"Lost: {name}", lambda row: span(row.lost_seconds.get(name, 0)))


@app.command()
def usage(
    by: By = "job",
    since: Since = "7d",
    all_teams: AllTeamsOption = False,
    output: OutputOption = Output.TABLE,
    team: TeamOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """GPU hours and node hours of jobs, the largest first."""
    from footplate.client import reports
    from footplate.client.reports import UsageRow

    now = datetime.now(UTC)
    start = moment("--since", since)
    rows = reports.usage(_jobs(Where(team, context, kubeconfig), all_teams, start, by), by, start, now)
    column = Column[UsageRow]
    columns = (
        column(by, lambda row: row.name),
        column("Jobs", lambda row: row.jobs),
        column("Running", lambda row: row.running or None),
        column("GPU hours", lambda row: f"{row.gpu_hours:.2f}"),
        column("Node hours", lambda row: f"{row.node_hours:.2f}"),
    )
    print_list(rows, columns, output)


@app.command()
def cost(
    by: By = "job",
    since: Since = "7d",
    all_teams: AllTeamsOption = False,
    prices: Annotated[
        list[Path] | None,
        typer.Option(
            "--prices", metavar="FILE", help="Prices that win over the list prices; FOOTPLATE_PRICES counts too."
        ),
    ] = None,
    output: OutputOption = Output.TABLE,
    team: TeamOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """What jobs cost, by the machines they ran on and the price table; what has no price is named, and in no sum."""
    from footplate.client import spending
    from footplate.client.spending import CostRow
    from footplate.costs.prices import load

    own = [Path(path)] if (path := os.environ.get("FOOTPLATE_PRICES")) else []
    table = load([*own, *(prices or ())])
    now = datetime.now(UTC)
    start = moment("--since", since)
    jobs = _jobs(Where(team, context, kubeconfig), all_teams, start, by)
    found = spending.spending(jobs, by, start, now, table)
    column = Column[CostRow]
    columns = (
        column(by, lambda row: row.name),
        column("Jobs", lambda row: row.jobs),
        column("GPU hours", lambda row: f"{row.gpu_hours:.2f}"),
        column("Node hours", lambda row: f"{row.node_hours:.2f}"),
        column("USD", lambda row: "no price" if row.usd is None and row.unpriced else f"{row.usd or 0.0:.2f}"),
        column("Not priced", lambda row: "; ".join(f"{what}: {hours:g} h" for what, hours in row.unpriced.items())),
    )
    print_list(found.rows, columns, output)
    if output is Output.TABLE:
        _explain_cost(found)


def _explain_cost(found: Spending) -> None:
    from footplate.client import spending

    total, missing = spending.priced(found.rows), spending.unpriced(found.rows)
    if total is not None and len(found.rows) > 1:
        note(f"together {total:.2f} USD{', without what is not priced' if missing else ''}")
    for text in found.notes:
        note(text)
    if found.prices:
        dates = sorted(price.date.isoformat() for price in found.prices)
        note(f"list prices of {dates[0]} to {dates[-1]}, without discounts, traffic and storage: docs/costs.md")
    if missing:
        note(f"no price is known of {', '.join(missing)}: give one with --prices (docs/costs.md)")


def _jobs(where: Where, all_teams: bool, start: datetime, by: str) -> list[TrainingJob]:
    from footplate.api import TrainingJob
    from footplate.client import jobs, reports
    from footplate.client.observing import read
    from footplate.errors import BadUsage

    if by not in reports.BY:
        raise BadUsage(f"--by {by}: it is one of {', '.join(reports.BY)}.")

    async def work(session: Session, live: Live) -> list[TrainingJob]:
        del live
        found = await jobs.listing(session, all_teams=all_teams)
        return [read(raw, TrainingJob) for raw in found]

    chosen = reports.since(on_cluster(where, work), start)
    if not chosen:
        note("no jobs in that time")
    return chosen
