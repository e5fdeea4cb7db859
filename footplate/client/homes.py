"""Homes from a person's side: snapshots, restores, clones, growth."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from footplate.api import Workspace, quantity
from footplate.api.home import Answer
from footplate.client import workspaces
from footplate.client.kinds import CLAIM, STORAGE_CLASS, WORKSPACE
from footplate.client.observing import Report, read, said, seen, stays, wait_for
from footplate.client.session import MANAGER, Session
from footplate.client.workspaces import Wait
from footplate.errors import BadUsage, Conflict, NotFound, Refused, WorkloadFailed
from footplate.kube.decoding import Object
from footplate.kube.errors import Forbidden, KubeError
from footplate.kube.errors import NotFound as ApiNotFound

PACE = 2.0
"""Seconds between looks at what the pod of a task prints."""
RESIZE_REFUSED = "ResizeRefused"


async def snapshot(session: Session, name: str, wait: Wait | None) -> Answer | None:
    """Saves home as it is now. `wait` None: returns at once, with None. Raises WorkloadFailed with the reason."""
    await _home(session, name)
    return await _ask(session, name, {}, wait)


async def restore(
    session: Session, name: str, reference: str, paths: Sequence[str], to: str | None, wait: Wait | None
) -> Answer | None:
    """`paths`: within home; none: all of it, where the workspace is stopped. Raises Conflict where it is not."""
    found = await _home(session, name)
    if not paths and found.spec.desired_state != "Stopped":
        raise Conflict(
            f"Workspace {name} runs, and all of a home is restored where nothing writes to it.",
            f"stop it with `footplate workspace stop {name}`, or restore single files with --path",
        )
    if to is not None and not paths:
        raise BadUsage("--to is for files that are named with --path.", "all of a home is restored to where it was")
    return await _ask(session, name, {"restore": reference, "paths": list(paths) or None, "to": to}, wait)


async def clone(session: Session, name: str, new: str, reference: str | None, size: str | None, wait: Wait) -> Object:
    """A new workspace like this one, whose home begins with a snapshot. `reference` None: with one that is taken now."""
    found = await _home(session, name)
    owner, me = found.spec.owner or "default", await session.owner()
    if owner != me:
        raise Refused(f"Workspace {name} is {owner}'s, and a clone would be yours ({me}).", "its owner can clone it")
    if reference is None:
        await snapshot(session, name, wait)
    spec: dict[str, Any] = msgspec.to_builtins(found.spec)
    for given in ("team", "desiredState"):
        spec.pop(given, None)
    spec["home"] = {key: value for key, value in spec.get("home", {}).items() if key != "request"}
    spec["home"] |= {"size": size or found.spec.home.size, "restoreFrom": f"{name}/{reference or 'latest'}"}
    if idle := spec.get("idle"):
        spec["idle"] = {key: value for key, value in idle.items() if key not in ("keepUntil", "stopWhenFinished")}
    return await workspaces.create(session, new, spec)


async def resize(session: Session, name: str, size: str, wait: Wait | None) -> str:
    """What came of it, in a sentence. Raises Refused where the storage cannot grow, or `size` is not more."""
    found = await _home(session, name)
    try:
        more = quantity.parse(size) > quantity.parse(found.spec.home.size)
    except ValueError as error:
        raise BadUsage(f"--home {error}") from error
    if not more:
        raise Refused(f"Home of workspace {name} has {found.spec.home.size}, and can only grow.")
    await _can_grow(session, name)
    with session.doing(f"change workspace {name}"):
        body = {"spec": {"home": {"size": size}}}
        await session.kube.patch(WORKSPACE, name, body, await session.namespace(), manager=MANAGER)
    if wait is None:
        return f"It grows to {size}."

    def judge(state: Workspace | None) -> str | None:
        state = _there(state, name)
        if not seen(state):
            return None
        ready = next((c for c in state.status.conditions if c.type == "StorageReady"), None)
        if ready is not None and ready.reason == RESIZE_REFUSED:
            raise Refused(f"Home of workspace {name} cannot grow: {ready.message}")
        return f"It grows to {size}; a volume that cannot grow while it is used does so at the next start."

    return await wait_for(session, Workspace, name, judge, timeout=wait.timeout, report=wait.report)


async def _can_grow(session: Session, name: str) -> None:
    """Raises Refused. Nothing where it cannot be looked up: the API server has the last word."""
    try:
        claim = await session.kube.get(CLAIM, f"{name}-home", await session.namespace())
        called: str = claim["spec"].get("storageClassName") or ""
        found = await session.kube.get(STORAGE_CLASS, called) if called else {}
    except (ApiNotFound, Forbidden):
        return
    except KubeError:
        return
    if found and not found.get("allowVolumeExpansion"):
        raise Refused(
            f"Home of workspace {name} cannot grow: storage class {called} does not allow it.",
            f"clone it to a larger one: `footplate workspace clone {name} NEW --home SIZE`",
        )


async def _home(session: Session, name: str) -> Workspace:
    found = read(await workspaces.get(session, name), Workspace)
    stays(found)
    if not quantity.parse(found.spec.home.size):
        raise Refused(f"Workspace {name} has no home volume.", "what is in it goes with its pod")
    return found


async def _ask(session: Session, name: str, request: dict[str, Any], wait: Wait | None) -> Answer | None:
    found = await _home(session, name)
    at = datetime.now(UTC).replace(microsecond=0)
    before = found.spec.home.request
    if before is not None and before.at >= at:
        at = before.at + timedelta(seconds=1)
    wish = {"at": msgspec.to_builtins(at), "restore": None, "paths": None, "to": None, **request}
    with session.doing(f"change workspace {name}"):
        body = {"spec": {"home": {"request": wish}}}
        await session.kube.patch(WORKSPACE, name, body, await session.namespace(), manager=MANAGER)
    if wait is None:
        return None

    def judge(state: Workspace | None) -> Answer | None:
        state = _there(state, name)
        request = state.spec.home.request
        if request is None or request.at != at:
            raise Conflict(f"Another request took this one's place: home of workspace {name} has one at a time.")
        answer = state.status.home.answer if state.status.home else None
        return answer if answer is not None and answer.at == at else None

    watching = asyncio.create_task(_progress(session, name, wait.report))
    try:
        answer = await wait_for(session, Workspace, name, judge, timeout=wait.timeout)
    finally:
        watching.cancel()
    if not answer.done:
        raise WorkloadFailed(f"Home of workspace {name}: {answer.message}", f"see `footplate workspace show {name}`")
    return answer


def _there(state: Workspace | None, name: str) -> Workspace:
    if state is None:
        raise NotFound(f"Workspace {name} is gone: it was deleted.")
    stays(state)
    return state


async def _progress(session: Session, name: str, report: Report) -> None:
    """What the task's pod said last, or else what the controllers say."""
    namespace = await session.namespace()
    while True:
        try:
            state = read(await session.kube.get(WORKSPACE, name, namespace), Workspace)
            task = state.status.home.task if state.status.home else None
            report(await _last_line(session, f"{name}.home-{task.number}", namespace) if task else said(state))
        except KubeError:
            pass  # the wait itself tells
        await asyncio.sleep(PACE)


async def _last_line(session: Session, pod: str, namespace: str) -> str:
    try:
        lines = [line async for line in session.kube.logs(namespace, pod, container="main", tail=1)]
    except KubeError:
        lines = []
    return (
        lines[-1].decode(errors="replace").removeprefix("footplate: ") if lines else "its home is about to be looked at"
    )
