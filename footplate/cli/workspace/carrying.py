"""Files to and from a workspace, and its ports: cp, port-forward."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from footplate.cli.options import ContextOption, KubeconfigOption, TeamOption, Where, on_cluster
from footplate.cli.workspace.base import Name, app, running_pod

if TYPE_CHECKING:
    from footplate.cli.progress import Live
    from footplate.client.session import Session

_SIDES = "NAME:path is in the workspace, relative to its home; all else on this machine."


@app.command("cp")
def cp(
    source: Annotated[str, typer.Argument(metavar="SRC", help=_SIDES, show_default=False)],
    destination: Annotated[str, typer.Argument(metavar="DST", help="As `cp -r` takes it.", show_default=False)],
    team: TeamOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Copy a file or a directory into a workspace or out of it, such as `cp data.csv demo:` or `cp demo:runs .`.

    Each file appears in its place when it is whole; a copy that breaks off leaves what was there before.
    """
    from pathlib import Path

    from footplate.client import copying
    from footplate.errors import BadUsage

    ends = (copying.place(source), copying.place(destination))

    async def work(session: Session, live: Live) -> None:
        match ends:
            case (Path() as local, copying.Remote() as remote):
                pod = await running_pod(session, live, remote.workspace)
                await copying.upload(session, pod, local, remote.inside, live)
            case (copying.Remote() as remote, Path() as local):
                pod = await running_pod(session, live, remote.workspace)
                await copying.download(session, pod, remote.inside, local, live, lambda text: live.say(f"note: {text}"))
            case _:
                raise BadUsage(
                    f"One of {source} and {destination} has to be in a workspace, and the other on this machine.",
                    "write NAME:path for the workspace's; ./a:b is a file of this machine",
                )

    on_cluster(Where(team, context, kubeconfig), work)


@app.command("port-forward")
def port_forward(
    name: Name,
    ports: Annotated[
        list[str], typer.Argument(metavar="PORT[:LOCAL]...", help="The workspace's port, then this machine's.")
    ],
    team: TeamOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Lead ports of this machine to the workspace's until Ctrl-C, such as `port-forward demo 6006:8080` for TensorBoard.

    Connections go to the workspace as it is when they are made: a restart of it needs no new command.
    """
    from footplate.client.port_forward import forwarded
    from footplate.client.port_forward import ports as parsed

    wanted = [parsed(text) for text in ports]

    async def work(session: Session, live: Live) -> None:
        import asyncio
        from contextlib import AsyncExitStack

        live.farewell = f"Workspace {name} goes on."
        await running_pod(session, live, name)
        async with AsyncExitStack() as stack:
            for pair in wanted:
                local = await stack.enter_async_context(forwarded(session, name, pair, live.say))
                live.pause()
                print(f"127.0.0.1:{local} -> {name}:{pair.remote}", flush=True)
            await asyncio.Event().wait()

    on_cluster(Where(team, context, kubeconfig), work)
