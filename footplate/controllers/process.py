"""One replica of the controllers: warm caches in every replica, work in the one that leads.

Order at the start: HTTP, informers, Lease, workers. At the end (SIGTERM): no new keys, running reconciles finish, events
are written, the Lease is given back, so that the next replica leads at once. A replica that loses the Lease ends with an
error: the cluster starts it afresh. Should a request of a suspended replica still slip out, it does no harm: everything
is created under a fixed name, changed at a known version, and deleted by its UID.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector

from footplate.api import labels
from footplate.api.meta import GROUP
from footplate.api.platform import COLLECTOR_PORT
from footplate.controllers import kinds, loop
from footplate.controllers.bounds import Bounds
from footplate.controllers.caches import Caches, detect
from footplate.controllers.children import Applier
from footplate.controllers.collector import address
from footplate.controllers.collector.heartbeats import Heartbeats
from footplate.controllers.collector.reports import Reports
from footplate.controllers.collector.server import Collector, collecting
from footplate.controllers.collector.tokens import Reviewer
from footplate.controllers.contenders import Contenders
from footplate.controllers.jobmetrics import JobMetrics
from footplate.controllers.loop import Controller, Shared
from footplate.controllers.nodehealth.controller import NodeHealthController
from footplate.controllers.serving import serving
from footplate.controllers.trainingjob.controller import TrainingJobController
from footplate.controllers.usage import UsageController
from footplate.controllers.workspace.controller import WorkspaceController
from footplate.controllers.workspace.names import NamesController
from footplate.kube.client import Client
from footplate.kube.connection import Connection
from footplate.kube.events import Recorder, stopped
from footplate.kube.lease import LeaderElection, LeadershipLost, Timing
from footplate.kube.metrics import Metrics

LEASE = "footplate-controllers"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Options:
    system: str = labels.SYSTEM_NAMESPACE
    """The namespace of the Lease and of the platform's settings."""
    port: int = 8080
    collector_port: int = COLLECTOR_PORT
    """Of what pods report to."""
    address: str = ""
    """Of this pod, for the Service through which pods report; empty: they have another way to it."""
    workers: int = 16
    """Keys of one kind under work at once."""
    stop: float = 10.0
    """Seconds for running reconciles to finish after SIGTERM."""
    identity: str = ""
    """The pod's name; empty: made up."""
    timing: Timing = field(default_factory=Timing)
    bounds: Bounds = field(default_factory=Bounds)


async def run(
    connection: Connection,
    options: Options,
    stop: asyncio.Event,
    *,
    serves: Callable[[int, int], None] = lambda port, collector: None,
) -> None:
    """Until `stop` is set. Raises LeadershipLost, KubeError. `serves` is told the HTTP ports."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    metrics = Metrics(registry)
    pod = options.identity or f"{os.uname().nodename}-{os.getpid()}"
    agent = f"{kinds.MANAGER}/{pod}"  # the part before the slash names the field manager
    async with (
        Client(connection, user_agent=agent, observe=metrics.request) as client,
        Client(connection, user_agent=agent, connections=2) as leasing,
    ):
        caches = Caches(client, await detect(client), options.system)
        registry.register(JobMetrics(caches.training_jobs.store))
        election = LeaderElection(
            leasing,
            options.system,
            LEASE,
            f"{pod}_{secrets.token_hex(4)}",
            former=f"{options.identity}_" if options.identity else None,
            timing=options.timing,
            changed=metrics.leads(LEASE),
        )
        client.transport.gate = lambda: _leading(election)
        recorder = Recorder(client, f"{GROUP}/{LEASE}", pod)
        shared = Shared(client, recorder, metrics, time.monotonic)
        applier = Applier(client, caches.by_resource())
        reports, heartbeats = Reports(shared.clock), Heartbeats(shared.clock)
        contenders = Contenders(caches, options.bounds.preempt)
        workspaces = WorkspaceController(caches, applier, shared, options.bounds, reports, contenders)
        jobs = TrainingJobController(caches, applier, shared, options.bounds, heartbeats, contenders)
        collector = Collector(
            caches,
            Reviewer(client, time.time),
            reports,
            heartbeats,
            election.is_leader,
            workspaces.queue.add,
            jobs.queue.add,
            metrics.report,
        )
        controllers: list[Controller] = [
            workspaces,
            NamesController(caches, shared),
            jobs,
            NodeHealthController(caches, shared),
            UsageController(caches, shared, options.system),
        ]
        for controller in controllers:
            controller.watch()

        def ready() -> str | None:
            missing = caches.missing()
            return f"waiting for {', '.join(missing)}" if missing else None

        async with (
            serving(options.port, registry, healthy=lambda: None, ready=ready) as port,
            collecting(options.collector_port, collector) as reported_to,
        ):
            serves(port, reported_to)
            await _until_stopped(caches, election, controllers, reports, shared, options, stop)


async def _until_stopped(
    caches: Caches,
    election: LeaderElection,
    controllers: list[Controller],
    reports: Reports,
    shared: Shared,
    options: Options,
    stop: asyncio.Event,
) -> None:
    async def lead() -> None:
        recording = asyncio.create_task(shared.recorder.run())
        reports.begin()
        working = [asyncio.create_task(loop.run(c, shared, options.workers)) for c in controllers]
        announcing = asyncio.create_task(_announce(shared, options))
        ending = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait((ending, *working), return_when=asyncio.FIRST_COMPLETED)
            for controller in controllers:
                controller.queue.shut_down()
            await asyncio.wait(working, timeout=options.stop)
            await stopped(shared.recorder, recording, 2.0)
        finally:
            tasks: list[asyncio.Task[Any]] = [recording, announcing, *working, ending]
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception):
                raise result

    async def act() -> None:
        await caches.synced()
        log.info("caches are filled, waiting to lead")
        await election.run(lead)

    watching = asyncio.create_task(caches.run())
    acting = asyncio.create_task(act())
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait((watching, acting, stopping), return_when=asyncio.FIRST_COMPLETED)
        if stopping.done() and election.is_leader():
            await asyncio.wait((acting,), timeout=options.stop + 5.0)
    finally:
        for task in (watching, acting, stopping):
            task.cancel()
        results = await asyncio.gather(watching, acting, return_exceptions=True)
    for result in results:
        if isinstance(result, Exception):
            raise result


async def _announce(shared: Shared, options: Options) -> None:
    if options.address:
        await address.announce(shared.client, options.system, options.address)


def _leading(election: LeaderElection) -> None:
    if not election.is_leader():
        raise LeadershipLost("this replica does not lead any more")


def options_from_environment(environ: dict[str, str]) -> Options:
    """What the Deployment tells its pods."""
    return Options(
        system=environ.get("POD_NAMESPACE") or labels.SYSTEM_NAMESPACE,
        identity=environ.get("POD_NAME", ""),
        address=environ.get("POD_IP", ""),
    )
