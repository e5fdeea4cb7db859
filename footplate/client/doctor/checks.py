"""The checks, in the order of what depends on what; what cannot be looked at any more is skipped, not silent."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import msgspec
import psutil

from footplate.api import Environment, labels
from footplate.api.meta import API_VERSION
from footplate.client.doctor import judging
from footplate.client.doctor.finding import Finding, Verdict, failed, ok, skipped
from footplate.client.doctor.judging import Deployment, Lease, Node
from footplate.client.explain import explain, not_installed
from footplate.client.kinds import DEPLOYMENT, ENVIRONMENT, NODE
from footplate.client.pods import Pod
from footplate.client.session import Session
from footplate.client.target import Target, data_directory
from footplate.errors import FootplateError
from footplate.kube.errors import Forbidden, KubeError, NotFound
from footplate.kube.resource import LEASE, POD, Resource

CONTROLLERS = "footplate-controllers"

Check = Callable[[Session], Awaitable[Finding]]


async def examine(target: Target, team: str | None, environ: Mapping[str, str] = os.environ) -> AsyncGenerator[Finding]:
    """Each finding as soon as it is there."""
    yield _machine(environ)
    try:
        session = Session(target, team, environ=environ)
    except FootplateError as error:
        yield failed("cluster", error)
        for name in [*_NEEDS_CLUSTER, *_NEEDS_PLATFORM]:
            yield skipped(name, "needs a cluster")
        return
    async with session:
        cluster = await _cluster(session)
        yield cluster
        reachable = cluster.verdict is not Verdict.FAILED
        async for finding in _all(session, _NEEDS_CLUSTER, reachable, "needs a cluster that answers"):
            yield finding
        installed = reachable and await _installed(session)
        async for finding in _all(session, _NEEDS_PLATFORM, installed, "needs the platform"):
            yield finding


async def _all(session: Session, checks: Mapping[str, Check], possible: bool, why: str) -> AsyncGenerator[Finding]:
    """They run at once, and are told in their order."""
    if not possible:
        for name in checks:
            yield skipped(name, why)
        return
    tasks = [asyncio.ensure_future(_run(session, name, check)) for name, check in checks.items()]
    for task in tasks:
        yield await task


async def _run(session: Session, name: str, check: Check) -> Finding:
    try:
        return await check(session)
    except Forbidden as error:
        return skipped(name, explain(error).message)
    except KubeError as error:
        return failed(name, explain(error, f"check the {name}"))
    except FootplateError as error:
        return failed(name, error)


def _machine(environ: Mapping[str, str]) -> Finding:
    data = data_directory(environ)
    there = next(path for path in (data, *data.parents) if path.exists())
    free = shutil.disk_usage(there).free
    return judging.machine(os.cpu_count() or 1, psutil.virtual_memory().total, free, _short(data))


def _short(path: Path) -> str:
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)


async def _cluster(session: Session) -> Finding:
    connection = session.connection
    try:
        return judging.kubernetes(await session.kube.version(), connection.server, connection.context)
    except KubeError as error:
        return failed("cluster", explain(error, "answer"))


async def _identity(session: Session) -> Finding:
    review = await session.review("authentication.k8s.io", "SelfSubjectReview", {})
    return ok("you", review.user_info.username or "unknown to the cluster")


async def _platform(session: Session) -> Finding:
    platform = await session.platform()
    return judging.platform(platform.version, version("footplate"))


async def _kinds(session: Session) -> Finding:
    served = await session.kube.resources(API_VERSION)
    if not served:
        return failed("kinds", not_installed())
    return judging.kinds([resource.kind for resource in served])


async def _installed(session: Session) -> bool:
    try:
        await session.platform()
    except FootplateError:
        return False
    return True


async def _controllers(session: Session) -> Finding:
    deployment, lease = await asyncio.gather(
        _optional(session, DEPLOYMENT, Deployment), _optional(session, LEASE, Lease)
    )
    finding = judging.controllers(deployment, lease, datetime.now(UTC))
    if finding.verdict is Verdict.OK:
        return finding
    return judging.with_trouble(finding, await _pods(session))


async def _pods(session: Session) -> Sequence[Pod]:
    """The controllers' own; none where this person may not see them."""
    try:
        own = {labels.NAME: "footplate", labels.COMPONENT: "controllers"}
        return (await session.kube.list(POD, session.system, labels=own, type=Pod)).items
    except Forbidden:
        return ()


async def _optional(session: Session, resource: Resource, kind: type[judging.D]) -> judging.D | None:
    try:
        return await session.kube.get(resource, CONTROLLERS, session.system, type=kind)
    except NotFound:
        return None


async def _team(session: Session) -> Finding:
    return judging.teams(await session.teams(), await session.platform())


async def _object_store(session: Session) -> Finding:
    """Of every team that this person is in."""
    from footplate.client import store

    reached: list[str] = []
    for team in await session.teams():
        async with store.team_store(session, team) as location:
            with store.using(location, "reach the object store"):
                await store.listable(location)
            reached.append(f"{location.bucket} at {location.endpoint}" if location.endpoint else location.bucket)
    return ok("object store", ", ".join(dict.fromkeys(reached)) or "not looked at: you are in no team")


async def _environments(session: Session) -> Finding:
    listing = await session.kube.list(ENVIRONMENT)
    return judging.environments(msgspec.convert(listing.items, list[Environment]))


async def _gpus(session: Session) -> Finding:
    return judging.gpus((await session.kube.list(NODE, type=Node)).items)


_NEEDS_CLUSTER: dict[str, Check] = {"you": _identity, "GPU nodes": _gpus, "platform": _platform, "kinds": _kinds}
_NEEDS_PLATFORM: dict[str, Check] = {
    "controllers": _controllers,
    "environments": _environments,
    "team": _team,
    "object store": _object_store,
}
