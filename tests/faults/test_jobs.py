"""Faults in real pods: what becomes of a job of two ranks that commits a checkpoint every ten steps.

A table of the outcomes is printed at the end of the session. Faults of whole nodes are played in
`tests/integration/controllers/test_recovery.py`: the embedded cluster has one real node.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from ipaddress import IPv4Interface
from typing import Any
from urllib.parse import urlsplit

import pytest

from devcluster import cluster
from footplate.api import TrainingJob
from footplate.api.platform import Reporting
from footplate.api.trainingjob import JobPhase
from footplate.client import ranks
from footplate.client.logs.sources import job_lines
from footplate.client.session import Session
from footplate.controllers import kinds
from footplate.kube.errors import NotFound
from tests.conftest import NodeCluster
from tests.integration.controllers.conftest import Place
from tests.node.controllers.test_real_pods import images, place, pytest_collection_finish

__all__ = ["images", "place", "pytest_collection_finish"]

pytestmark = pytest.mark.node

Record = Callable[[str, object], None]

PATIENCE = 120.0
SCRIPT = """
import os, signal, sys, time
from footplate import checkpoint, training

rank, first, fault = int(os.environ["RANK"]), os.environ["FOOTPLATE_ATTEMPT"] == "1", os.environ["FAULT"]
found = checkpoint.latest()
step = found.step if found else 0
while step < 40:
    step += 1
    time.sleep(0.05)
    training.report(step, total_steps=40, loss=1 / step)
    if rank == 0 and step % 10 == 0:
        with checkpoint.saving(step) as directory:
            (directory / "state").write_text(str(step))
    if first and step == 25:
        if rank == 1 and fault == "exit":
            raise ValueError("bad batch")
        if rank == 1 and fault == "memory":
            held = [b"x" * (8 << 20) for _ in range(1000)]
        if rank == 1 and fault == "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        time.sleep(300)
