"""Asks the user's server, over loopback, what only it knows."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from footplate.api.workspace import PORT

PATH = "/footplate/activity"
TIMEOUT = 5.0
BUSY_STATES = frozenset({"busy", "starting", "restarting", "autorestarting"})


class Silent(Exception):  # noqa: N818 (a state, not an error)
    """The server does not answer; the text is the clause that says so."""


@dataclass(frozen=True)
class Kernel:
    name: str
    state: str
    pid: int | None = None


@dataclass(frozen=True)
class Said:
    kernels: tuple[Kernel, ...] = ()
    person: float | None = None
    """Seconds since a person last did something in it; None: not yet."""
    kernel_names: Mapping[int, str] = field(default_factory=dict[int, str])


def ask(token: str, port: int = PORT) -> Said:
    """Raises Silent."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    try:
        connection.request("GET", PATH, headers={"Authorization": f"token {token}"})
        answer = connection.getresponse()
        body = answer.read(1 << 20)
        if answer.status != http.client.OK:
            raise Silent(f"JupyterLab does not tell what its kernels do (HTTP status {answer.status})")
        return parse(json.loads(body))
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        raise Silent("JupyterLab does not answer") from error
    finally:
        connection.close()


def parse(found: Any) -> Said:
    kernels = tuple(Kernel(str(k["name"]), str(k["state"]), k["pid"]) for k in found["kernels"])
    names = {kernel.pid: kernel.name for kernel in kernels if kernel.pid is not None}
    return Said(kernels, found["person"], names)


def executing(said: Said, alive: Mapping[int, object]) -> set[str]:
    """Names of the kernels that execute something. One whose process is gone does not, whatever the server says."""
    return {
        kernel.name
        for kernel in said.kernels
        if kernel.state in BUSY_STATES and (kernel.pid is None or kernel.pid in alive)
    }
