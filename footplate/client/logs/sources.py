"""The logs of a job, and of a workspace."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from footplate.api import TrainingJob, Workspace, labels
from footplate.client import jobs, pods, workspaces
from footplate.client.kinds import POD
from footplate.client.logs.container import Line, read
from footplate.client.logs.following import Following, Subject
from footplate.client.logs.reading import merged
from footplate.client.logs.selection import Selection, select
from footplate.client.observing import Report, said, silent
from footplate.client.observing import read as decode
from footplate.client.pods import Pod
from footplate.client.session import Session
from footplate.errors import NotFound
from footplate.kube.errors import NotFound as ApiNotFound


async def job_lines(
    session: Session,
    name: str,
    *,
    follow: bool = False,
    node: int | None = None,
    rank: int | None = None,
    attempt: int | None = None,
    tail: int | None = None,
    report: Report = silent,
) -> AsyncGenerator[Line]:
    """Of the attempt named, else of the last; when following, of those to come as well. `tail`: lines of each node."""
    job = decode(await jobs.get(session, name), TrainingJob)
    selection = select(job, node, rank, attempt)
    found = await pods.of_job(session, name, attempt)
    latest = max((pod.attempt for pod in found), default=0)
    selection = Selection(selection.node, selection.rank, selection.attempt, since_attempt=latest)
    over = job.status.phase is not None and job.status.phase.ended
    if not found and (over or not follow):
        raise _nothing(job, over, attempt)
    if follow and not over:
        subject = Subject(TrainingJob, name, {labels.JOB: name}, _job_is_over, selection.takes_pod)
        source = Following(session, subject, tail=tail, report=report).lines()
    else:
        source = merged(session, [pod for pod in found if selection.takes_pod(pod)], tail=tail)
    with session.doing(f"read the log of job {name}"):
        async with aclosing(source) as lines:
            async for line in lines:
                if selection.takes_line(line):
                    yield line


def _job_is_over(job: TrainingJob) -> bool:
    return job.status.phase is not None and job.status.phase.ended


def _nothing(job: TrainingJob, over: bool, attempt: int | None) -> NotFound:
    name = job.metadata.name
    which = f"Attempt {attempt} of job" if attempt is not None else "Job"
    if over:
        return NotFound(
            f"{which} {name} has no log any more: its pods are gone.",
            f"see `footplate job show {name}` for how it ended",
        )
    return NotFound(
        f"{which} {name} has no log yet: {said(job) or 'it has not been looked at yet'}",
        f"`footplate job logs {name} -f` waits for it",
    )


async def workspace_lines(
    session: Session, name: str, *, follow: bool = False, tail: int | None = None, report: Report = silent
) -> AsyncGenerator[Line]:
    """Of its pod; when following, of those that take its place as well."""
    state = decode(await workspaces.get(session, name), Workspace)
    if follow and state.spec.desired_state == "Running":
        subject = Subject(Workspace, name, {labels.WORKSPACE: name}, _is_stopped, lambda _: True)
        source = Following(session, subject, tail=tail, report=report).lines()
    else:
        source = read(session, await workspace_pod(session, state), tail=tail)
    with session.doing(f"read the log of workspace {name}"):
        async with aclosing(source) as lines:
            async for line in lines:
                yield line


def _is_stopped(state: Workspace) -> bool:
    return state.spec.desired_state == "Stopped"


async def workspace_pod(session: Session, state: Workspace) -> Pod:
    """Raises NotFound with the reason where it has none."""
    name = state.metadata.name
    if state.status.pod_name:
        with session.doing(f"look for the pod of workspace {name}"):
            try:
                return await session.kube.get(POD, state.status.pod_name, state.metadata.namespace, type=Pod)
            except ApiNotFound:
                pass
    remedy = f"`footplate workspace start {name}` starts it" if _is_stopped(state) else None
    raise NotFound(f"Workspace {name} has no pod: {said(state) or 'it has not been looked at yet'}", remedy)
