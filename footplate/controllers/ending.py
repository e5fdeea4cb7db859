"""Why a pod ended, from what Kubernetes recorded: whose fault it was, and the evidence in a sentence.

Sources: https://kubernetes.io/docs/concepts/workloads/pods/disruptions/#pod-disruption-conditions,
https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/, and the exit codes of
footplate/agent/ending.py.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from datetime import datetime, timedelta

from footplate.api.trainingjob import CauseClass
from footplate.controllers.cluster import ContainerStatus, Pod, Terminated

#: Containers whose failure ends the pod; the sidecar is restarted by itself, and ended by a signal after the others.
_OURS = ("prepare", "main")
AT_FAULT = 64
TEMPORARY = 75


@dataclass(frozen=True)
class Ending:
    class_: CauseClass
    evidence: str
    """A clause without a full stop: `it ran out of memory`."""
    at: datetime | None = None
    hopeless: bool = False
    """The request itself is at fault: another try ends the same way."""


#: Reasons of the pod condition DisruptionTarget.
_DISRUPTIONS: dict[str, tuple[CauseClass, str]] = {
    "PreemptionByScheduler": (CauseClass.PREEMPTION, "its pod was preempted by one of higher priority"),
    "DeletionByTaintManager": (CauseClass.INFRA, "its node {node} became unusable"),
    "EvictionByEvictionAPI": (CauseClass.INFRA, "its pod was evicted from node {node}, which is being emptied"),
    "DeletionByPodGC": (CauseClass.INFRA, "its node {node} is gone"),
    "TerminationByKubelet": (CauseClass.INFRA, "node {node} ended its pod to protect itself"),
}

#: `status.reason` of a pod that its node ended or never started.
_POD_REASONS: dict[str, str] = {
    "Evicted": "node {node} evicted its pod",
    "NodeLost": "its node {node} does not answer",
    "NodeShutdown": "its node {node} was shut down",
    "Terminated": "its node {node} was shut down",
    "Shutdown": "its node {node} was shut down",
    "UnexpectedAdmissionError": "node {node} could not give it what it asked for",
    "Preempting": "node {node} made room for a critical pod",
    "NodeAffinity": "node {node} no longer fits",
    "DeadlineExceeded": "its pod's time was over",
}


def ending(pod: Pod) -> Ending | None:
    """None while nothing has happened to it."""
    node = pod.spec.node_name or "?"
    disruption = pod.condition("DisruptionTarget")
    if disruption is not None and disruption.status == "True" and disruption.reason in _DISRUPTIONS:
        class_, text = _DISRUPTIONS[disruption.reason]
        return Ending(class_, text.format(node=node), disruption.last_transition_time)
    if pod.status.phase == "Failed" and pod.status.reason:
        text = _POD_REASONS.get(pod.status.reason, "its pod failed on node {node}").format(node=node)
        said = pod.status.message.strip().rstrip(".")
        return Ending(CauseClass.INFRA, f"{text} ({said or pod.status.reason})", _last(pod))
    failed = first_failed(pod)
    deleted = _deleted(pod)
    if failed is not None and not (deleted and (failed[1].finished_at or deleted) >= deleted):
        return of_container(*failed)
    if deleted is not None:  # and what its processes said on being ended is no cause
        return Ending(CauseClass.INFRA, "its pod was deleted", deleted)
    if pod.status.phase == "Failed":
        return Ending(CauseClass.INFRA, "its pod failed and its node did not say why", _last(pod))
    if pod.status.phase == "Succeeded":
        return Ending(CauseClass.APP, "its process ended by itself", _last(pod))
    return None


def _deleted(pod: Pod) -> datetime | None:
    """When its deletion was asked for: the timestamp is that of the end of its grace."""
    due = pod.metadata.deletion_timestamp
    return due - timedelta(seconds=pod.metadata.deletion_grace_period_seconds) if due is not None else None


def first_failed(pod: Pod) -> tuple[ContainerStatus, Terminated] | None:
    """The container that failed first; of those in the same second, one that was not ended by a signal from outside."""
    found = [
        (status, status.state.terminated)
        for status in (*pod.status.init_container_statuses, *pod.status.container_statuses)
        if status.name in _OURS and status.state.terminated is not None and status.state.terminated.exit_code != 0
    ]
    return min(found, key=lambda pair: order(pair[1]), default=None)


def order(terminated: Terminated) -> tuple[float, bool]:
    at = terminated.finished_at.timestamp() if terminated.finished_at else float("inf")
    return at, terminated.exit_code in (137, 143)


def of_container(status: ContainerStatus, ended: Terminated) -> Ending:
    said = ended.message.strip().rstrip(".")
    if status.name == "prepare":
        hopeless = ended.exit_code == AT_FAULT
        what = said or f"getting code and data ready failed with exit code {ended.exit_code}"
        class_ = CauseClass.INFRA if ended.exit_code == TEMPORARY else CauseClass.APP
        return Ending(class_, _clause(what), ended.finished_at, hopeless)
    said = said.rsplit("\n", 1)[-1].strip()[:200]  # of the log's end, the line that says most
    who = "its process" if status.name == "main" else f"container {status.name}"
    if ended.reason == "OOMKilled":
        return Ending(CauseClass.APP, f"{who} ran out of memory", ended.finished_at)
    if ended.reason in ("StartError", "ContainerCannotRun") or ended.exit_code in (126, 127, 128):
        cause = said or _shell_code(ended.exit_code)
        return Ending(
            CauseClass.APP, f"{who} could not be started (exit code {ended.exit_code}: {cause})", ended.finished_at
        )
    text = f"{who} failed with exit code {ended.exit_code}{_signal(ended)}"
    return Ending(CauseClass.APP, f"{text}: {said}" if said else text, ended.finished_at)


def _shell_code(code: int) -> str:
    return {126: "not executable", 127: "command not found"}.get(code, "the command cannot be run")


def _signal(ended: Terminated) -> str:
    number = ended.signal or (ended.exit_code - 128 if 128 < ended.exit_code < 160 else 0)
    try:
        return f" ({signal.Signals(number).name})" if number else ""
    except ValueError:
        return ""


def _last(pod: Pod) -> datetime | None:
    times = [
        status.state.terminated.finished_at
        for status in pod.status.container_statuses
        if status.state.terminated and status.state.terminated.finished_at
    ]
    return max(times, default=None)


def _clause(sentence: str) -> str:
    """`Dataset x is missing` → `dataset x is missing`; names that begin with capitals stay."""
    first = sentence.split(" ", 1)[0]
    return sentence if not first.istitle() else sentence[0].lower() + sentence[1:]
