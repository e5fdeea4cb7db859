"""Open, close, logs, exec, ssh."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from footplate.cli.options import (
    ContextOption,
    KubeconfigOption,
    TeamOption,
    TimeoutOption,
    Where,
    complete,
    note,
    on_cluster,
    seconds,
)
from footplate.cli.output import Output, OutputOption, print_object
from footplate.cli.workspace.base import Name, app, names, running_pod

if TYPE_CHECKING:
    from footplate.cli.progress import Live
    from footplate.client.session import Session

#: As shells have it.
NO_SUCH_PROGRAM = 127
#: Of container runtimes: runc's words.
NOT_THERE = ("executable file not found in $PATH", "no such file or directory")
_SHELL = "command -v bash >/dev/null && exec bash -l; exec sh -l"
_LINE = 'command -v bash >/dev/null && exec bash -lc "$1"; exec sh -lc "$1"'


@app.command("open")
def open_(
    name: Name,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Show it in a browser, where there is one.")
    ] = True,
    foreground: Annotated[
        bool, typer.Option("--foreground", help="Serve the address from this command, until Ctrl-C.")
    ] = False,
    timeout: TimeoutOption = "30m",
    output: OutputOption = Output.TABLE,
    team: TeamOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Print (and show) an address of this machine that leads to the workspace; one that is stopped is started.

    The address carries the workspace's token: keep it to yourself. A process in the background serves it, on a port
    that stays the same; `footplate workspace close` ends it, as do the workspace's end and a long stop.
    """
    from footplate.cli.opening import opened, show_in_browser

    where = Where(team, context, kubeconfig)
    limit = seconds(timeout)
    shows = browser and output is Output.TABLE

    def announce(data: dict[str, Any]) -> None:
        print_object(data, output, lambda _: str(data["url"]))
        if shows:
            show_in_browser(data["url"])

    async def work(session: Session, live: Live) -> None:
        await opened(session, live, name, limit, announce, foreground=foreground, flags=where.flags())

    on_cluster(where, work)


@app.command()
def close(
    name: Annotated[str | None, typer.Argument(help="Name of the workspace.", autocompletion=complete(names))] = None,
    every: Annotated[bool, typer.Option("--all", help="Those of all clusters.")] = False,
    team: TeamOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """End what `open` left running in the background; the workspace itself goes on."""
    import asyncio

    from footplate.client.tunnel import opening
    from footplate.errors import BadUsage

    if every:
        count = asyncio.run(opening.close_all())
        note(f"Closed {count} {'tunnel' if count == 1 else 'tunnels'}.")
        return
    if name is None:
        raise BadUsage("Which workspace?", "name it, or close those of all with --all")

    async def work(session: Session, live: Live) -> bool:
        del live
        return await opening.close(session, await session.namespace(), name)

    closed = on_cluster(Where(team, context, kubeconfig), work)
    note(f"The tunnel to workspace {name} is closed." if closed else f"No tunnel to workspace {name} is open.")


@app.command()
def logs(
    name: Name,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Until the workspace is stopped.")] = False,
    tail: Annotated[int | None, typer.Option("--tail", "-n", help="Only the last lines.", min=0)] = None,
    team: TeamOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """What the workspace's server prints."""
    from footplate.cli.loglines import print_lines
    from footplate.client.logs.sources import workspace_lines

    async def work(session: Session, live: Live) -> None:
        live.farewell = f"Workspace {name} goes on."
        await print_lines(workspace_lines(session, name, follow=follow, tail=tail, report=live), live, nodes=1)

    on_cluster(Where(team, context, kubeconfig), work)


@app.command("exec", context_settings={"ignore_unknown_options": True})
def exec_(
    name: Name,
    command: Annotated[
        list[str] | None, typer.Argument(help="After `--`; a shell where left out.", show_default=False)
    ] = None,
    stdin: Annotated[bool, typer.Option("--stdin/--no-stdin", help="Pass standard input on.")] = True,
    tty: Annotated[
        bool | None, typer.Option("--tty/--no-tty", help="Default: where this command has a terminal.")
    ] = None,
    team: TeamOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Run a command in a workspace, with this terminal or these pipes; ends with its exit code."""
    words = command or ["sh", "-c", _SHELL]
    raise typer.Exit(on_cluster(Where(team, context, kubeconfig), lambda s, v: _run(s, v, name, words, stdin, tty)))


@app.command(context_settings={"ignore_unknown_options": True})
def ssh(
    name: Name,
    command: Annotated[
        list[str] | None, typer.Argument(help="After `--`; a login shell where left out.", show_default=False)
    ] = None,
    tty: Annotated[
        bool | None,
        typer.Option("--tty/--no-tty", "-t/-T", help="Default: for a shell, where this command has a terminal."),
    ] = None,
    team: TeamOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """A login shell in a workspace, or a command line that it runs, as ssh would; ends with its exit code.

    No SSH is needed at either end: it goes by way of the cluster, with the rights that you have there.
    """
    line = " ".join(command or ())
    words = ["sh", "-c", _LINE, "ssh", line] if line else ["sh", "-c", _SHELL]
    wanted = False if tty is None and line else tty
    raise typer.Exit(on_cluster(Where(team, context, kubeconfig), lambda s, v: _run(s, v, name, words, True, wanted)))


async def _run(session: Session, live: Live, name: str, words: list[str], stdin: bool, tty: bool | None) -> int:
    """`tty` None: where this command has a terminal."""
    from footplate.cli import terminal
    from footplate.kube.errors import ApiError

    with_terminal = terminal.interactive() if tty is None else tty
    live.farewell = f"Workspace {name} goes on."
    pod = await running_pod(session, live, name)
    live.pause()
    with session.doing(f"run {words[0]} in workspace {name}"):
        run = session.kube.exec(
            pod.metadata.namespace, pod.name, words, container=pod.main, stdin=stdin, tty=with_terminal
        )
        try:
            async with run as process:
                return await terminal.attach(process, terminal=with_terminal, stdin=stdin)
        except ApiError as error:
            if not any(text in error.message for text in NOT_THERE):
                raise
            live.say(f"error: there is no program {words[0]} in workspace {name}")
            return NO_SUCH_PROGRAM
