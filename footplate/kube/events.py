"""Events (events.k8s.io/v1) for people: best effort, written in the background, repetitions counted in one object.

An event like an earlier one (same object, type, reason and action) within `WINDOW` seconds raises that one's count
instead of making another; the count is written after a pause.

Source: https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, NamedTuple

from footplate.kube.client import Client
from footplate.kube.decoding import Object
from footplate.kube.errors import KubeError, NotFound
from footplate.kube.resource import EVENT
from footplate.kube.workqueue import ShutDown, WorkQueue

WINDOW = 360.0
NOTE_MAX = 1024
REMEMBERED = 2000
"""Series kept in memory; beyond it the oldest are forgotten and would begin anew."""

log = logging.getLogger(__name__)


class Regarding(NamedTuple):
    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str


class _Key(NamedTuple):
    uid: str
    type: str
    reason: str
    action: str


@dataclass
class _Series:
    regarding: Regarding
    note: str
    name: str
    first: str
    last: str
    heard: float
    count: int = 1
    created: bool = False


class Recorder:
    def __init__(
        self,
        client: Client,
        controller: str,
        instance: str,
        *,
        pause: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`controller` such as `footplate.dev/workspace`; `instance` names this process; `pause` in seconds."""
        self._client = client
        self._controller, self._instance = controller, instance
        self._pause, self._clock, self._now = pause, clock, now
        self._queue: WorkQueue[_Key] = WorkQueue(clock=clock)
        self._series: dict[_Key, _Series] = {}

    def record(
        self, regarding: Regarding, type: Literal["Normal", "Warning"], reason: str, action: str, note: str
    ) -> None:
        """`action`: what was done or failed, in CamelCase (`Start`, `Stop`); `note`: one sentence."""
        key = _Key(regarding.uid, type, reason, action)
        moment, clock = _micro(self._now()), self._clock()
        series = self._series.get(key)
        if series is None or clock - series.heard > WINDOW:
            name = f"{regarding.name}.{secrets.token_hex(8)}"
            self._series[key] = _Series(regarding, note[:NOTE_MAX], name, moment, moment, clock)
            self._queue.add(key)
            while len(self._series) > REMEMBERED:
                del self._series[next(iter(self._series))]
            return
        series.count += 1
        series.last, series.heard = moment, clock
        self._queue.add_after(key, self._pause)

    async def run(self) -> None:
        """Writes what is recorded, until `stop`; what cannot be written is dropped."""
        while True:
            try:
                key = await self._queue.get()
            except ShutDown:
                return
            series = self._series.get(key)
            try:
                if series is not None:
                    await self._write(key, series)
            except KubeError as error:
                log.info("event %s on %s could not be written: %s", key.reason, key.uid, error)
            finally:
                self._queue.done(key)

    def stop(self) -> None:
        self._queue.shut_down()

    async def _write(self, key: _Key, series: _Series) -> None:
        where = series.regarding.namespace or "default"
        if series.created:
            try:
                progress = {"series": {"count": series.count, "lastObservedTime": series.last}}
                await self._client.patch(EVENT, series.name, progress, where)
            except NotFound:  # it expired
                series.created = False
        if not series.created:
            await self._client.create(EVENT, self._body(key, series, where), where)
            series.created = True

    def _body(self, key: _Key, series: _Series, where: str) -> Object:
        regarding = series.regarding
        return {
            "metadata": {"name": series.name, "namespace": where},
            "eventTime": series.first,
            "reportingController": self._controller,
            "reportingInstance": self._instance,
            "type": key.type,
            "reason": key.reason,
            "action": key.action,
            "note": series.note,
            "regarding": {
                "apiVersion": regarding.api_version,
                "kind": regarding.kind,
                "namespace": regarding.namespace,
                "name": regarding.name,
                "uid": regarding.uid,
            },
        }


async def stopped(recorder: Recorder, running: asyncio.Task[None], timeout: float) -> None:
    """Lets the recorder write what it has, for at most `timeout` seconds."""
    recorder.stop()
    await asyncio.wait((running,), timeout=timeout)
    running.cancel()


def _micro(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
