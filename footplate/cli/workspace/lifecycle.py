"""Create, list, show, stop, start, delete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from footplate.cli.options import (
    AllTeamsOption,
    ContextOption,
    KubeconfigOption,
    NoWaitOption,
    TeamOption,
    TimeoutOption,
    Where,
    YesOption,
    complete,
    confirmed,
    note,
    on_cluster,
    seconds,
)
from footplate.cli.output import Column, Output, OutputOption, api_object, print_list, print_object
from footplate.cli.workspace.base import Name, app, typed

if TYPE_CHECKING:
    from footplate.api import Workspace
    from footplate.cli.progress import Live
    from footplate.client.session import Session
    from footplate.kube.decoding import Object


async def _environments(session: Session) -> list[str]:
    from footplate.client import environments

    return [item["metadata"]["name"] for item in await environments.listing(session)]


@app.command()
def create(
    name: Annotated[str | None, typer.Argument(help="Made up where left out.", show_default=False)] = None,
    environment: Annotated[
        str | None,
        typer.Option(
            "--environment", "-e", help="See `footplate environments`.", autocompletion=complete(_environments)
        ),
    ] = None,
    image: Annotated[str | None, typer.Option("--image", help="An image the platform allows, instead.")] = None,
    cpu: Annotated[str | None, typer.Option("--cpu", help="Cores, such as 500m or 4.")] = None,
    memory: Annotated[str | None, typer.Option("--memory", help="Such as 8Gi.")] = None,
    gpus: Annotated[int | None, typer.Option("--gpus", "-g", help="Number of GPUs.")] = None,
    gpu_type: Annotated[str | None, typer.Option("--gpu-type", help="Such as H100; any where left out.")] = None,
    home: Annotated[str | None, typer.Option("--home", help="Size of the home volume; 0: none.")] = None,
    dataset: Annotated[
        list[str] | None,
        typer.Option(
            "--dataset", metavar="NAME=URI[:PATH]", help="Such as digits=s3://data/digits:/data; may be repeated."
        ),
    ] = None,
    env: Annotated[list[str] | None, typer.Option("--env", metavar="NAME=VALUE", help="May be repeated.")] = None,
    ide: Annotated[str | None, typer.Option("--ide", help="jupyterlab or vscode.")] = None,
    owner: Annotated[str | None, typer.Option("--owner", help="Default: you.")] = None,
    open_it: Annotated[bool, typer.Option("--open", help="Open it as soon as it runs.")] = False,
    no_wait: NoWaitOption = False,
    timeout: TimeoutOption = "30m",
    output: OutputOption = Output.TABLE,
    team: TeamOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Create a workspace and wait until it runs."""
    from footplate.client import manifests, workspaces
    from footplate.client.requests import WorkspaceRequest

    request = WorkspaceRequest(
        name,
        environment=environment,
        image=image,
        cpu=cpu,
        memory=memory,
        gpus=gpus,
        gpu_type=gpu_type,
        home=home,
        datasets=manifests.pairs(dataset or [], "--dataset"),
        env=manifests.pairs(env or [], "--env"),
        ide=ide,
        owner=owner,
    )
    where = Where(team, context, kubeconfig)
    limit = seconds(timeout)

    async def work(session: Session, live: Live) -> Object:
        made = await workspaces.create(session, name, request.spec())
        called: str = made["metadata"]["name"]
        if no_wait and not open_it:
            return made
        live.farewell = (
            f"Workspace {called} goes on starting. When it runs: footplate workspace open {called}{where.flags()}"
        )
        await workspaces.until_running(session, called, workspaces.Wait(limit, live))
        return await workspaces.get(session, called)

    made = on_cluster(where, work)
    called: str = made["metadata"]["name"]
    if open_it:
        from footplate.cli.workspace.access import open_

        open_(called, output=output, team=team, context=context, kubeconfig=kubeconfig)
        return
    print_object(made, output, _created, data=api_object)
    if output is Output.TABLE:
        verb = "show" if no_wait else "open"
        note(f"next: footplate workspace {verb} {called}{where.flags()}")


def _created(item: Object) -> str:
    state = typed(item)
    return f"Workspace {state.metadata.name} {'runs' if state.status.phase == 'Running' else 'is being created'}."


