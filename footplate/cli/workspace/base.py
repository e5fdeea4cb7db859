"""The group, and what its commands share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from footplate.cli.group import group
from footplate.cli.options import complete

if TYPE_CHECKING:
    from footplate.api import Workspace
    from footplate.cli.progress import Live
    from footplate.client.pods import Pod
    from footplate.client.session import Session
    from footplate.kube.decoding import Object

app = group(
    "Interactive environments: create, open, stop, start again.",
    first=("create", "list", "show", "open", "exec", "logs", "stop", "start", "delete"),
)


async def names(session: Session) -> list[str]:
    from footplate.client import workspaces

    return [item["metadata"]["name"] for item in await workspaces.listing(session)]


Name = Annotated[str, typer.Argument(help="Name of the workspace.", autocompletion=complete(names), show_default=False)]


def typed(raw: Object) -> Workspace:
    from footplate.api import Workspace
    from footplate.client.observing import read

    return read(raw, Workspace)


async def running_pod(session: Session, live: Live, name: str) -> Pod:
    """Of the workspace, once it runs."""
    from footplate.client import workspaces
    from footplate.client.logs.sources import workspace_pod

    await workspaces.get(session, name)
    state = await workspaces.until_running(session, name, workspaces.Wait(report=live))
    return await workspace_pod(session, state)
