"""Two minutes in which nothing happens, with 100 Workspaces and 100 finished jobs: what the controllers write meanwhile."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

from benchmarks import bare_platform
from benchmarks.audit import AuditLog
from benchmarks.workspaces import SMALL, SYSTEM, created_and_ready, having, warm
from footplate.controllers import kinds
from footplate.kube.client import Client
from footplate.kube.connection import Connection

WINDOW = 120.0


async def measure(connection: Connection, kubeconfig: Path, count: int) -> dict[str, int]:
    """Writes by kind, renewals of the Lease aside."""
    async with Client(connection, user_agent="benchmark") as client:
        await bare_platform.install_kinds(client)
        await bare_platform.install_settings(client, SYSTEM, bare_platform.platform(["bench"]))
        namespace = await bare_platform.install_team(client, "bench")
        spec = {"environment": bare_platform.ENVIRONMENT, "resources": SMALL}
        names = [f"s{number}" for number in range(count)]
        spaces = [
            {"metadata": {"name": f"s{n}"}, "spec": {**spec, "home": {"size": "0"}, "owner": "bench"}}
            for n in range(count)
        ]
        jobs = [{"metadata": {"name": name}, "spec": {**spec, "command": ["true"]}} for name in names]
        async with warm(client, kubeconfig):
            await created_and_ready(client, kinds.WORKSPACE, namespace, spaces, having("Ready"))
            await created_and_ready(client, kinds.TRAINING_JOB, namespace, jobs, having("Running"))
            for name in names:
                await client.patch(kinds.TRAINING_JOB, name, {"spec": {"cancelled": True}}, namespace)
            for name in names:
                await client.wait(
                    kinds.TRAINING_JOB, name, namespace, lambda j: bool(j) and having("Finished")(j), 60.0
                )
            await asyncio.sleep(5.0)
            audit = AuditLog(kubeconfig)
            await asyncio.sleep(WINDOW)
            found = Counter(w.kind for w in audit.writes(kinds.MANAGER) if not w.resource.endswith("leases"))
            for resource in (kinds.WORKSPACE, kinds.TRAINING_JOB):
                await client.request("DELETE", resource.path(namespace))
    return dict(found)
