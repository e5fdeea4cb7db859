"""Snapshot, snapshots, restore, clone, resize."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from footplate.cli.options import (
    ContextOption,
    KubeconfigOption,
    NoWaitOption,
    TeamOption,
    TimeoutOption,
    Where,
    YesOption,
    confirmed,
    note,
    on_cluster,
    seconds,
)
from footplate.cli.output import Column, Output, OutputOption, api_object, print_list, print_object
from footplate.cli.workspace.base import Name, app, typed

if TYPE_CHECKING:
    from footplate.api import Workspace
    from footplate.api.home import Answer, Snapshot
    from footplate.cli.progress import Live
    from footplate.client.session import Session
    from footplate.client.workspaces import Wait
    from footplate.kube.decoding import Object

SnapshotOption = Annotated[
    str | None, typer.Option("--snapshot", help="Its id, as `snapshots` lists them; default: the latest.")
]
AtOption = Annotated[
    str | None, typer.Option("--at", metavar="TIME", help="The newest until then, such as 2026-11-20T18:00Z.")
]


@app.command()
def snapshot(
    name: Name,
    no_wait: NoWaitOption = False,
    timeout: TimeoutOption = "1h",
    output: OutputOption = Output.TABLE,
    team: TeamOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Save a workspace's home to the object store now, running or not; verified before it counts."""
    from footplate.client import homes

    limit = seconds(timeout)

    async def work(session: Session, live: Live) -> tuple[Answer | None, Workspace]:
        live.farewell = f"The snapshot of {name} goes on."
        answer = await homes.snapshot(session, name, _wait(limit, live, no_wait))
        return answer, typed(await _get(session, name))

    answer, state = on_cluster(Where(team, context, kubeconfig), work)
    if answer is None:
        note(f"Home of workspace {name} is being saved.")
        return
    newest = state.status.home.snapshots[0] if state.status.home and state.status.home.snapshots else None
    print_object(newest, output, lambda _: answer.message)


