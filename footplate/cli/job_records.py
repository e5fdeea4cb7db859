"""`footplate job logs|metrics|artifacts`: what a job prints, reports and leaves."""

from __future__ import annotations

import csv
import math
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from footplate.cli.job_recovery import Name
from footplate.cli.options import ContextOption, KubeconfigOption, TeamOption, Where, moment, note, on_cluster
from footplate.cli.output import Column, Output, OutputOption, print_data, print_list, terminal_width

if TYPE_CHECKING:
    from footplate.cli.progress import Live
    from footplate.client.records.artifacts import Found
    from footplate.client.records.metrics import Point, Row
    from footplate.client.session import Session

Attempt = Annotated[int | None, typer.Option("--attempt", help="Of one attempt only; default: of all.")]

_WIDTH, _HEIGHT = 100, 18


class MetricsOutput(StrEnum):
    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
    CSV = "csv"


def logs(
    name: Name,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Wait for it to start, and follow to its end.")
    ] = False,
    rank: Annotated[int | None, typer.Option("--rank", help="Of one process only.")] = None,
    node: Annotated[int | None, typer.Option("--node", help="Of one node only.")] = None,
    attempt: Annotated[int | None, typer.Option("--attempt", help="Default: the last.")] = None,
    tail: Annotated[int | None, typer.Option("--tail", "-n", help="Only the last lines of each node.", min=0)] = None,
    since: Annotated[
        str | None, typer.Option("--since", help="Only later lines: 10m, 2h, or a time such as 2026-01-31T12:00:00Z.")
    ] = None,
    team: TeamOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """What the job's processes print, from the object store where its pods are gone."""
    from footplate.api import TrainingJob
    from footplate.cli.loglines import print_lines
    from footplate.client import jobs
    from footplate.client.logs.sources import job_lines
    from footplate.client.observing import read

    where = Where(team, context, kubeconfig)
    begin = moment("--since", since) if since else None

    async def work(session: Session, live: Live) -> None:
        live.farewell = f"Job {name} goes on. To come back: footplate job logs {name} -f{where.flags()}"
        job = read(await jobs.get(session, name), TrainingJob)
        several = rank is None and node is None
        lines = job_lines(
            session, name, follow=follow, node=node, rank=rank, attempt=attempt, tail=tail, since=begin, report=live
        )
        await print_lines(lines, live, nodes=job.spec.nodes if several else 1)

    on_cluster(where, work)


def metrics(
    name: Name,
    metric: Annotated[list[str] | None, typer.Option("--metric", "-m", help="Only this one; may be repeated.")] = None,
    plot: Annotated[bool, typer.Option("--plot", help="Draw each of them.")] = False,
    attempt: Attempt = None,
    output: Annotated[
        MetricsOutput, typer.Option("--output", "-o", help="table for people; json, yaml or csv: every row.")
    ] = MetricsOutput.TABLE,
    team: TeamOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """What the program reported by step, such as its loss; where attempts did the same steps, the later one counts."""
    from footplate.client.records import metrics as kept
    from footplate.errors import BadUsage

    async def work(session: Session, live: Live) -> list[Row]:
        live("reading the metrics")
        return await kept.rows(session, name, attempt)

    rows = on_cluster(Where(team, context, kubeconfig), work)
    known = kept.names(rows)
    for one in metric or ():
        if one not in known:
            raise BadUsage(f"Job {name} reports no metric {one!r}.", f"it reports {', '.join(known)}")
    chosen = [one for one in known if not metric or one in metric]
    if output is not MetricsOutput.TABLE:
        _print_rows(rows, chosen, output)
        return
    column = Column[kept.Summary]
    columns = (
        column("Metric", lambda row: row.metric),
        column("Points", lambda row: row.points),
        column("First", lambda row: _point(row.first)),
        column("Lowest", lambda row: _point(row.lowest)),
        column("Highest", lambda row: _point(row.highest)),
        column("Last", lambda row: _point(row.last)),
    )
    print_list([kept.summary(rows, one) for one in chosen], columns, Output.TABLE)
    if plot:
        for one in chosen:
            if found := kept.points(rows, one):
                print(f"\n{one}\n{drawn(found, terminal_width() or _WIDTH)}")


def drawn(points: list[Point], width: int) -> str:
    """Steps to the right, values upwards."""
    import plotext

    figure: Any = plotext.figure
    figure.clear()
    figure.plot_size(min(width, _WIDTH), _HEIGHT)
    signal = figure.signal([point.step for point in points], [point.value for point in points])
    if len(points) > 1:
        signal.lines()
    figure.draw(signal)
    return figure.build().string(colorless=True)


def _point(point: Point | None) -> str | None:
    return f"{point.value:.4g} (step {point.step})" if point else None


def _print_rows(rows: list[Row], chosen: list[str], output: MetricsOutput) -> None:
    heads = ["step", "time", "attempt", *chosen]
    wanted = [{head: row[head] for head in heads if head in row} for row in rows if any(one in row for one in chosen)]
    if output is MetricsOutput.CSV:
        writer = csv.DictWriter(sys.stdout, heads, lineterminator="\n")
        writer.writeheader()
        writer.writerows(wanted)
        return
    # JSON has no such numbers: they are text, as they were reported.
    plain = [{head: _plain(value) for head, value in row.items()} for row in wanted]
    print_data(plain, Output(output.value))


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def artifacts(
    name: Name,
    download: Annotated[
        Path | None, typer.Option("--download", "-d", help="Fetch them into this directory.", file_okay=False)
    ] = None,
    attempt: Attempt = None,
    output: OutputOption = Output.TABLE,
    team: TeamOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Files that its attempts left in FOOTPLATE_ARTIFACTS_DIR and FOOTPLATE_TENSORBOARD_DIR."""
    from footplate.api.quantity import human_bytes
    from footplate.cli import human
    from footplate.client.records import artifacts as kept

    async def work(session: Session, live: Live) -> tuple[Found, list[Path]]:
        live("listing the artifacts")
        found = await kept.listing(session, name, attempt)
        fetched = await kept.download(session, name, download, attempt, live) if download else []
        return found, fetched

    found, fetched = on_cluster(Where(team, context, kubeconfig), work)
    for one in found.left_out:
        note(f"attempt {one.attempt}: {one.path} ({human_bytes(one.size)}B) was left out: it was over the limit")
    if not found.artifacts and output is Output.TABLE:
        note(f"Job {name} left no artifacts. A program leaves them in FOOTPLATE_ARTIFACTS_DIR.")
        return
    column = Column[kept.Artifact]
    columns = (
        column("Attempt", lambda row: row.attempt),
        column("Size", lambda row: f"{human_bytes(row.size)}B"),
        column("Age", lambda row: human.age(row.modified)),
        column("Path", lambda row: row.path),
    )
    print_list(found.artifacts, columns, output)
    if download is not None:
        note(f"{len(fetched)} files are in {download}")


def register(app: typer.Typer) -> None:
    for command in (logs, metrics, artifacts):
        app.command()(command)
