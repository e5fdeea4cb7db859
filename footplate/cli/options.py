"""Options that commands share, and how a command reaches the cluster."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from footplate.cli.progress import Live

if TYPE_CHECKING:
    from footplate.client.session import Session

T = TypeVar("T")

TeamOption = Annotated[
    str | None,
    typer.Option("--team", "-t", help="Default: FOOTPLATE_TEAM, else the one team you are in.", show_default=False),
]
AllTeamsOption = Annotated[bool, typer.Option("--all-teams", "-A", help="Of all teams that you may read.")]
ContextOption = Annotated[
    str | None,
    typer.Option("--context", help="Kubeconfig context; footplate-NAME is an embedded cluster.", show_default=False),
]
KubeconfigOption = Annotated[Path | None, typer.Option("--kubeconfig", help="Kubeconfig file.", show_default=False)]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
TimeoutOption = Annotated[
    str | None,
    typer.Option(
        "--timeout", help="How long to wait, such as 90s or 30m; the work itself goes on.", metavar="DURATION"
    ),
]
NoWaitOption = Annotated[bool, typer.Option("--no-wait", help="Return at once.")]


@dataclass(frozen=True)
class Where:
    team: str | None = None
    context: str | None = None
    kubeconfig: Path | None = None

    def flags(self) -> str:
        """For commands that are printed for the person to run next."""
        said = [("-t", self.team), ("--context", self.context), ("--kubeconfig", self.kubeconfig)]
        return "".join(f" {flag} {value}" for flag, value in said if value is not None)


def on_cluster(where: Where, work: Callable[[Session, Live], Awaitable[T]]) -> T:
    """Runs `work` with a session and somewhere to report to. Ctrl-C ends it with the farewell that it has set."""
    from footplate.client.session import Session
    from footplate.client.target import Target

    farewell: list[str] = []

    async def run() -> T:
        session = Session(Target(where.kubeconfig, where.context), where.team)
        async with session, Live(f"waiting for {session.connection.server} ({session.connection.context})") as live:
            try:
                return await work(session, live)
            except asyncio.CancelledError:
                farewell.append(live.farewell or "")
                raise

    try:
        return asyncio.run(run())
    except KeyboardInterrupt:
        print(f"\n{farewell[0]}" if farewell and farewell[0] else "", file=sys.stderr)
        raise


def seconds(timeout: str | None) -> float | None:
    """Raises BadUsage for what is no duration."""
    if timeout is None:
        return None
    from footplate.api import duration
    from footplate.errors import BadUsage

    try:
        return duration.parse(timeout).total_seconds()
    except ValueError as error:
        raise BadUsage(f"--timeout {error}") from error


def moment(flag: str, text: str) -> datetime:
    """So long ago, or a time. Raises BadUsage."""
    from footplate.api import duration
    from footplate.errors import BadUsage

    try:
        return datetime.now(UTC) - duration.parse(text)
    except ValueError as error:
        try:
            return datetime.fromisoformat(text).astimezone()
        except ValueError:
            raise BadUsage(f"{flag} {error}", "or a time such as 2026-01-31T12:00:00Z") from error


def confirmed(question: str, yes: bool) -> None:
    """Raises BadUsage where nobody can be asked, Abort where the answer is no."""
    if yes:
        return
    if not sys.stdin.isatty():
        from footplate.errors import BadUsage

        raise BadUsage(f"{question} Nobody is there to ask.", "say it with --yes")
    typer.confirm(question, abort=True, err=True)


def note(text: str) -> None:
    """Beside the data: on stderr."""
    print(text, file=sys.stderr)


def complete(list_names: Callable[[Session], Awaitable[list[str]]]) -> Callable[[typer.Context, str], list[str]]:
    """Completion of a name by asking the cluster; silent and bounded, whatever goes wrong."""

    def names(context: typer.Context, incomplete: str) -> list[str]:
        def option(name: str) -> str | None:
            return context.params.get(name)

        async def ask() -> list[str]:
            from footplate.client.session import Session
            from footplate.client.target import Target

            kubeconfig = option("kubeconfig")
            target = Target(Path(kubeconfig) if kubeconfig else None, option("context"))
            async with asyncio.timeout(3), Session(target, option("team"), environ=os.environ) as session:
                return await list_names(session)

        try:
            return [name for name in asyncio.run(ask()) if name.startswith(incomplete)]
        except Exception:
            return []

    return names
