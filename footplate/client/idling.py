"""Idleness from a person's side: putting a stop off, stopping when done, and what a workspace is kept or stopped for."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from footplate.api import Workspace
from footplate.api.limits import Limits, limits
from footplate.api.workspace import WorkspacePhase
from footplate.client import workspaces
from footplate.client.kinds import WORKSPACE
from footplate.client.logs.sources import workspace_pod
from footplate.client.observing import read, seen, wait_for
from footplate.client.session import MANAGER, Session
from footplate.errors import Conflict, FootplateError, NotFound, Refused
from footplate.kube.decoding import Object
from footplate.kube.errors import ApiError, KubeError

ANSWERED = 20.0
"""Seconds for the controllers to answer an extension."""
USAGE = ("python3", "-I", "-m", "footplate.agent.workspace.top")


@dataclass(frozen=True)
class Extension:
    """`stops_at`: as the platform now has it; None: nothing is about to stop it. `asked`: until then it was asked for."""

    asked: datetime
    stops_at: datetime | None

    @property
    def cut(self) -> bool:
        return self.stops_at is not None and self.stops_at < self.asked


async def extend(session: Session, name: str, span: timedelta) -> Extension:
    """Puts the stop off by `span`; that of one that is in use, from now. Raises Conflict where it does not run."""
    found = read(await workspaces.get(session, name), Workspace)
    if found.spec.desired_state == "Stopped":
        raise Conflict(f"Workspace {name} is stopped.", f"start it with `footplate workspace start {name}`")
    if span <= timedelta(0):
        raise Refused("An extension must be longer than 0s.")
    # What the platform said is by its clock, which need not be ours.
    until = (found.status.stops_at or datetime.now(UTC).replace(microsecond=0)) + span
    if found.spec.idle is not None and found.spec.idle.keep_until is not None:
        until = max(until, found.spec.idle.keep_until)
    await _patch(session, name, {"idle": {"keepUntil": msgspec.to_builtins(until)}})

    def judge(state: Workspace | None) -> Workspace | None:
        if state is None:
            raise NotFound(f"Workspace {name} is gone: it was deleted.")
        return state if seen(state) else None

    state = await wait_for(session, Workspace, name, judge, timeout=ANSWERED)
    return Extension(until, state.status.stops_at)


async def stop_when_finished(session: Session, name: str) -> bool:
    """False where it is stopped already."""
    found = read(await workspaces.get(session, name), Workspace)
    if found.spec.desired_state == "Stopped":
        return False
    await _patch(session, name, {"idle": {"stopWhenFinished": True}})
    return True


async def _patch(session: Session, name: str, spec: dict[str, Any]) -> None:
    with session.doing(f"change workspace {name}"):
        await session.kube.patch(WORKSPACE, name, {"spec": spec}, await session.namespace(), manager=MANAGER)


async def limits_of(session: Session, workspace: Workspace) -> Limits:
    return limits(workspace.spec, await session.platform(), await session.team())


@dataclass(frozen=True)
class Event:
    at: str
    reason: str
    note: str


async def events(session: Session, name: str) -> list[Event]:
    """What the platform told of it, oldest first; as long as the cluster keeps that (an hour, as a rule)."""
    path = f"/apis/events.k8s.io/v1/namespaces/{await session.namespace()}/events"
    query = {"fieldSelector": f"regarding.kind=Workspace,regarding.name={name}"}
    with session.doing(f"read the events of workspace {name}"):
        listing: Object = await session.kube.request("GET", path, query)
    found = [
        Event(
            str(item.get("eventTime") or item["metadata"]["creationTimestamp"]), item["reason"], item.get("note") or ""
        )
        for item in listing["items"]
    ]
    return sorted(found, key=lambda event: event.at)


@dataclass(frozen=True)
class Use:
    """`usage`: as `footplate.agent.workspace.top` has it; None: `trouble` says why there is none."""

    workspace: Workspace
    usage: Object | None
    trouble: str = ""


async def use(session: Session, name: str | None) -> list[Use]:
    """Of one workspace, or of all of the team that run."""
    raw = [await workspaces.get(session, name)] if name is not None else await workspaces.listing(session)
    states = [read(item, Workspace) for item in raw]
    running = [state for state in states if state.status.phase is WorkspacePhase.RUNNING]
    if name is not None and not running:
        raise Conflict(f"Workspace {name} does not run.", f"start it with `footplate workspace start {name}`")
    return list(await asyncio.gather(*(_use(session, state) for state in running)))


async def _use(session: Session, state: Workspace) -> Use:
    try:
        pod = await workspace_pod(session, state)
        done = await session.kube.run(pod.metadata.namespace, pod.name, USAGE, container=pod.main)
    except (KubeError, ApiError, FootplateError) as error:
        return Use(state, None, str(error))
    if done.exit_code != 0:
        return Use(state, None, "its image has no agent")
    return Use(state, msgspec.json.decode(done.stdout))
