"""`footplate report`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
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
    """Of the time of jobs: what brought them forward, and what it was lost to otherwise."""
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
