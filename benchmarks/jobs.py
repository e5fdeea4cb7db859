"""1,000 jobs of 8 ranks on 1,000 simulated nodes: how fast all run, beside plain Indexed Jobs; then 200 fail at once.

Both are created by one client over 32 connections. The plain Jobs have the same eight pods, without names, gang or status
of their own. Pods on simulated nodes run as soon as they have a node, so the rate is the control plane's.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import bare_platform, controllers
from benchmarks.audit import AuditLog
from benchmarks.workspaces import SMALL, SYSTEM, created_and_ready, emptied, having, shown
from footplate.api import labels
from footplate.controllers import kinds
from footplate.controllers.kinds import JOB, POD, TRAINING_JOB
from footplate.kube.client import Client
from footplate.kube.connection import Connection

Json = dict[str, Any]

RANKS = 8
CONNECTIONS = 32
TIMEOUT = 1800.0


@dataclass(frozen=True)
class Jobs:
    count: int
    plain_seconds: float
    seconds: float
    cpu_seconds: float
    rss_mib: float
    own_writes: float
    """Of the controllers, a job."""
    failed: int
    found_seconds: float
    """From the first rank's failure until every job's next attempt is there."""
    recovered_seconds: float
    """Until all ranks of all of them run again."""
    most_starts: int
    """Attempts created within one second."""

    @property
    def share(self) -> float:
        """Of the plain Jobs' rate."""
        return self.plain_seconds / self.seconds


async def measure(connection: Connection, kubeconfig: Path, count: int) -> Jobs:
    failing = count // 5
    async with Client(connection, user_agent="benchmark", connections=CONNECTIONS) as client:
        await bare_platform.install_kinds(client)
        await bare_platform.install_settings(client, SYSTEM, bare_platform.platform(["bench"]))
        team = await bare_platform.install_team(client, "bench")
        plain = await _plain(client, count)
        async with controllers.started(kubeconfig) as process:
            audit, cpu = AuditLog(kubeconfig), process.cpu
            spec = {
                "environment": bare_platform.ENVIRONMENT,
                "resources": SMALL,
                "nodes": RANKS,
                "owner": "bench",
                "launcher": "none",
                "command": ["train"],
            }
            bodies = [{"metadata": {"name": f"job-{number}"}, "spec": spec} for number in range(count)]
            seconds = await created_and_ready(client, TRAINING_JOB, team, bodies, having("Running"), TIMEOUT)
            used = process.cpu - cpu
            await asyncio.sleep(5.0)
            writes = [w for w in audit.writes(kinds.MANAGER) if not w.resource.endswith("leases")]
            found, recovered, most = await _fail(client, team, [f"job-{number}" for number in range(failing)])
            memory = process.rss_mib
    return Jobs(count, plain, seconds, used, memory, len(writes) / count, failing, found, recovered, most)


async def _plain(client: Client, count: int) -> float:
    namespace = await bare_platform.install_team(client, "plain")
    secure = {
        "runAsNonRoot": True,
        "runAsUser": 1000,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    container = {
        "name": "main",
        "image": "footplate.local/pytorch:test",
        "command": ["train"],
        "resources": {"requests": SMALL, "limits": SMALL},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    pod = {"restartPolicy": "Never", "securityContext": secure, "containers": [container]}
    spec = {
        "completionMode": "Indexed",
        "completions": RANKS,
        "parallelism": RANKS,
        "backoffLimit": 0,
        "template": {"spec": pod},
    }
    bodies = [{"metadata": {"name": f"plain-{number}"}, "spec": spec} for number in range(count)]

    def runs(job: Json) -> bool:
        return (job.get("status") or {}).get("ready") == RANKS

    seconds = await created_and_ready(client, JOB, namespace, bodies, runs, TIMEOUT)
    await client.request("DELETE", JOB.path(namespace), body={"propagationPolicy": "Background"})
    await emptied(client, POD, namespace, TIMEOUT)
    await client.delete(bare_platform.NAMESPACE, namespace)
    return seconds


async def _fail(client: Client, namespace: str, names: list[str]) -> tuple[float, float, int]:
    """One rank of each job is taken from its node, as by a drain; seconds until found and recovered, starts in a second."""
    pods = (await client.list(POD, namespace)).items
    ranks = {pod["metadata"]["labels"].get(labels.JOB, ""): pod["metadata"]["name"] for pod in pods}
    ended = {"exitCode": 143, "reason": "Error", "finishedAt": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
    main = {
        "name": "main",
        "ready": False,
        "restartCount": 0,
        "image": "x",
        "imageID": "",
        "state": {"terminated": ended},
    }
    disrupted = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI", "message": "drained"}
    body = {"status": {"phase": "Failed", "containerStatuses": [main], "conditions": [disrupted]}}
    versions = [(await client.list(resource, namespace)).resource_version for resource in (JOB, TRAINING_JOB)]
    found = recovered = 0.0
    began = time.perf_counter()

    async def second_attempts() -> None:
        nonlocal found
        await shown(client, JOB, namespace, {f"{name}-2" for name in names}, lambda job: True, versions[0])
        found = time.perf_counter() - began

    async def running_again() -> None:
        nonlocal recovered
        await shown(client, TRAINING_JOB, namespace, set(names), _second_runs, versions[1])
        recovered = time.perf_counter() - began

    async with asyncio.timeout(TIMEOUT), asyncio.TaskGroup() as group:
        group.create_task(second_attempts())
        group.create_task(running_again())
        await asyncio.gather(*(client.patch(POD, ranks[name], body, namespace, subresource="status") for name in names))
    made = (await client.list(JOB, namespace)).items
    starts = Counter(
        job["metadata"]["creationTimestamp"] for job in made if job["metadata"]["labels"].get(labels.ATTEMPT) == "2"
    )
    return found, recovered, max(starts.values())


def _second_runs(job: Json) -> bool:
    attempts: list[Json] = (job.get("status") or {}).get("attempts") or []
    return len(attempts) == 2 and having("Running")(job)
