"""`footplate workspace open`: the workspace runs, a tunnel leads to it, its address is told."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

from footplate.api import Workspace
from footplate.cli.progress import Live
from footplate.client import workspaces
from footplate.client.access import access
from footplate.client.observing import read
from footplate.client.session import Session
from footplate.client.tunnel import opening


async def opened(
    session: Session,
    live: Live,
    name: str,
    limit: float | None,
    announce: Callable[[dict[str, Any]], None],
    *,
    foreground: bool,
    flags: str,
) -> None:
    state = read(await workspaces.get(session, name), Workspace)
    if state.spec.desired_state == "Stopped":
        live.say(f"Workspace {name} is stopped: starting it.")
        await workspaces.set_state(session, name, "Running")
    live.farewell = f"Workspace {name} goes on. To open it: footplate workspace open {name}{flags}"
    state = await workspaces.until_running(session, name, workspaces.Wait(limit, live))
    live(f"connecting to workspace {name}")
    if foreground:
        await opening.serve_here(session, state, lambda port: _announce(session, live, state, port, announce))
        live.say(f"The tunnel to workspace {name} has ended.")
        return
    tunnel = await opening.ensure(session, state)
    await _announce(session, live, state, tunnel.port, announce)


async def _announce(
    session: Session, live: Live, state: Workspace, port: int, announce: Callable[[dict[str, Any]], None]
) -> None:
    way = await access(session, state, port)
    live.pause()
    if way.asks:
        live.say(f"It asks for a password: {way.token}")
    announce({"name": state.metadata.name, "url": way.url, "port": port, "token": way.token})


def show_in_browser(url: str) -> None:
    """Where there is a person with a screen."""
    has_screen = sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    if has_screen and sys.stdout.isatty():
        import webbrowser

        webbrowser.open(url)