@app.command("list")
def list_(
    all_teams: AllTeamsOption = False,
    output: OutputOption = Output.TABLE,
    team: TeamOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """The workspaces of the team, or of all teams."""
    from footplate.api import Workspace
    from footplate.cli import human
    from footplate.client import workspaces
    from footplate.client.observing import leaving
    from footplate.client.teams import team_of

    async def work(session: Session, live: Live) -> list[Object]:
        del live
        found = await workspaces.listing(session, all_teams=all_teams)
        if not found and output is Output.TABLE:
            whose = "No team that you may read has" if all_teams else f"Team {(await session.team()).name} has no"
            note(f"{whose} workspaces. Make one: footplate workspace create")
        return found

    where = Where(team, context, kubeconfig)
    items = [(raw, typed(raw)) for raw in on_cluster(where, work)]
    if not items and output is Output.TABLE:
        return
    row = Column[tuple["Object", Workspace]]
    columns = (
        *([row("Team", lambda pair: team_of(pair[1].metadata.namespace))] if all_teams else []),
        row("Name", lambda pair: pair[1].metadata.name),
        row("Phase", lambda pair: pair[1].status.phase, lambda pair: human.phase_style(pair[1].status.phase)),
        row("Environment", lambda pair: pair[1].spec.environment or pair[1].spec.image),
        row("GPU", lambda pair: human.gpus(pair[1].spec.resources)),
        row("Owner", lambda pair: pair[1].spec.owner),
        row("Age", lambda pair: human.age(pair[1].metadata.creation_timestamp)),
        row("Message", lambda pair: leaving(pair[1]) or pair[1].status.message),
    )
    print_list(items, columns, output, data=lambda pair: api_object(pair[0]))


@app.command()
def show(
    name: Name,
    output: OutputOption = Output.TABLE,
    team: TeamOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """What a workspace does, and why."""
    from footplate.cli.showing import workspace_page
    from footplate.client import workspaces
    from footplate.client.tunnel import opening

    where = Where(team, context, kubeconfig)

    async def work(session: Session, live: Live) -> tuple[Object, int | None]:
        del live
        raw = await workspaces.get(session, name)
        return raw, opening.find(session, typed(raw))

    raw, port = on_cluster(where, work)
    print_object(raw, output, lambda item: workspace_page(typed(item), port, where.flags()), data=api_object)


@app.command()
def stop(
    name: Name,
    when_finished: Annotated[
        bool, typer.Option("--when-finished", help="As soon as nothing runs in it any more; returns at once.")
    ] = False,
    no_wait: NoWaitOption = False,
    timeout: TimeoutOption = "10m",
    team: TeamOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Stop a workspace: its processes end, its home stays."""
    from footplate.client import idling, workspaces

    where = Where(team, context, kubeconfig)
    limit = seconds(timeout)
    if when_finished:
        runs = on_cluster(where, lambda session, live: idling.stop_when_finished(session, name))
        note(f"Workspace {name} {'stops as soon as nothing runs in it' if runs else 'is stopped already'}.")
        return

    async def work(session: Session, live: Live) -> str:
        await workspaces.set_state(session, name, "Stopped")
        if no_wait:
            return "It is being stopped."
        live.farewell = f"Workspace {name} goes on stopping."
        stopped = await workspaces.until_stopped(session, name, workspaces.Wait(limit, live))
        return stopped.status.message or "It is stopped."

    message = on_cluster(where, work)
    note(f"Workspace {name}{message.removeprefix('It')}")


@app.command()
def start(
    name: Name,
    no_wait: NoWaitOption = False,
    timeout: TimeoutOption = "30m",
    team: TeamOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Start a workspace that was stopped; one that failed is tried again."""
    from footplate.client import workspaces

    where = Where(team, context, kubeconfig)
    limit = seconds(timeout)

    async def work(session: Session, live: Live) -> bool:
        changed = await workspaces.set_state(session, name, "Running")
        if not no_wait:
            live.farewell = (
                f"Workspace {name} goes on starting. When it runs: footplate workspace open {name}{where.flags()}"
            )
            await workspaces.until_running(session, name, workspaces.Wait(limit, live))
        return changed

    changed = on_cluster(where, work)
    now = "is being started" if no_wait else "runs"
    note(f"Workspace {name} {now}.{'' if changed else ' It was started already.'}")


@app.command()
def delete(
    name: Name,
    yes: YesOption = False,
    no_wait: NoWaitOption = False,
    timeout: TimeoutOption = "10m",
    team: TeamOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Delete a workspace and its home volume."""
    from footplate.api import quantity
    from footplate.client import workspaces
    from footplate.client.tunnel import opening

    where = Where(team, context, kubeconfig)
    limit = seconds(timeout)

    async def look(session: Session, live: Live) -> Workspace:
        del live
        return typed(await workspaces.get(session, name))

    found = on_cluster(where, look)
    if quantity.parse(found.spec.home.size) > 0:
        confirmed(f"Delete workspace {name} with all that is in its home ({found.spec.home.size})?", yes)

    async def work(session: Session, live: Live) -> None:
        await workspaces.delete(session, name)
        namespace = await session.namespace()
        await opening.close(session, namespace, name)
        opening.forget(session, namespace, name)
        if not no_wait:
            live.farewell = f"Workspace {name} goes on being deleted."
            await workspaces.until_gone(session, name, workspaces.Wait(limit, live), found.metadata.uid)

    on_cluster(where, work)
    note(f"Workspace {name} {'is being deleted' if no_wait else 'is deleted'}.")