@app.command()
def snapshots(
    name: Name,
    output: OutputOption = Output.TABLE,
    team: TeamOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """The snapshots of a workspace's home, the newest first."""

    async def work(session: Session, live: Live) -> Workspace:
        del live
        return typed(await _get(session, name))

    state = on_cluster(Where(team, context, kubeconfig), work)
    home = state.status.home
    found = list(home.snapshots) if home is not None else []
    if found or output is not Output.TABLE:
        print_list(found, _columns(), output)
    if output is not Output.TABLE:
        return
    if not found:
        note(f"There is no snapshot of workspace {name} yet: `footplate workspace snapshot {name}` takes one.")
    elif home is not None and home.total > len(found):
        note(f"And {home.total - len(found)} older ones, which --at finds.")


@app.command()
def restore(
    name: Name,
    snapshot: SnapshotOption = None,
    at: AtOption = None,
    path: Annotated[
        list[str] | None, typer.Option("--path", "-p", help="Only this file or directory of home; may be repeated.")
    ] = None,
    to: Annotated[
        str | None,
        typer.Option("--to", help="With --path: a directory in home, `.` for where it was; default restored-ID."),
    ] = None,
    yes: YesOption = False,
    no_wait: NoWaitOption = False,
    timeout: TimeoutOption = "1h",
    output: OutputOption = Output.TABLE,
    team: TeamOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Bring back all of a stopped workspace's home, or single files of it while it runs.

    Nothing is lost by it: all of a home is saved first, and a file in the way gets another name.
    """
    from footplate.client import homes

    reference, limit = _reference(snapshot, at) or "latest", seconds(timeout)
    if not path:
        confirmed(
            f"Put the home of workspace {name} back to snapshot {reference}? What is in it now is saved first.", yes
        )

    async def work(session: Session, live: Live) -> Answer | None:
        live.farewell = f"The restore of {name} goes on."
        return await homes.restore(session, name, reference, _relative(path or []), to, _wait(limit, live, no_wait))

    answer = on_cluster(Where(team, context, kubeconfig), work)
    if answer is None:
        note(f"Home of workspace {name} is being restored.")
        return
    print_object(answer, output, lambda _: answer.message)


@app.command()
def clone(
    name: Name,
    new: Annotated[str, typer.Argument(help="Name of the new workspace.", show_default=False)],
    snapshot: SnapshotOption = None,
    at: AtOption = None,
    home: Annotated[str | None, typer.Option("--home", help="Size of its home; default: as large.")] = None,
    no_wait: NoWaitOption = False,
    timeout: TimeoutOption = "1h",
    output: OutputOption = Output.TABLE,
    team: TeamOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """A new workspace like this one, with what is in its home now, or in a snapshot."""
    from footplate.client import homes, workspaces

    reference, limit = _reference(snapshot, at), seconds(timeout)

    async def work(session: Session, live: Live) -> Object:
        live.farewell = f"If workspace {new} is there already, it goes on starting."
        made = await homes.clone(session, name, new, reference, home, workspaces.Wait(limit, live))
        if no_wait:
            return made
        await workspaces.until_running(session, new, workspaces.Wait(limit, live))
        return await workspaces.get(session, new)

    made = on_cluster(Where(team, context, kubeconfig), work)
    now = "is being started" if no_wait else "runs"
    print_object(made, output, lambda _: f"Workspace {new} {now}, a clone of {name}.", data=api_object)


@app.command()
def resize(
    name: Name,
    home: Annotated[str | None, typer.Option("--home", help="Its new size, such as 20Gi; it can only grow.")] = None,
    cpu: Annotated[str | None, typer.Option("--cpu", help="Cores, such as 500m or 4.")] = None,
    memory: Annotated[str | None, typer.Option("--memory", help="Such as 8Gi.")] = None,
    gpus: Annotated[int | None, typer.Option("--gpus", "-g", min=0, help="Number of GPUs; 0: none.")] = None,
    gpu_type: Annotated[str | None, typer.Option("--gpu-type", help="Such as H100.")] = None,
    no_wait: NoWaitOption = False,
    timeout: TimeoutOption = "1m",
    team: TeamOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Give a workspace more or less: its home at once, where its storage can grow; the rest at its next start."""
    from footplate.client import homes, manifests, workspaces
    from footplate.client.workspaces import Wait
    from footplate.errors import BadUsage

    changes = manifests.resources(cpu, memory, gpus or None, gpu_type)
    if gpus == 0:
        changes["gpu"] = None
    if home is None and not changes:
        raise BadUsage("Nothing to change was given.", "give --home, --cpu, --memory, --gpus or --gpu-type")
    limit = seconds(timeout)

    async def work(session: Session, live: Live) -> list[str]:
        done: list[str] = []
        if home is not None:
            sentence = await homes.resize(session, name, home, _wait(limit, live, no_wait))
            done.append(f"Home of workspace {name}: {sentence[0].lower()}{sentence[1:]}")
        if changes:
            sentence = await workspaces.change_resources(session, name, changes, Wait(limit, live))
            done.append(f"Workspace {name}: {sentence[0].lower()}{sentence[1:]}")
        return done

    for sentence in on_cluster(Where(team, context, kubeconfig), work):
        note(sentence)


async def _get(session: Session, name: str) -> Object:
    from footplate.client import workspaces

    return await workspaces.get(session, name)


def _wait(limit: float | None, live: Live, no_wait: bool) -> Wait | None:
    from footplate.client.workspaces import Wait

    return None if no_wait else Wait(limit, live)


def _reference(snapshot: str | None, at: str | None) -> str | None:
    """Raises BadUsage for what the API would not take."""
    import re

    from footplate.api.home import REFERENCE
    from footplate.errors import BadUsage

    if snapshot is not None and at is not None:
        raise BadUsage("--snapshot and --at both say which one.", "leave one of them out")
    for flag, given in (("--snapshot", snapshot), ("--at", at)):
        if given is not None and (not re.match(REFERENCE, given) or "/" in given or (flag == "--at") != (":" in given)):
            wanted = "a time such as 2026-11-20T18:00Z" if flag == "--at" else "an id such as 4f2a901c, or latest"
            raise BadUsage(f"{flag} {given!r} is not {wanted}.")
    return snapshot or at


def _relative(paths: list[str]) -> list[str]:
    """As the API has them: within home."""
    from footplate.api.workspace import HOME

    return [path.removeprefix(f"{HOME}/").removeprefix("~/").removeprefix("./").rstrip("/") for path in paths]


def _columns() -> tuple[Column[Snapshot], ...]:
    from footplate.api.quantity import human_bytes
    from footplate.cli import human

    def bytes_(count: int | None) -> str:
        return human_bytes(count) if count is not None else ""

    return (
        Column("Id", lambda one: one.id),
        Column("Taken", lambda one: f"{one.at:%Y-%m-%d %H:%M:%S} UTC"),
        Column("Age", lambda one: human.age(one.at)),
        Column("Home", lambda one: bytes_(one.size)),
        Column("Added", lambda one: bytes_(one.added)),
    )
