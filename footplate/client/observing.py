"""One object, as it changes: across watches that end and connections that break."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import TypeVar

import msgspec

from footplate.api import TrainingJob, Workspace
from footplate.client.kinds import TRAINING_JOB, WORKSPACE
from footplate.client.session import Session
from footplate.errors import Conflict, FootplateError, TimedOut
from footplate.kube.decoding import Object
from footplate.kube.errors import ApiError, Gone, Unreachable
from footplate.kube.resource import Resource

T = TypeVar("T")
W = TypeVar("W", Workspace, TrainingJob)

RESOURCES: dict[type[Workspace | TrainingJob], Resource] = {Workspace: WORKSPACE, TrainingJob: TRAINING_JOB}

#: Seconds to the next attempt after a connection broke.
_PAUSE = 1.0
#: Seconds without an answer after which a cluster counts as gone.
_LOST = 120.0


_HELD = "who set a finalizer takes it away when they are done; then it is gone"

Report = Callable[[str], None]
"""Takes what a person would like to know while they wait; the newest text replaces the one before."""


def silent(text: str) -> None:
    del text


def once(write: Report) -> Report:
    """Each text is written the first time it comes, and never again: what goes to and fro does not fill a log."""
    told = {""}

    def report(text: str) -> None:
        if text not in told:
            told.add(text)
            write(text)

    return report


async def observe(
    session: Session, resource: Resource, name: str, namespace: str | None
) -> AsyncGenerator[Object | None]:
    """The object now, then at every change; None while there is none. Ends never; raises what lasts longer than a break."""
    lost_since: float | None = None
    now = asyncio.get_running_loop().time
    only = {"metadata.name": name}
    while True:
        try:
            listing = await session.kube.list(resource, namespace, fields=only)
            lost_since = None
            yield listing.items[0] if listing.items else None
            watch = session.kube.watch(resource, namespace, fields=only, resource_version=listing.resource_version)
            async with aclosing(watch) as events:
                async for event in events:
                    if event.type != "BOOKMARK":
                        yield None if event.type == "DELETED" else event.object
        except Gone:
            continue
        except (Unreachable, ApiError) as error:
            if not _passes(error):
                raise
            lost_since = lost_since or now()
            if now() - lost_since > _LOST:
                raise
            await asyncio.sleep(_PAUSE)


def _passes(error: Unreachable | ApiError) -> bool:
    return error.transient if isinstance(error, Unreachable) else error.status == 429 or error.status >= 500


async def wait_for(
    session: Session,
    kind: type[W],
    name: str,
    judge: Callable[[W | None], T | None],
    *,
    timeout: float | None,
    report: Report = silent,
) -> T:
    """The first answer of `judge` that is not None; what it raises ends the wait. Raises TimedOut.

    Each state's `status.message` is reported.
    """
    last: W | None = None
    states = observe(session, RESOURCES[kind], name, await session.namespace())
    try:
        async with asyncio.timeout(timeout), aclosing(states):
            with session.doing(f"watch {name}"):
                async for raw in states:
                    last = state = read(raw, kind) if raw else None
                    answer = judge(state)
                    if answer is not None:
                        return answer
                    report(said(state))
    except TimeoutError as error:
        word = "Job" if kind is TrainingJob else "Workspace"
        raise TimedOut(
            f"{word} {name} was not done within {timeout:g} s: {said(last) or 'it has not been looked at yet'}",
            f"it goes on by itself: wait again, or see `footplate {word.lower()} show {name}`",
        ) from error
    raise AssertionError("observe never ends")


def read(raw: Object, type: type[W]) -> W:
    try:
        return msgspec.convert(raw, type)
    except msgspec.ValidationError as error:
        raise FootplateError(
            f"{type.__name__} {raw['metadata']['name']} has a form that this version of Footplate cannot read: {error}.",
            "bring this command to the version of the platform",
        ) from error


def seen(state: Workspace | TrainingJob) -> bool:
    """Whether `status` is about the present spec."""
    return state.status.observed_generation >= state.metadata.generation


def leaving(state: Workspace | TrainingJob) -> str:
    """Of one that is being deleted, with what that waits for; else empty."""
    if state.metadata.deletion_timestamp is None:
        return ""
    held = ", ".join(state.metadata.finalizers)
    return f"It is being deleted; these finalizers are not done: {held}." if held else "It is being deleted."


def stays(state: Workspace | TrainingJob) -> None:
    """Raises Conflict where it is being deleted."""
    if going := leaving(state):
        raise Conflict(f"{state.kind.removeprefix('Training')} {state.metadata.name}{going.removeprefix('It')}", _HELD)


def said(state: Workspace | TrainingJob | None) -> str:
    """What the controllers say of it, in a sentence; empty where there is nothing."""
    if state is None:
        return ""
    if going := leaving(state):
        return going
    if not seen(state):
        return "waiting for Footplate's controllers to look at it"
    return state.status.message or state.status.phase or ""
