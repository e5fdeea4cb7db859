"""Extend, top, explain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from footplate.cli.options import ContextOption, KubeconfigOption, TeamOption, Where, complete, note, on_cluster
from footplate.cli.output import Column, Output, OutputOption, plain, print_list, print_object
from footplate.cli.workspace.base import Name, app, names, typed

if TYPE_CHECKING:
    from footplate.api import Workspace
    from footplate.api.limits import Limits
    from footplate.cli.progress import Live
    from footplate.client.idling import Event, Extension, Use
    from footplate.client.reasons import Explanation
    from footplate.client.session import Session

MOST = 10
"""Processes that are shown of one workspace."""


@app.command()
def extend(
    name: Name,
    by: Annotated[str, typer.Argument(metavar="DURATION", help="Such as 90m or 2h.")] = "1h",
    output: OutputOption = Output.TABLE,
    team: TeamOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Put off the stop of a workspace that is idle, as far as the platform allows; never brings it closer."""
    from footplate.api import duration
    from footplate.client import idling
    from footplate.errors import BadUsage

    try:
        span = duration.parse(by)
    except ValueError as error:
        raise BadUsage(f"{error}") from error

    async def work(session: Session, live: Live) -> Extension:
        del live
        return await idling.extend(session, name, span)

    made = on_cluster(Where(team, context, kubeconfig), work)
    data = {"name": name, "asked": plain_time(made.asked), "stopsAt": plain_time(made.stops_at), "bounded": made.cut}
    print_object(data, output, lambda _: _extended(name, made))


def _extended(name: str, made: Extension) -> str:
    if made.stops_at is None:
        return f"Workspace {name} is in use: nothing stops it now, and idleness will not before {at(made.asked)}."
    bound = f"; the platform allows no more, {at(made.asked)} was asked for" if made.cut else ""
    return f"Workspace {name} stops at {at(made.stops_at)} unless it is used{bound}."


@app.command()
def top(
    name: Annotated[
        str | None,
        typer.Argument(
            help="Its processes; all workspaces of the team where left out.", autocompletion=complete(names)
        ),
    ] = None,
    output: OutputOption = Output.TABLE,
    team: TeamOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """What workspaces use now: CPU, memory, GPUs, and whether anybody needs them."""
    from footplate.client import idling

    async def work(session: Session, live: Live) -> list[Use]:
        live("looking for a second")
        found = await idling.use(session, name)
        if not found and output is Output.TABLE:
            note(f"No workspace of team {(await session.team()).name} runs.")
        return found

    found = on_cluster(Where(team, context, kubeconfig), work)
    if name is None:
        if found or output is not Output.TABLE:
            print_list(found, _workspaces(), output, data=_data)
        return
    (one,) = found
    if one.usage is None:
        note(f"What workspace {name} uses cannot be told: {one.trouble}.")
    processes: list[Any] = list((one.usage or {}).get("processes") or [])
    columns = (
        Column[Any]("PID", lambda row: row["pid"]),
        Column[Any]("CPU", lambda row: f"{row['cpu']:.2f}"),
        Column[Any]("Memory", lambda row: size(row["memory"])),
        Column[Any]("Command", lambda row: row["command"]),
    )
    if output is Output.TABLE:
        print_list(processes[:MOST], columns, output)
    else:
        print_object(one, output, lambda _: "", data=_data)


def _workspaces() -> tuple[Column[Use], ...]:
    from footplate.cli import human

    def total(use: Use, key: str) -> float | None:
        return sum(row[key] for row in use.usage["processes"]) if use.usage is not None else None

    def activity(use: Use) -> str:
        found = use.workspace.status.activity
        return found.state if found is not None else ""

    def why(use: Use) -> str:
        found = use.workspace.status.activity
        return "; ".join(found.reasons) if found is not None else use.trouble

    def used(use: Use) -> str:
        cpu = total(use, "cpu")
        return f"{cpu:.2f} of {use.workspace.spec.resources.cpu}" if cpu is not None else ""

    def memory(use: Use) -> str:
        found = total(use, "memory")
        return f"{size(int(found))} of {use.workspace.spec.resources.memory}" if found is not None else ""

    def gpu(use: Use) -> str:
        return ", ".join(f"{load}%" for load in use.usage["gpus"].values()) if use.usage is not None else ""

    def stops(use: Use) -> str:
        due = use.workspace.status.stops_at
        return "" if due is None else f"in {human.until(due)}"

    return (
        Column("Name", lambda use: use.workspace.metadata.name),
        Column("Owner", lambda use: use.workspace.spec.owner),
        Column("Activity", activity),
        Column("CPU", used),
        Column("Memory", memory),
        Column("GPU", gpu),
        Column("Stops", stops),
        Column("Why", why),
    )


def _data(use: Use) -> dict[str, Any]:
    status = use.workspace.status
    return {
        "name": use.workspace.metadata.name,
        "owner": use.workspace.spec.owner,
        "activity": plain(status.activity),
        "stopsAt": plain_time(status.stops_at),
        "usage": use.usage,
    }


@app.command()
def explain(
    name: Name,
    output: OutputOption = Output.TABLE,
    team: TeamOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Why a workspace waits, runs, is kept or is stopped, and what you can do about it."""
    from footplate.api.workspace import WorkspacePhase
    from footplate.cli.explaining import explanation_page
    from footplate.cli.workspace.explaining import as_data, page
    from footplate.client import idling, reasons, usage, workspaces

    where = Where(team, context, kubeconfig)

    async def work(session: Session, live: Live) -> Explanation | tuple[Workspace, Limits, list[Event]]:
        del live
        state = typed(await workspaces.get(session, name))
        if state.status.phase is WorkspacePhase.QUEUED:
            return reasons.of_workspace(state, await usage.usage(session), await usage.quota(session))
        return state, await idling.limits_of(session, state), await idling.events(session, name)

    found = on_cluster(where, work)
    if isinstance(found, tuple):
        print_object(found, output, lambda parts: page(*parts, where.flags()), data=lambda parts: as_data(*parts))
    else:
        print_object(found, output, explanation_page)


def at(moment: Any) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def plain_time(moment: Any) -> str | None:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}" if moment is not None else None


def size(amount: int) -> str:
    return f"{amount / 2**30:.1f}Gi" if amount >= 2**30 else f"{amount / 2**20:.0f}Mi"
