"""The life of a tunnel: it serves while the workspace is there, and ends by itself."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from footplate.api import Workspace
from footplate.client.kinds import WORKSPACE
from footplate.client.observing import observe, read
from footplate.client.session import Session
from footplate.client.tunnel.forwarder import Forwarder
from footplate.errors import FootplateError
from footplate.kube.errors import KubeError, Unreachable

Log = Callable[[str], None]

_PAUSE = 5.0


@dataclass(frozen=True)
class Bounds:
    """Seconds after which a tunnel is of no use any more."""

    stopped: float = 3600.0
    unreachable: float = 12 * 3600.0


class Ended(Exception):  # noqa: N818 (it is what happened)
    """Why the tunnel is over."""


class Tunnel:
    """Of the workspace with this `uid`: one that takes its name later is another."""

    def __init__(self, session: Session, namespace: str, name: str, uid: str, log: Log, bounds: Bounds | None = None):
        self._session = session
        self._namespace = namespace
        self._name = name
        self._uid = uid
        self._log = log
        self._bounds = bounds or Bounds()
        self._state: Workspace | None = None
        self._last_use = 0.0
        self._heard = 0.0
        self._trouble = ""

    async def serve(self, listening: socket.socket) -> str:
        """Until it has no purpose any more; says why."""
        loop = asyncio.get_running_loop()
        self._last_use = self._heard = loop.time()
        forwarder = Forwarder(self._session.kube, self._namespace, lambda: self._state, self._log)
        server = await forwarder.serve(listening)
        tasks = [asyncio.create_task(self._follow()), asyncio.create_task(self._watch_bounds())]
        try:
            await asyncio.gather(*tasks)
        except Ended as ended:
            return str(ended)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            server.close()
            await forwarder.stop()
        raise AssertionError("both tasks run until the end")

    async def _follow(self) -> None:
        while True:
            try:
                async with aclosing(observe(self._session, WORKSPACE, self._name, self._namespace)) as states:
                    async for raw in states:
                        self._heard = asyncio.get_running_loop().time()
                        self._trouble = ""
                        self._take(read(raw, Workspace) if raw else None)
            except Unreachable as error:
                # Once, not at each of many tries.
                if str(error) != self._trouble:
                    self._trouble = str(error)
                    self._log(self._trouble)
            except (KubeError, FootplateError) as error:
                raise Ended(str(error)) from error
            await asyncio.sleep(_PAUSE)

    def _take(self, state: Workspace | None) -> None:
        if state is None or state.metadata.uid != self._uid:
            raise Ended(f"workspace {self._name} is gone")
        self._state = state
        if state.spec.desired_state == "Running":
            self._last_use = self._heard

    async def _watch_bounds(self) -> None:
        loop = asyncio.get_running_loop()
        kubeconfig: Path | None = self._session.target.kubeconfig
        while True:
            await asyncio.sleep(min(_PAUSE, self._bounds.stopped, self._bounds.unreachable))
            state = self._state
            if state is not None and state.spec.desired_state == "Running":
                self._last_use = loop.time()
            elif state is not None and loop.time() - self._last_use > self._bounds.stopped:
                raise Ended(f"workspace {self._name} has been stopped for long")
            if kubeconfig is not None and _gone(kubeconfig):
                raise Ended(f"{kubeconfig} is gone, and the cluster with it")
            if await self._unreachable(loop.time()):
                raise Ended("the cluster has not answered for long")

    async def _unreachable(self, now: float) -> bool:
        """A watch may be silent for long; only a question tells."""
        if now - self._heard < self._bounds.unreachable:
            return False
        try:
            await self._session.kube.version()
        except KubeError:
            return True
        self._heard = now
        return False


def _gone(file: Path) -> bool:
    return not file.exists()
