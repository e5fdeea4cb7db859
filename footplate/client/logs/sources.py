"""The logs of a job, and of a workspace."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime
from functools import partial

from footplate.api import TrainingJob, Workspace, labels, records
from footplate.api.trainingjob import Launcher
from footplate.client import jobs, pods, workspaces
from footplate.client.kinds import POD
from footplate.client.logs.container import Line, read
from footplate.client.logs.following import Following, Subject
from footplate.client.logs.reading import merge
from footplate.client.logs.selection import Selection, select
from footplate.client.logs.stored import Stored
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
    since: datetime | None = None,
    report: Report = silent,
) -> AsyncGenerator[Line]:
    """Of the attempt named, else of the last; when following, of those to come as well. `tail`: lines of each node.

    From its pods, and from the object store of those that are gone.
    """
    job = decode(await jobs.get(session, name), TrainingJob)
    selection = select(job, node, rank, attempt)
    found = await pods.of_job(session, name, attempt)
    over = _job_is_over(job) or _attempt_is_over(job, attempt)
    with session.doing(f"read the log of job {name}"):
        if follow and not over:
            latest = max((pod.attempt for pod in found), default=0)
            wanted = replace(selection, since_attempt=latest)
            rest = partial(_rest, session, selection)
            subject = Subject(TrainingJob, name, {labels.JOB: name}, _job_is_over, wanted.takes_pod, rest)
            source = Following(session, subject, tail=tail, since=since, report=report).lines()
        else:
            source = _as_it_is(session, job, found, selection, tail, since)
        none = True
        async with aclosing(source) as lines:
            async for line in lines:
                none = False
                if selection.takes_line(line):
                    yield line
    if none and not found and not (follow and not over):
        raise _nothing(job, over, attempt)


async def _as_it_is(
    session: Session,
    job: TrainingJob,
    found: list[Pod],
    selection: Selection,
    tail: int | None,
    since: datetime | None,
) -> AsyncGenerator[Line]:
    """Of one attempt, node by node: from its pod, else from the store."""
    recorded = {attempt.number: attempt for attempt in job.status.attempts}
    number = selection.attempt or max([pod.attempt for pod in found] + list(recorded), default=0)
    by_node = {pod.node_rank: pod for pod in found if pod.attempt == number and pod.state != "waiting"}
    of_attempt = replace(selection, attempt=number)
    record = recorded.get(number)
    stored = Stored(session, job, record) if record is not None else None
    nodes = max(record.nodes if record else 1, job.spec.nodes, *(node + 1 for node in by_node))
    wanted = [node for node in range(nodes) if of_attempt.node in (None, node)]
    if stored is not None and not any(node in by_node for node in wanted):
        source = stored.lines(of_attempt, tail=tail, since=since)
    else:
        source = merge(
            [
                _of_node(session, by_node.get(node), stored, replace(of_attempt, node=node), tail, since)
                for node in wanted
            ]
        )
    async with aclosing(source) as lines:
        async for line in lines:
            yield line


async def _of_node(
    session: Session,
    pod: Pod | None,
    stored: Stored | None,
    selection: Selection,
    tail: int | None,
    since: datetime | None,
) -> AsyncGenerator[Line]:
    none = True
    if pod is not None:
        async with aclosing(read(session, pod, tail=tail, since=since)) as lines:
            async for line in lines:
                none = False
                yield line
    # Of a pod that was evicted, or long ended, the kubelet has the log no more.
    if stored is not None and none and (pod is None or pod.state == "ended"):
        async with aclosing(stored.lines(selection, tail=tail, since=since)) as lines:
            async for line in lines:
                yield line


async def _rest(
    session: Session, selection: Selection, job: TrainingJob, pod: Pod, last: Line | None
) -> AsyncGenerator[Line]:
    record = next((attempt for attempt in job.status.attempts if attempt.number == pod.attempt), None)
    if record is not None:
        wanted = replace(selection, node=pod.node_rank, attempt=pod.attempt)
        async with aclosing(Stored(session, job, record).after(wanted, last)) as lines:
            async for line in lines:
                yield line


def _job_is_over(job: TrainingJob) -> bool:
    return job.status.phase is not None and job.status.phase.ended


def _attempt_is_over(job: TrainingJob, number: int | None) -> bool:
    return any(attempt.number == number and attempt.end is not None for attempt in job.status.attempts)


def _nothing(job: TrainingJob, over: bool, attempt: int | None) -> NotFound:
    name = job.metadata.name
    which = f"Attempt {attempt} of job" if attempt is not None else "Job"
    if not over:
        return NotFound(
            f"{which} {name} has no log yet: {said(job) or 'it has not been looked at yet'}",
            f"`footplate job logs {name} -f` waits for it",
        )
    known = [a for a in job.status.attempts if attempt in (None, a.number) and a.log_uri is not None]
    if job.spec.launcher is Launcher.NONE and job.spec.image is not None:
        why = "and the output of launcher none in an image of one's own is not kept beyond them"
    elif known:
        why = f"and nothing of it is at {known[-1].log_uri}/{records.LOGS} any more"
    else:
        why = "and none was kept in the object store"
    remedy = f"see `footplate job show {name}` for how it ended"
    return NotFound(f"{which} {name} has no log any more: its pods are gone, {why}.", remedy)


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
