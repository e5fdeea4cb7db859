"""Workspaces: made, started, stopped, deleted, and waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import msgspec

from footplate.api import Workspace, WorkspaceSpec
from footplate.api.crds import WORKSPACE_NAME_MAX
from footplate.api.resources import Dataset
from footplate.api.workspace import WorkspacePhase
from footplate.client import environments, names
from footplate.client.kinds import WORKSPACE
from footplate.client.observing import Report, read, seen, silent, stays, wait_for
from footplate.client.session import MANAGER, Session
from footplate.errors import BadUsage, Conflict, NotFound, WorkloadFailed
from footplate.kube.decoding import Object
from footplate.kube.errors import AlreadyExists
from footplate.kube.errors import NotFound as ApiNotFound

DEFAULT_ENVIRONMENT = "jupyter"


async def create(session: Session, name: str | None, spec: Mapping[str, Any], *, dry_run: bool = False) -> Object:
    """`spec`: as the API has it. `name` None: one is made up. Raises Conflict where it exists already."""
    complete = dict(spec)
    if not complete.get("environment") and not complete.get("image"):
        complete["environment"] = await environments.default(session, DEFAULT_ENVIRONMENT, "create a workspace")
    environment: str | None = complete.get("environment")
    name = name or names.generate(environment or "workspace", WORKSPACE_NAME_MAX)
    checks = [session.require_version()]
    if environment is not None:
        checks.append(environments.require(session, environment))
    await asyncio.gather(*checks)
    complete.setdefault("owner", await session.owner())
    with session.doing(f"create workspace {name}"):
        try:
            return await session.create(WORKSPACE, {"metadata": {"name": name}, "spec": complete}, dry_run=dry_run)
        except AlreadyExists as error:
            raise await _exists(session, name, msgspec.convert(complete, WorkspaceSpec)) from error


async def _exists(session: Session, name: str, wanted: WorkspaceSpec) -> Conflict:
    found = read(await get(session, name), Workspace)
    stays(found)
    team = (await session.team()).name
    unlike = differences(wanted, found.spec)
    how = f"open it with `footplate workspace open {name}`"
    if not unlike:
        state = f" ({found.status.phase})" if found.status.phase else ""
        return Conflict(f"Workspace {name} of team {team} exists already, just as you ask for it{state}.", how)
    listed = "; ".join(f"{field} is {there}, not {asked}" for field, there, asked in unlike)
    return Conflict(
        f"Another workspace {name} exists already in team {team}: {listed}.",
        f"take another name, or {how}, or delete it first",
    )


def differences(wanted: WorkspaceSpec, found: WorkspaceSpec) -> list[tuple[str, str, str]]:
    """Fields of the spec: name, what is there, what was asked for. Its state and team are no difference."""
    ours, theirs = flat(wanted), flat(found)
    keys = sorted((ours.keys() | theirs.keys()) - {"desiredState", "team"})
    return [
        (key, theirs.get(key, "not set"), ours.get(key, "not set")) for key in keys if ours.get(key) != theirs.get(key)
    ]


def flat(value: object, path: str = "") -> dict[str, str]:
    """Every field that is set, defaults too: `{"home.size": "10Gi"}`."""
    found: dict[str, str] = {}
    if isinstance(value, msgspec.Struct):
        for field in msgspec.structs.fields(type(value)):
            found |= flat(getattr(value, field.name), f"{path}.{field.encode_name}" if path else field.encode_name)
    elif value is not None and value not in ((), {}):
        found[path] = _words(value)
    return found


def _words(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={item}" for key, item in cast(Mapping[str, object], value).items())
    if isinstance(value, tuple):
        return ", ".join(_words(item) for item in cast(tuple[object, ...], value))
    return f"{value.name} ({value.uri} at {value.mount_path})" if isinstance(value, Dataset) else str(value)


async def listing(session: Session, *, all_teams: bool = False) -> list[Object]:
    with session.doing("list workspaces"):
        return await session.listing(WORKSPACE, all_teams=all_teams)


async def get(session: Session, name: str) -> Object:
    if not name:
        raise BadUsage("The name of the workspace is empty.", "see `footplate workspace list`")
    namespace = await session.namespace()
    with session.doing(f"read workspace {name}"):
        try:
            return await session.kube.get(WORKSPACE, name, namespace)
        except ApiNotFound as error:
            raise await session.missing(WORKSPACE, name) from error


async def set_state(session: Session, name: str, state: Literal["Running", "Stopped"]) -> bool:
    """False where it was asked for already. A failed one is tried again."""
    found = read(await get(session, name), Workspace)
    steps = [state]
    if found.spec.desired_state == state:
        if state == "Stopped" or found.status.phase is not WorkspacePhase.FAILED:
            return False
        # What failed stays so until its spec changes.
        steps = ["Stopped", "Running"]
    with session.doing(f"change workspace {name}"):
        for step in steps:
            patch: dict[str, Any] = {"spec": {"desiredState": step}}
            if found.spec.idle is not None and found.spec.idle.stop_when_finished:
                patch["spec"]["idle"] = {"stopWhenFinished": None}  # of the former run
            await session.kube.patch(WORKSPACE, name, patch, await session.namespace(), manager=MANAGER)
    return True


async def change_resources(session: Session, name: str, changes: Mapping[str, Any], wait: Wait) -> str:
    """`changes`: of `spec.resources`; a `gpu` of None takes it away. What came of it, in a sentence.

    One that waits for room asks anew at once; one that runs goes on as it is until it is stopped.
    """
    found = read(await get(session, name), Workspace)
    with session.doing(f"change workspace {name}"):
        body = {"spec": {"resources": changes}}
        changed = read(
            await session.kube.patch(WORKSPACE, name, body, await session.namespace(), manager=MANAGER), Workspace
        )
    if changed.metadata.generation == found.metadata.generation:
        return "It asks for that already."
    if found.spec.desired_state == "Stopped":
        return "It has them when it is started."
    if found.status.phase is not WorkspacePhase.QUEUED:
        return f"It has them after its next start: stop it and start it again with `footplate workspace start {name}`."
    # The pod that waits asks for what was wanted before.
    await set_state(session, name, "Stopped")
    await until_stopped(session, name, wait)
    await set_state(session, name, "Running")
    return "It starts with them."


async def delete(session: Session, name: str) -> None:
    found = await get(session, name)
    with session.doing(f"delete workspace {name}"):
        try:
            uid: str = found["metadata"]["uid"]
            await session.kube.delete(WORKSPACE, name, await session.namespace(), uid=uid)
        except ApiNotFound:
            pass


@dataclass(frozen=True)
class Wait:
    """`timeout`: seconds; None: as long as it takes."""

    timeout: float | None = None
    report: Report = silent


async def until_running(session: Session, name: str, wait: Wait) -> Workspace:
    """Raises WorkloadFailed with the reason where it cannot run, Conflict where it is stopped meanwhile."""

    def judge(state: Workspace | None) -> Workspace | None:
        if state is None:
            raise NotFound(f"Workspace {name} is gone: it was deleted.")
        stays(state)
        if state.spec.desired_state == "Stopped":
            raise Conflict(f"Workspace {name} was stopped.", f"start it with `footplate workspace start {name}`")
        if not seen(state):
            return None
        if state.status.phase is WorkspacePhase.FAILED:
            raise WorkloadFailed(
                f"Workspace {name} failed: {state.status.message or 'no reason is given'}",
                f"see `footplate workspace show {name}`",
            )
        return state if state.status.phase is WorkspacePhase.RUNNING else None

    return await wait_for(session, Workspace, name, judge, timeout=wait.timeout, report=wait.report)


async def until_stopped(session: Session, name: str, wait: Wait) -> Workspace:
    def judge(state: Workspace | None) -> Workspace | None:
        if state is None:
            raise NotFound(f"Workspace {name} is gone: it was deleted.")
        stays(state)
        if state.spec.desired_state == "Running":
            raise Conflict(f"Workspace {name} was started again.")
        return state if seen(state) and state.status.phase is WorkspacePhase.STOPPED else None

    return await wait_for(session, Workspace, name, judge, timeout=wait.timeout, report=wait.report)


async def until_gone(session: Session, name: str, wait: Wait, uid: str) -> None:
    def judge(state: Workspace | None) -> bool | None:
        return True if state is None or state.metadata.uid != uid else None

    await wait_for(session, Workspace, name, judge, timeout=wait.timeout, report=wait.report)
