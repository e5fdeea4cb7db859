# pyright: basic, reportMissingImports=false
"""The extension in the Jupyter server: what its kernels do, and when a person last did something, for the observer.

A person runs a cell, saves, opens or closes something: requests that change, and the messages to kernels that only a
person causes. Polling, an open page and an idle websocket are none of it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

from jupyter_server.base.handlers import APIHandler
from jupyter_server.utils import ensure_async, url_path_join
from tornado import web

PATH = "footplate/activity"
#: Of Jupyter's message protocol. Source: https://jupyter-client.readthedocs.io/en/stable/messaging.html
OF_A_PERSON = frozenset({"execute_request", "complete_request", "inspect_request", "input_reply"})
_CHANGES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_SETTING = "footplate_person"


class Person:
    """When somebody last did something; None: not yet."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last: float | None = None

    def acted(self) -> None:
        self._last = self._clock()

    @property
    def ago(self) -> float | None:
        return self._clock() - self._last if self._last is not None else None


class ActivityHandler(APIHandler):
    """GET: `{"kernels": [{"name", "state", "pid"}], "person": seconds or null}`."""

    _track_activity = False

    @web.authenticated
    async def get(self) -> None:
        kernels = self.settings["kernel_manager"]
        names = await self._names()
        found = [
            {
                "name": names.get(kernel_id, "a kernel"),
                "state": str(getattr(kernel, "execution_state", "unknown")),
                "pid": getattr(getattr(kernel, "provisioner", None), "pid", None),
            }
            for kernel_id in kernels.list_kernel_ids()
            if (kernel := kernels.get_kernel(kernel_id)) is not None
        ]
        self.finish(json.dumps({"kernels": found, "person": self.settings[_SETTING].ago}))

    async def _names(self) -> dict[str, str]:
        sessions: list[Any] = await ensure_async(self.settings["session_manager"].list_sessions())
        return {session["kernel"]["id"]: session["path"].rsplit("/", 1)[-1] for session in sessions}


def watch_requests(settings: dict[str, Any], person: Person) -> None:
    """The server's log function hears of each request when it is done."""
    log, api = settings["log_function"], url_path_join(settings["base_url"], "api/")

    def logged(handler: Any) -> None:
        if handler.request.method in _CHANGES and handler.request.path.startswith(api) and handler.get_status() < 400:
            person.acted()
        log(handler)

    settings["log_function"] = logged


def watch_kernels(settings: dict[str, Any], person: Person) -> None:
    """Messages from browsers to kernels pass a connection object, whose class is the server's to choose."""
    base = settings["kernel_websocket_connection_class"]

    class Connection(base):
        def handle_incoming_message(self, incoming_msg: Any) -> None:
            if is_of_a_person(incoming_msg):
                person.acted()
            super().handle_incoming_message(incoming_msg)

    settings["kernel_websocket_connection_class"] = Connection


def is_of_a_person(message: str | bytes) -> bool:
    """Of either protocol of the websocket: the type stands in the header, which is JSON in both, near the beginning."""
    start = message[:4096]
    text = start.decode(errors="replace") if isinstance(start, bytes) else start
    return any(f'"{type_}"' in text for type_ in OF_A_PERSON)


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(app: Any) -> None:
    person = Person()
    settings = app.web_app.settings
    settings[_SETTING] = person
    watch_requests(settings, person)
    watch_kernels(settings, person)
    app.web_app.add_handlers(".*$", [(url_path_join(settings["base_url"], PATH), ActivityHandler)])
