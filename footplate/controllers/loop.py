"""The loop that both controllers run: look, act, write the status if it changed, then tell people.

Nothing that matters is kept here: what the API server refused is remembered only so as not to ask again at once, and
which tokens exist only so as not to create them again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Protocol, TypeVar

import msgspec

from footplate.api import TrainingJob, Workspace
from footplate.api.meta import API_VERSION, ObjectMeta
from footplate.controllers.refusal import Refusal
from footplate.kube.client import Client
from footplate.kube.errors import NotFound
from footplate.kube.events import Recorder, Regarding
from footplate.kube.informer import Informer
from footplate.kube.metrics import Metrics
from footplate.kube.reconciling import run_workers
from footplate.kube.store import Key
from footplate.kube.workqueue import Backoff, WorkQueue

O = TypeVar("O", Workspace, TrainingJob)  # noqa: E741

log = logging.getLogger(__name__)

RETRY_REFUSED = Backoff(first=5.0, longest=60.0)
"""Between tries to make what the API server refused for a reason that may pass."""


BUSY = 0.03
"""Seconds for an ordinary request."""


@dataclass(frozen=True)
class Said:
    """An event to be."""

    type: Literal["Normal", "Warning"]
    reason: str
    action: str
    note: str


class Controller(Protocol):
    name: str
    queue: WorkQueue[Key]

    def watch(self) -> None:
        """Registers for the changes that concern it."""
        ...

    async def reconcile(self, key: Key) -> float | None: ...


@dataclass
class _Refused:
    generation: int
    refusal: Refusal
    times: int
    until: float


class Refusals:
    """What was refused lately, by object: until its time is over, or its spec changes, it is not tried again."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._known: dict[str, _Refused] = {}

    def standing(self, owner: ObjectMeta) -> Refusal | None:
        known = self._known.get(owner.uid)
        if known is None or known.generation != owner.generation or known.until <= self._clock():
            return None
        return known.refusal

    def add(self, owner: ObjectMeta, refusal: Refusal) -> None:
        known = self._known.get(owner.uid)
        times = known.times + 1 if known is not None and known.generation == owner.generation else 1
        until = self._clock() + RETRY_REFUSED.delay(times)
        self._known[owner.uid] = _Refused(owner.generation, refusal, times, until)

    def forget(self, uid: str) -> None:
        self._known.pop(uid, None)

    def due(self, owner: ObjectMeta) -> float | None:
        """Seconds until the next try."""
        known = self._known.get(owner.uid)
        return max(known.until - self._clock(), 0.0) if known is not None else None


@dataclass
class Shared:
    """What the controllers of one process have in common."""

    client: Client
    recorder: Recorder
    metrics: Metrics
    clock: Callable[[], float]
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def busy(self) -> bool:
        """Whether the API server has better to do than to hear what can wait."""
        return self.client.transport.latency > BUSY


async def write_status(shared: Shared, informer: Informer[O], obj: O, status: Any) -> None:
    """Raises Conflict where the object changed since it was read: its event brings it back."""
    metadata = {
        "name": obj.metadata.name,
        "namespace": obj.metadata.namespace,
        "resourceVersion": obj.metadata.resource_version,
    }
    body = {"metadata": metadata, "status": msgspec.to_builtins(status)}
    try:
        informer.learn(await shared.client.replace(informer.resource, body, subresource="status", type=informer.type))
    except NotFound:
        pass  # deleted meanwhile: nobody reads it any more


AT_FAULT = (ValueError, ArithmeticError)
"""What decisions raise over a spec that they cannot work with."""
ENDED = ("Failed", "Succeeded", "Cancelled")


async def give_up(
    shared: Shared, informer: Informer[O], key: Key, error: Exception, verdict: Callable[[O, str, datetime], Any]
) -> None:
    """Says in the status what is wrong with an object that no decision can be made about, once.

    `verdict`: its status, from a sentence. Raises `error` again where the object has not ended with that: it comes back,
    ever more rarely.
    """
    obj = informer.store.get(key)
    if obj is None:
        return
    found = verdict(obj, f"It cannot be run as its spec says: {error}. Correct the spec, or delete it.", shared.now())
    if found != obj.status:
        log.exception("%s cannot be worked with", key, exc_info=error)
        await write_status(shared, informer, obj, found)
        tell(shared, obj, [Said("Warning", "Invalid", "Reconcile", found.message)])
    if found.phase not in ENDED:
        raise error


def tell(shared: Shared, obj: Workspace | TrainingJob, said: list[Said]) -> None:
    about = Regarding(API_VERSION, obj.kind, obj.metadata.namespace, obj.metadata.name, obj.metadata.uid)
    for event in said:
        shared.recorder.record(about, event.type, event.reason, event.action, event.note)


def earliest(*delays: float | timedelta | None) -> float | None:
    seconds = [d.total_seconds() if isinstance(d, timedelta) else d for d in delays if d is not None]
    return min(seconds, default=None)


async def run(controller: Controller, shared: Shared, workers: int) -> None:
    """Until its queue is shut down."""
    await run_workers(
        controller.queue,
        controller.reconcile,
        workers=workers,
        observer=shared.metrics.reconciler(controller.name, workers),
    )


def new_queue(name: str, metrics: Metrics, clock: Callable[[], float]) -> WorkQueue[Key]:
    observer = metrics.queue(name)
    queue: WorkQueue[Key] = WorkQueue(clock=clock, observer=observer)
    observer.watch(queue.ages)
    return queue
