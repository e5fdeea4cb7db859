"""The pages that `show` prints: a sentence, the facts, what is worth knowing, what to do next."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from footplate.api import TrainingJob, Workspace
from footplate.api.trainingjob import Attempt, Cause, JobPhase
from footplate.api.workspace import WorkspacePhase
from footplate.cli import human
from footplate.cli.output import Column, table
from footplate.client.observing import said
from footplate.client.pods import Pod
from footplate.client.teams import team_of


def workspace_page(state: Workspace, port: int | None, flags: str, now: datetime | None = None) -> str:
    now = now or datetime.now(UTC)
    name, spec, status = state.metadata.name, state.spec, state.status
    sentence = said(state) or f"Workspace {name} has not been looked at yet."
    since = f", for {human.age(status.started_at, now)}" if status.started_at and status.phase == "Running" else ""
    rows = [
        ("Workspace", name),
        ("Team", team_of(state.metadata.namespace)),
        ("Owner", spec.owner or ""),
        ("Phase", f"{status.phase or ''}{since}"),
        ("Environment", spec.environment or spec.image or ""),
        ("Resources", human.resources(spec.resources)),
        ("Home", spec.home.size if spec.home.size != "0" else "none: what is written goes with the pod"),
        ("Datasets", ", ".join(f"{d.uri} at {d.mount_path}" for d in spec.datasets)),
        ("Pod", " on ".join(part for part in (status.pod_name, status.node_name) if part)),
        ("Restarts", str(status.restarts) if status.restarts else ""),
        ("Next start", f"in {human.lasted(now, status.retry_at)}" if status.retry_at and status.retry_at > now else ""),
        ("Stops", f"in {human.lasted(now, status.stops_at)}" if status.stops_at else ""),
        ("Address", f"http://127.0.0.1:{port} (tunnel open)" if port else ""),
        ("Created", human.ago(state.metadata.creation_timestamp, now)),
    ]
    attention = human.worth_reading(status.conditions, status.phase, status.message)
    commands = _workspace_commands(state)
    return human.page(
        sentence,
        rows,
        [
            ("Worth knowing", human.wrapped(human.condition_rows(attention))),
            ("Next", [f"footplate workspace {verb} {name}{flags}" for verb in commands]),
        ],
    )


def _workspace_commands(state: Workspace) -> list[str]:
    match state.status.phase:
        case WorkspacePhase.RUNNING:
            return ["open", "stop"]
        case WorkspacePhase.STOPPED:
            return ["start", "delete"]
        case WorkspacePhase.FAILED:
            return ["logs", "start", "delete"]
        case _:
            return ["open"]


MOST_RANKS = 16
"""Pods that are shown one by one."""


def job_page(job: TrainingJob, flags: str, ranks: Sequence[Pod] = (), now: datetime | None = None) -> str:
    """`ranks`: the pods of its last attempt."""
    now = now or datetime.now(UTC)
    name, spec, status = job.metadata.name, job.spec, job.status
    sentence = said(job) or f"Job {name} has not been looked at yet."
    pending = status.pending
    progress = status.progress
    rows = [
        ("Job", name),
        ("Team", team_of(job.metadata.namespace)),
        ("Owner", spec.owner or ""),
        ("Phase", _phase(job, now)),
        ("Position", f"{pending.position} in the queue" if pending and pending.position else ""),
        ("What would help", (pending.next_action or "") if pending else ""),
        ("Command", shlex.join([*spec.command, *spec.args])),
        ("Environment", spec.environment or spec.image or ""),
        ("Nodes", f"{spec.nodes} × {_processes(spec.processes)}, each {human.resources(spec.resources)}"),
        ("Code", spec.code.uri if spec.code else ""),
        ("Datasets", ", ".join(f"{d.uri} at {d.mount_path}" for d in spec.datasets)),
        ("Step", f"{progress.step}{f' of {progress.total_steps}' if progress.total_steps else ''}" if progress else ""),
        ("Checkpoint", f"step {progress.checkpoint_step}" if progress and progress.checkpoint_step is not None else ""),
        ("Created", human.ago(job.metadata.creation_timestamp, now)),
    ]
    attention = human.worth_reading(status.conditions, status.phase, status.message)
    return human.page(
        sentence,
        rows,
        [
            ("Attempts", _attempts(status.attempts, status.phase, sentence, now)),
            ("Ranks", _ranks(ranks)),
            ("Worth knowing", human.wrapped(human.condition_rows(attention))),
            ("Next", [f"footplate job {verb.format(name)}{flags}" for verb in _job_commands(job)]),
        ],
    )


def _phase(job: TrainingJob, now: datetime) -> str:
    status = job.status
    spent = human.lasted(status.started_at, status.finished_at, now)
    if not spent or status.phase is None:
        return status.phase or ""
    return f"{status.phase}, after {spent}" if status.phase.ended else f"{status.phase}, for {spent}"


def _processes(count: int) -> str:
    return f"{count} process" if count == 1 else f"{count} processes"


def _ranks(pods: Sequence[Pod]) -> list[str]:
    columns = (
        Column[Pod]("Node rank", lambda pod: pod.node_rank),
        Column[Pod]("Node", lambda pod: pod.node),
        Column[Pod]("State", _state),
        Column[Pod]("Pod", lambda pod: pod.name),
    )
    if not pods:
        return []
    more = [f"… and {len(pods) - MOST_RANKS} more"] if len(pods) > MOST_RANKS else []
    return [*table(pods[:MOST_RANKS], columns, width=None, colour=False).splitlines(), *more]


def _state(pod: Pod) -> str:
    ended = pod.terminated
    if pod.state == "ended" and ended is not None:
        return f"ended, exit code {ended.exit_code}"
    return pod.state if pod.state != "waiting" or pod.node else "waiting for a node"


def _attempts(attempts: tuple[Attempt, ...], phase: JobPhase | None, said: str, now: datetime) -> list[str]:
    """`said`: what need not be said again."""
    if not attempts:
        return []

    columns = (
        Column[Attempt]("#", lambda a: a.number),
        Column[Attempt]("Target", lambda a: a.target),
        Column[Attempt]("Nodes", lambda a: a.nodes),
        Column[Attempt]("Began", lambda a: human.ago(a.start, now)),
        Column[Attempt]("Waited", lambda a: human.waited(a, now)),
        Column[Attempt]("Ran", lambda a: human.ran(a, now)),
        Column[Attempt]("Checkpoint", lambda a: f"step {a.checkpoint_step}" if a.checkpoint_step is not None else ""),
        Column[Attempt]("Ended by", lambda a: _cause(a, phase, said)),
    )
    return table(attempts, columns, width=None, colour=False).splitlines()


def _cause(attempt: Attempt, phase: JobPhase | None, said: str) -> str:
    if attempt.cause is None:
        return "" if attempt.end or phase is None else f"({phase.lower()})"
    return cause_text(attempt.cause, said)


def cause_text(cause: Cause, said: str = "") -> str:
    """`Infra/NodeNotReady: node n3 does not answer; avoids n3`, without evidence that has been `said`."""
    name = f"{cause.class_}/{cause.reason}" if cause.reason else str(cause.class_)
    if cause.evidence and cause.evidence in said:
        name, cause = f"{name}, as said above", msgspec.structs.replace(cause, evidence="")
    notes = [f"avoids {', '.join(cause.suspect_nodes)}"] if cause.suspect_nodes else []
    notes += [] if cause.retry else ["not tried again"]
    return "; ".join([f"{name}: {cause.evidence}" if cause.evidence else name, *notes])


def _job_commands(job: TrainingJob) -> list[str]:
    match job.status.phase:
        case JobPhase.SUCCEEDED | JobPhase.FAILED | JobPhase.CANCELLED:
            return ["logs {0}", "delete {0}"]
        case _:
            return ["logs {0} -f", "cancel {0}"]
