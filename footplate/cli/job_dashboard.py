"""`footplate job dashboard`."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from footplate.cli.job_recovery import Name
from footplate.cli.options import ContextOption, KubeconfigOption, TeamOption, Where, on_cluster

if TYPE_CHECKING:
    from footplate.cli.progress import Live
    from footplate.client.session import Session


def dashboard(
    name: Name,
    port: Annotated[int, typer.Option("--port", help="Of this machine; 0: any that is free.", min=0, max=65535)] = 0,
    team: TeamOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Lead a port of this machine to the dashboard of the job's Ray cluster, until Ctrl-C."""
    from footplate.cli.opening import show_in_browser
    from footplate.client.dashboards import PORT, ray_head
    from footplate.client.port_forward import Ports, forwarded

    async def work(session: Session, live: Live) -> None:
        await ray_head(session, name)  # an error now says more than a connection that breaks later
        async with forwarded(session, name, Ports(PORT, port), live.say, ray_head) as local:
            live.farewell = f"Job {name} goes on."
            live.pause()
            print(f"http://127.0.0.1:{local}", flush=True)
            show_in_browser(f"http://127.0.0.1:{local}")
            await asyncio.Event().wait()

    on_cluster(Where(team, context, kubeconfig), work)


def register(app: typer.Typer) -> None:
    app.command()(dashboard)