print("done at", step, flush=True)
"""


async def submit(place: Place, fault: str, **spec: Any) -> None:
    body: dict[str, Any] = {
        "nodes": 2,
        "command": ["python3", "-c", SCRIPT],
        "env": {"FAULT": fault},
        "resources": {"cpu": "200m", "memory": "256Mi"},
        "retries": {"app": 1, "infra": 2},
        "checkpoint": {"grace": "5s"},
        **spec,
    }
    await place.job("train", **body)


async def committed(place: Place, step: int = 20) -> list[str]:
    """The pods of the first attempt, once that checkpoint is in the store and all ranks wait for what comes."""
    await place.until_job("train", lambda j: j.status.phase is JobPhase.RUNNING, PATIENCE)
    pods = sorted(pod["metadata"]["name"] for pod in await place.pods(**{"footplate.dev/attempt": "1"}))
    async with asyncio.timeout(60.0):
        while True:
            state = await place.client.run(place.namespace, pods[0], ["cat", "/footplate/checkpoints/.sync.json"])
            if f"step-{step:012d}/.commit".encode() in state.stdout:
                return pods
            await asyncio.sleep(0.5)


async def succeeded(place: Place, began: float, record: Record, fault: str) -> TrainingJob:
    again = await place.until_job(
        "train",
        lambda j: len(j.status.attempts) > 1 and (j.status.attempts[1].running is not None or (j.status.phase is not None and j.status.phase.ended)),
        PATIENCE,
    )  # fmt: skip
    restarted = time.monotonic() - began
    job = again
    if job.status.phase is not JobPhase.SUCCEEDED:
        job = await place.until_job("train", lambda j: j.status.phase is not None and j.status.phase.ended, PATIENCE)
    first, last = job.status.attempts[0], job.status.attempts[-1]
    cause = first.cause
    assert cause is not None
    lost = 25 - (last.start_step or 0)
    row = {
        "fault": fault,
        "final": str(job.status.phase),
        "cause": f"{cause.class_}/{cause.reason}",
        "attempts": len(job.status.attempts),
        "budget": str(cause.budget or "-"),
        "steps lost": lost,
        "seconds": f"{restarted:.1f}",
    }
    record("fault", row)
    assert job.status.phase is JobPhase.SUCCEEDED, job.status.message
    assert lost <= 10, "no more than the checkpoint interval"
    return job


async def without_pods(place: Place) -> None:
    async with asyncio.timeout(60.0):
        while found := await place.pods():
            for pod in found:
                with contextlib.suppress(NotFound):
                    await place.client.delete(kinds.POD, pod["metadata"]["name"], place.namespace, grace_seconds=0)
            await asyncio.sleep(0.5)


async def kept(place: Place, attempt: int, rank: int) -> list[bytes]:
    """Lines of the log, as a member of the team reads them."""
    environ = {"FOOTPLATE_SYSTEM_NAMESPACE": place.system}
    async with Session(connection=place.connection, team=place.team, environ=environ) as session:
        return [line.text async for line in job_lines(session, "train", attempt=attempt, rank=rank)]


def cause(job: TrainingJob) -> tuple[str, str, str | None]:
    found = job.status.attempts[0].cause
    assert found is not None
    return found.class_, found.reason, found.budget


async def test_kill_9_of_a_rank(place: Place, record_property: Record) -> None:
    await submit(place, "wait")
    pods = await committed(place)
    began = time.monotonic()
    # The rank itself, not its launcher, whose command line has the same script.
    script = "for p in /proc/[0-9]*; do [ \"$(tr '\\0' ' ' < $p/cmdline | head -c 10)\" = 'python3 -c' ] && kill -9 ${p#/proc/}; done; true"  # fmt: skip
    await place.client.run(place.namespace, pods[1], ["sh", "-c", script])
    job = await succeeded(place, began, record_property, "kill -9 of a rank")
    assert cause(job) == ("Infra", "Killed", "infra")


async def test_a_rank_that_fails_at_a_step(place: Place, record_property: Record) -> None:
    began = time.monotonic()
    await submit(place, "exit")
    job = await succeeded(place, began, record_property, "exit 1 at a step")
    assert cause(job) == ("App", "PythonException", "app")
    assert "ValueError: bad batch" in (job.status.attempts[0].cause or job).evidence  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    assert job.status.attempts[0].checkpoint_step == 20, "the agent said so as it ended"
    await without_pods(place)
    assert b"ValueError: bad batch" in await kept(place, attempt=1, rank=1)
    assert b"done at 40" in await kept(place, attempt=2, rank=0)


async def test_a_rank_out_of_memory(place: Place, record_property: Record) -> None:
    began = time.monotonic()
    await submit(place, "memory")
    job = await succeeded(place, began, record_property, "out of memory")
    assert cause(job) == ("App", "OutOfMemory", "app")


async def test_a_pod_deleted_by_force(place: Place, record_property: Record) -> None:
    """Kubernetes would put another pod in its place, whose rank the others do not know."""
    await submit(place, "wait")
    pods = await committed(place)
    began = time.monotonic()
    await place.client.delete(kinds.POD, pods[1], place.namespace, grace_seconds=0)
    job = await succeeded(place, began, record_property, "pod deleted by force")
    assert cause(job)[0] == "Infra"


async def test_an_unhealthy_gpu(place: Place, node_cluster: NodeCluster, record_property: Record) -> None:
    gpu = {"cpu": "200m", "memory": "256Mi", "gpu": {"count": 1}}
    await submit(place, "wait", resources=gpu)
    await committed(place)
    began = time.monotonic()
    marked = [0, 1, 2, 3]
    cluster.mark_gpus(node_cluster.name, marked, healthy=False, environment=node_cluster.environment)
    try:
        found = await place.until_job("train", lambda j: j.status.attempts[0].cause is not None, 60.0)
        assert cause(found)[:2] == ("Infra", "GpuUnhealthy")
    finally:
        cluster.mark_gpus(node_cluster.name, marked, healthy=True, environment=node_cluster.environment)
    await succeeded(place, began, record_property, "GPU unhealthy")


async def test_a_rank_that_is_stopped_hangs_the_job(place: Place, record_property: Record) -> None:
    """Its stack is read all the same, under Pod Security `restricted`, from the container beside it."""
    # The object store listens at the node's end of its link, and the controllers of this process at the machine's.
    node = IPv4Interface(f"{urlsplit(place.settings.object_store.endpoint).hostname}/30")
    url = f"http://{node.network[1]}:{urlsplit(place.collector).port}"
    await place.configure(reporting=Reporting(url=url))
    began = time.monotonic()
    await submit(place, "stop", hangTimeout="6s")
    running = await place.until_job("train", lambda j: j.status.progress is not None, PATIENCE)
    assert running.status.progress is not None
    assert running.status.progress.total_steps == 40
    job = await succeeded(place, began, record_property, "hang: SIGSTOP of a rank")
    assert cause(job) == ("Hang", "NoProgress", "infra")
    evidence = job.status.attempts[0].cause.evidence if job.status.attempts[0].cause else ""
    assert "no rank reported a step for" in evidence
    assert "is stopped by a signal, in <module> (<string>:" in evidence
    assert "the others are in <module> (<string>:" in evidence
    environ = {"FOOTPLATE_SYSTEM_NAMESPACE": place.system}
    async with Session(connection=place.connection, team=place.team, environ=environ) as session:
        number, runs, kept = await ranks.stacks(session, "train", attempt=1)
    assert (number, runs, [stack.rank for stack in kept]) == (1, False, [0, 1])
    assert ", state T, " in kept[1].text
    assert "thread MainThread" in kept[1].text


async def test_suspended_and_resumed(place: Place, record_property: Record) -> None:
    await submit(place, "wait")
    await committed(place)
    began = time.monotonic()
    await place.patch(kinds.TRAINING_JOB, "train", {"suspended": True})
    await place.until_job("train", lambda j: j.status.phase is JobPhase.SUSPENDED, 60.0)
    await place.patch(kinds.TRAINING_JOB, "train", {"suspended": False})
    job = await succeeded(place, began, record_property, "suspended and resumed")
    assert cause(job) == ("Cancelled", "Suspended", None)
