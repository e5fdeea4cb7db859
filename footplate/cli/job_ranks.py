"""`footplate job top|stacks`."""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from footplate.cli.job_recovery import Name
from footplate.cli.options import ContextOption, KubeconfigOption, TeamOption, Where, note, on_cluster
from footplate.cli.output import Column, Output, OutputOption, print_data, print_list

if TYPE_CHECKING:
    from footplate.api.reports import Stack
    from footplate.cli.progress import Live
    from footplate.client.ranks import Row, Top
    from footplate.client.session import Session

EVERY = 2.0
"""Seconds between looks, where they are repeated."""
_HOME_AND_CLEAR = "\x1b[H\x1b[J"


def top(
    name: Name,
    once: Annotated[bool, typer.Option("--once", help="Look once, also on a terminal.")] = False,
    output: OutputOption = Output.TABLE,
    team: TeamOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """How far each rank is, how fast, and what it uses; on a terminal again and again, until Ctrl-C."""
    from footplate.client import ranks
    from footplate.errors import Conflict

    repeated = output is Output.TABLE and sys.stdout.isatty() and not once

    async def work(session: Session, live: Live) -> None:
        found = await ranks.top(session, name)
        if not repeated:
            _print(found, output)
            return
        live.pause()
        while True:
            print(_HOME_AND_CLEAR, end="")
            _print(found, output)
            await asyncio.sleep(EVERY)
            try:
                found = await ranks.top(session, name)
            except Conflict as over:
                note(str(over))
                return

    on_cluster(Where(team, context, kubeconfig), work)


def _print(found: Top, output: Output) -> None:
    if output is not Output.TABLE:
        print_data(found.data(), output)
        return
    print(headline(found), flush=True)
    print_list(found.rows, columns(found), output)
    sys.stdout.flush()
    for trouble in found.troubles:
        note(f"cannot look into pod {trouble}")


def headline(found: Top) -> str:
    steps = [row.beat.step for row in found.rows if row.beat.step is not None]
    far = f"step {max(steps)}" if steps else "no step reported"
    of = f" of {found.total_steps}" if steps and found.total_steps else ""
    slow = f", slow nodes: {', '.join(sorted(found.slow.nodes))}" if found.slow.nodes else ""
    return f"Job {found.job.metadata.name}, attempt {found.attempt}: {far}{of}{slow}"


def columns(found: Top) -> tuple[Column[Row], ...]:
    from datetime import timedelta

    from footplate.api import duration
    from footplate.api.quantity import human_bytes
    from footplate.client.ranks import STATES, steps_per_second

    def speed(row: Row) -> str:
        each = steps_per_second(row.beat)
        return f"{each:.3g}" if each is not None else ""

    def age(row: Row) -> str:
        return duration.human(timedelta(seconds=row.age)) if row.age is not None else ""

    def state(row: Row) -> str:
        waits = f" in {row.beat.waits}" if row.beat.state == "D" and row.beat.waits else ""
        slow = f", {row.slow.times:.1f} × the others' time" if row.slow is not None else ""
        return f"{STATES.get(row.beat.state, row.beat.state)}{waits}{slow}"

    def style(row: Row) -> str | None:
        return "31" if row.beat.state in ("T", "t", "D", "") else "33" if row.slow is not None else None

    gpu = (Column["Row"]("GPU", lambda row: f"{row.gpu:.0f}%" if row.gpu is not None else None),)
    return (
        Column("Rank", lambda row: row.beat.rank),
        Column("Node", lambda row: row.node),
        Column("Step", lambda row: row.beat.step),
        Column("Steps/s", speed),
        Column("CPU", lambda row: f"{row.beat.cores:.2f}"),
        Column("Memory", lambda row: f"{human_bytes(row.beat.memory)}B"),
        *(gpu if found.job.spec.resources.gpu else ()),
        Column("Reported", age),
        Column("State", state, style),
    )


def stacks(
    name: Name,
    rank: Annotated[int | None, typer.Option("--rank", help="Of one process only.", min=0)] = None,
    attempt: Annotated[
        int | None, typer.Option("--attempt", help="Default: the one that runs, else the last that hung.", min=1)
    ] = None,
    output: OutputOption = Output.TABLE,
    team: TeamOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """What each rank is doing, by its Python stack: now, which leaves the job undisturbed, or when an attempt hung."""
    from footplate.client import ranks

    async def work(session: Session, live: Live) -> tuple[int, bool, list[Stack]]:
        live("reading the stacks")
        return await ranks.stacks(session, name, rank, attempt)

    _show(*on_cluster(Where(team, context, kubeconfig), work), output)


def _show(attempt: int, now: bool, found: list[Stack], output: Output) -> None:
    if output is Output.TABLE:
        note(f"attempt {attempt}, {'now' if now else 'before it was ended'}")
        print("\n".join(stack.text for stack in found), end="")
        return
    import msgspec

    print_data([msgspec.to_builtins(stack) for stack in found], output)


def register(app: typer.Typer) -> None:
    for command in (top, stacks):
        app.command()(command)
