"""The steps of `make up` before its demo, each safe to repeat: a cluster, the images on it, the stack."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from devcluster import cluster as devcluster
from devcluster.errors import ClusterNotFound
from devcluster.progress import ConsoleProgress
from footplate.bringup.site import Site
from footplate.client.session import Session
from footplate.client.target import connect
from footplate.client.tunnel import opening
from footplate.engine.checked import AnyStack
from footplate.engine.display.observers import Display
from footplate.engine.events import Event, Phase
from footplate.engine.stack import Result
from footplate.errors import ClusterAccess, FootplateError
from footplate.images import build, delivery, index
from footplate.images.errors import WrongTarget


def start_cluster(site: Site, gpus: str | None, progress: ConsoleProgress) -> None:
    """Starts the embedded cluster, or makes sure that another answers."""
    if site.embedded:
        changes: Mapping[str, object] = {"profile": "full", **({"gpus": gpus} if gpus is not None else {})}
        devcluster.start(site.embedded, changes, progress=progress)
        return
    progress.begin("cluster")
    progress.done(asyncio.run(_answers(site)))


async def _answers(site: Site) -> str:
    async with Session(site.target) as session:
        await session.require_version()
        return f"context {session.connection.context} at {session.connection.server}"


def bring_images(site: Site, registry: str | None, progress: ConsoleProgress) -> None:
    """Builds what has changed; onto the cluster's nodes, or into `registry` where it pulls from there."""
    directory = index.cache_directory()
    outcomes = build.ensure((), progress)
    if registry:
        names = [outcome.image.name for outcome in outcomes]
        chosen = build.choose("auto", directory, "cpu", progress)
        pushed = delivery.push(names, registry, chosen, directory, progress)
        progress.done(f"{len(pushed)} images are in {registry}")
        return
    context = site.target.context or asyncio.run(_context(site))
    try:
        target = delivery.target(context)
    except WrongTarget as error:
        error.remedy = "name a registry that it can pull from: make up REGISTRY=HOST/PATH"
        raise
    delivery.load([outcome.built for outcome in outcomes], target, directory, progress)
    progress.done(f"{len(outcomes)} images are on {target.title}")


async def _context(site: Site) -> str:
    async with Session(site.target) as session:
        return session.connection.context


def apply_stack(stack: AnyStack, display: Display) -> Result:
    """Shows what changes as it happens, and the preview only where it fails.

    Raises DeploymentFailed where a resource does not become what it should.
    """
    planned: list[Event] = []
    updating = False

    def observe(event: Event) -> None:
        nonlocal updating
        updating = updating or (isinstance(event, Phase) and event.name != "preview")
        if updating:
            display(event)
        else:
            planned.append(event)

    async def run() -> Result:
        return await stack.up(observe)

    try:
        return asyncio.run(run())
    except FootplateError:
        for event in planned if not updating else ():
            display(event)
        raise


def close_tunnels(site: Site) -> None:
    """Those to workspaces of this cluster; the address of one that is gone already is not known any more."""
    try:
        server = connect(site.target).server
    except ClusterAccess:
        return
    asyncio.run(opening.close_all(server=server))


def delete_cluster(name: str, stack: AnyStack, progress: ConsoleProgress) -> str:
    """With the state of the stack, all of whose resources were in it. Nothing there is fine."""
    progress.begin("cluster")
    try:
        devcluster.delete(name)
        said = f"embedded cluster {name} is deleted"
    except ClusterNotFound:
        said = f"there is no embedded cluster {name}"
    stack.forget()
    return said


def project_directory() -> Path:
    """The repository: its Pulumi program and examples."""
    return Path(__file__).resolve().parents[2]
