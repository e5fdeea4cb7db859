"""Training jobs: submitted, cancelled, deleted, and waited for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from footplate.api import TrainingJob, duration
from footplate.api.crds import JOB_NAME_MAX
from footplate.api.trainingjob import JobPhase
from footplate.client import environments, names, pods
from footplate.client.kinds import TRAINING_JOB
from footplate.client.manifests import Json, overlay
from footplate.client.observing import Report, read, silent, stays, wait_for
from footplate.client.pods import Pod
from footplate.client.session import MANAGER, Session
from footplate.client.workspaces import Wait
from footplate.errors import BadUsage, Conflict, NotFound, Refused
from footplate.kube.decoding import Object
from footplate.kube.errors import AlreadyExists
from footplate.kube.errors import NotFound as ApiNotFound

DEFAULT_ENVIRONMENT = "pytorch"


@dataclass(frozen=True)
class Submission:
    job: Object
    code_bytes: int | None = None
    """Of the archive; None where the job has no code of its own."""
    uploaded: bool = False
    """False where the store had it already."""


async def submit(
    session: Session,
    manifest: Mapping[str, Any],
    *,
    root: Path | None = None,
    base: str = "job",
    dry_run: bool = False,
    report: Report = silent,
) -> Submission:
    """`manifest`: metadata and spec. `root`: the directory of its code. `base`: for the name, where it has none.

    The server checks the job before any code is sent; what it refuses leaves nothing behind.
    """
    complete = await _complete(session, manifest, base)
    if root is None:
        return Submission(await _create(session, complete, dry_run=dry_run))
    async with _code(session, root, report) as (uri, size, send):
        complete = overlay(complete, {"spec": {"code": {"uri": uri}}})
        checked = await _create(session, complete, dry_run=True)
        if dry_run:
            return Submission(checked, size)
        uploaded = await send()
        return Submission(await _create(session, complete), size, uploaded)


async def _complete(session: Session, manifest: Mapping[str, Any], base: str) -> Json:
    """With an environment, a name and an owner; the platform's version and the environment's existence are checked."""
    spec: Json = dict(manifest.get("spec") or {})
    if not spec.get("environment") and not spec.get("image"):
        spec["environment"] = await environments.default(session, DEFAULT_ENVIRONMENT, "submit a job")
    checks = [session.require_version()]
    if isinstance(spec.get("environment"), str):
        checks.append(environments.require(session, spec["environment"]))
    await asyncio.gather(*checks)
    spec.setdefault("owner", await session.owner())
    metadata: Json = dict(manifest.get("metadata") or {})
    namespace = metadata.get("namespace")
    if namespace not in (None, await session.namespace()):
        raise Conflict(
            f"The manifest is for namespace {namespace}, the command for team {(await session.team()).name}.",
            "drop one of them, or make them agree",
        )
    if not metadata.get("name"):
        metadata["name"] = names.generate(base, JOB_NAME_MAX)
    return {"metadata": metadata, "spec": spec}


@asynccontextmanager
async def _code(session: Session, root: Path, report: Report) -> AsyncGenerator[tuple[str, int, Any]]:
    from footplate.client.code import shipping  # The store's client is large, and most commands need none.

    async with shipping.packed(session, root, report=report) as parcel:
        yield parcel.uri, parcel.archive.size, lambda: shipping.send(parcel, report)


async def _create(session: Session, manifest: Json, *, dry_run: bool = False) -> Object:
    name: str = manifest["metadata"]["name"]
    with session.doing(f"submit job {name}"):
        try:
            return await session.create(TRAINING_JOB, manifest, dry_run=dry_run)
        except AlreadyExists as error:
            stays(read(await get(session, name), TrainingJob))
            raise Conflict(
                f"There is a job {name} in team {(await session.team()).name} already.",
                f"take another --name, or leave it out; or `footplate job delete {name}` first",
            ) from error


async def listing(session: Session, *, all_teams: bool = False) -> list[Object]:
    with session.doing("list jobs"):
        return await session.listing(TRAINING_JOB, all_teams=all_teams)


async def get(session: Session, name: str) -> Object:
    if not name:
        raise BadUsage("The name of the job is empty.", "see `footplate job list`")
    namespace = await session.namespace()
    with session.doing(f"read job {name}"):
        try:
            return await session.kube.get(TRAINING_JOB, name, namespace)
        except ApiNotFound as error:
            raise await session.missing(TRAINING_JOB, name) from error


async def ranks(session: Session, job: TrainingJob) -> list[Pod]:
    """The pods of its last attempt; none where they are gone, or may not be read."""
    if not job.status.attempts:
        return []
    try:
        return await pods.of_job(session, job.metadata.name, job.status.attempts[-1].number)
    except Refused:
        return []


async def cancel(session: Session, name: str) -> bool:
    """False where it was cancelled already. Raises Conflict where it ended in another way."""
    found = read(await get(session, name), TrainingJob)
    phase = found.status.phase
    if found.spec.cancelled:
        return False
    if phase is not None and phase.ended:
        raise Conflict(f"Job {name} has ended already ({phase}): there is nothing to cancel.")
    with session.doing(f"cancel job {name}"):
        await session.kube.patch(
            TRAINING_JOB, name, {"spec": {"cancelled": True}}, await session.namespace(), manager=MANAGER
        )
    return True


async def suspend(session: Session, name: str) -> None:
    """Raises Conflict where it has ended."""
    await _set(session, name, {"suspended": True}, "suspend")


async def resume(session: Session, name: str) -> None:
    """Raises Conflict where it is not suspended."""
    found = read(await get(session, name), TrainingJob)
    if not found.spec.suspended:
        raise Conflict(f"Job {name} is not suspended ({found.status.phase}).")
    await _set(session, name, {"suspended": False}, "resume")


async def retry(session: Session, name: str) -> None:
    """Raises Conflict where it has not failed, or could only fail again at once."""
    found = read(await get(session, name), TrainingJob)
    status, limit = found.status, found.spec.deadline
    if status.phase is not JobPhase.FAILED:
        raise Conflict(f"Job {name} has not failed ({status.phase}): there is nothing to try again.")
    created = found.metadata.creation_timestamp
    if limit is not None and created is not None and created + duration.parse(limit) <= datetime.now(UTC):
        raise Conflict(
            f"The deadline of job {name} ({limit} from its submission) is over.",
            f'set a later one first: kubectl patch tj {name} --type merge -p \'{{"spec": {{"deadline": "…"}}}}\'',
        )
    with session.doing(f"retry job {name}"):
        body = {"spec": {"retry": status.retry + 1}}
        await session.kube.patch(TRAINING_JOB, name, body, await session.namespace(), manager=MANAGER)


async def _set(session: Session, name: str, spec: Mapping[str, Any], doing: str) -> None:
    found = read(await get(session, name), TrainingJob)
    if found.status.phase is not None and found.status.phase.ended:
        raise Conflict(f"Job {name} has ended already ({found.status.phase}).")
    with session.doing(f"{doing} job {name}"):
        await session.kube.patch(TRAINING_JOB, name, {"spec": spec}, await session.namespace(), manager=MANAGER)


async def delete(session: Session, name: str) -> None:
    found = await get(session, name)
    with session.doing(f"delete job {name}"):
        try:
            uid: str = found["metadata"]["uid"]
            await session.kube.delete(TRAINING_JOB, name, await session.namespace(), uid=uid)
        except ApiNotFound:
            pass


def ended(state: TrainingJob | None, name: str) -> TrainingJob | None:
    """Raises NotFound where it was deleted, Conflict where it is being deleted."""
    if state is None:
        raise NotFound(f"Job {name} is gone: it was deleted.")
    if state.status.phase is not None and state.status.phase.ended:
        return state
    stays(state)
    return None


async def until_ended(session: Session, name: str, wait: Wait) -> TrainingJob:
    return await wait_for(
        session, TrainingJob, name, lambda state: ended(state, name), timeout=wait.timeout, report=wait.report
    )


async def until_started(session: Session, name: str, wait: Wait) -> TrainingJob:
    """Until it runs, or has ended."""

    def judge(state: TrainingJob | None) -> TrainingJob | None:
        if state is not None and state.status.phase is JobPhase.RUNNING:
            stays(state)
            return state
        return ended(state, name)

    return await wait_for(session, TrainingJob, name, judge, timeout=wait.timeout, report=wait.report)


async def until_suspended(session: Session, name: str, wait: Wait) -> TrainingJob:
    """Until it rests, or has ended."""

    def judge(state: TrainingJob | None) -> TrainingJob | None:
        if state is not None and state.status.phase is JobPhase.SUSPENDED:
            return state
        return ended(state, name)

    return await wait_for(session, TrainingJob, name, judge, timeout=wait.timeout, report=wait.report)


async def until_gone(session: Session, name: str, wait: Wait, uid: str) -> None:
    def judge(state: TrainingJob | None) -> bool | None:
        return True if state is None or state.metadata.uid != uid else None

    await wait_for(session, TrainingJob, name, judge, timeout=wait.timeout, report=wait.report)
