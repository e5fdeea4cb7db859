"""Why a pod ended, from what Kubernetes recorded: whose fault it was, and the evidence in a sentence.

Sources: https://kubernetes.io/docs/concepts/workloads/pods/disruptions/#pod-disruption-conditions,
https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/, the kubelet's admission reasons
(k8s.io/kubernetes/pkg/kubelet/lifecycle), and the exit codes of footplate/agent/ending.py.
"""

from __future__ import annotations

import re
import signal
from datetime import datetime, timedelta

from footplate.api.trainingjob import CauseClass
from footplate.controllers.cluster import ContainerStatus, Pod, Terminated
from footplate.controllers.failure.rule import Ending, Rule, Weight, by
from footplate.controllers.failure.texts import by_launcher, last_words, recognise

#: Containers whose failure ends the pod; the sidecar is restarted by itself, and ended by a signal after the others.
_OURS = ("prepare", "main")
AT_FAULT = 64
TEMPORARY = 75

_APP, _INFRA, _CAPACITY = CauseClass.APP, CauseClass.INFRA, CauseClass.CAPACITY

#: Reasons of the pod condition DisruptionTarget.
_DISRUPTIONS: dict[str, Rule] = {
    "PreemptionByScheduler": Rule(
        "Preempted", CauseClass.PREEMPTION, "its pod was preempted by one of higher priority"
    ),
    "DeletionByTaintManager": Rule("NodeUnusable", _INFRA, "its node {node} became unusable", suspect=True),
    "EvictionByEvictionAPI": Rule(
        "NodeDrained", _INFRA, "its pod was evicted from node {node}, which is being emptied"
    ),
    "DeletionByPodGC": Rule("NodeGone", _INFRA, "its node {node} is gone"),
    "TerminationByKubelet": Rule("EvictedByNode", _INFRA, "node {node} ended its pod to protect itself"),
}

#: `status.reason` of a pod that its node ended or never started.
_POD_REASONS: dict[str, Rule] = {
    "Evicted": Rule("EvictedByNode", _INFRA, "node {node} evicted its pod"),
    "NodeLost": Rule("NodeNotReady", _INFRA, "its node {node} does not answer", suspect=True),
    "NodeShutdown": Rule("NodeShutdown", _INFRA, "its node {node} was shut down"),
    "Terminated": Rule("NodeShutdown", _INFRA, "its node {node} was shut down"),
    "Shutdown": Rule("NodeShutdown", _INFRA, "its node {node} was shut down"),
    "UnexpectedAdmissionError": Rule(
        "DeviceNotAllocated", _INFRA, "node {node} could not give it what it asked for", suspect=True
    ),
    "Preempting": Rule("EvictedByNode", _INFRA, "node {node} made room for a critical pod"),
    "NodeAffinity": Rule("NodeNoLongerFits", _INFRA, "node {node} no longer fits"),
    "DeadlineExceeded": Rule("PodDeadline", CauseClass.DEADLINE, "its pod's time was over"),
}
#: The kubelet's `OutOfcpu`, `OutOfnvidia.com/gpu`: another pod was quicker.
_OUT_OF = Rule("NodeFull", _CAPACITY, "node {node} had no room left for it")
_POD_FAILED = Rule("PodFailed", _INFRA, "its pod failed on node {node}")
#: Evictions that the pod itself brought about. Source: k8s.io/kubernetes/pkg/kubelet/eviction/helpers.go
_OWN_LIMIT = re.compile(
    r"exceed(s|ed) (its local ephemeral storage|the total) limit|Usage of EmptyDir volume .* exceeds"
)
_OVER_LIMIT = Rule("DiskLimit", _APP, "it wrote more to disk than it asked for")

_DELETED = Rule("PodDeleted", _INFRA, "its pod was deleted", weight=Weight.SIGNAL)
_UNSAID = Rule("PodFailed", _INFRA, "its pod failed and its node did not say why")
_ENDED = Rule("Ended", _APP, "its process ended by itself")
_OUT_OF_MEMORY = Rule("OutOfMemory", _APP, "{who} ran out of memory")
_NOT_STARTED = Rule("CommandNotStarted", _APP, "{who} could not be started", retry=False)

#: Exit codes of programs as shells have them: 128 + the signal.
_CODES: dict[int, Rule] = {
    126: _NOT_STARTED,
    127: _NOT_STARTED,
    128: _NOT_STARTED,
    132: Rule("Crashed", _APP, ""),
    134: Rule("Crashed", _APP, ""),
    135: Rule("Crashed", _APP, "shared memory or a mapped file was cut short"),
    136: Rule("Crashed", _APP, ""),
    137: Rule("Killed", _INFRA, "killed from outside, not for memory", weight=Weight.SIGNAL),
    139: Rule("Crashed", _APP, ""),
    143: Rule("Terminated", _INFRA, "ended from outside", weight=Weight.SIGNAL),
}
_FAILED = Rule("ProgramFailed", _APP, "")
_NOT_PREPARED = Rule("NotPrepared", _APP, "getting code and data ready failed")


def ending(pod: Pod) -> Ending | None:
    """None while nothing has happened to it."""
    node = pod.spec.node_name
    disruption = pod.condition("DisruptionTarget")
    if disruption is not None and disruption.status == "True" and disruption.reason in _DISRUPTIONS:
        rule = _DISRUPTIONS[disruption.reason]
        said = disruption.message if _OWN_LIMIT.search(disruption.message) else ""
        if said:
            return by(_OVER_LIMIT, f"{_OVER_LIMIT.says} ({_trimmed(said)})", disruption.last_transition_time, node)
        return by(rule, rule.says.format(node=node or "?"), disruption.last_transition_time, node)
    if pod.status.phase == "Failed" and pod.status.reason:
        return _of_reason(pod)
    failed = first_failed(pod)
    deleted = _deleted(pod)
    if failed is not None and not (deleted and (failed[1].finished_at or deleted) >= deleted):
        return of_container(*failed, node)
    if deleted is not None:  # and what its processes said on being ended is no cause
        return by(_DELETED, _DELETED.says, deleted, node)
    if pod.status.phase == "Failed":
        return by(_UNSAID, _UNSAID.says, _last(pod), node)
    if pod.status.phase == "Succeeded":
        return by(_ENDED, _ENDED.says, _last(pod), node)
    return None


def _of_reason(pod: Pod) -> Ending:
    reason, node = pod.status.reason, pod.spec.node_name
    said = _trimmed(pod.status.message) or reason
    rule = _POD_REASONS.get(reason, _OUT_OF if reason.startswith("OutOf") else _POD_FAILED)
    if reason == "Evicted" and _OWN_LIMIT.search(pod.status.message):
        rule = _OVER_LIMIT
    return by(rule, f"{rule.says.format(node=node or '?')} ({said})", _last(pod), node)


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


def of_container(status: ContainerStatus, ended: Terminated, node: str) -> Ending:
    """137 is no cause by itself: the container's reason, the launcher's words and the log come first."""
    if status.name == "prepare":
        return _of_prepare(ended, node)
    who = "its process" if status.name == "main" else f"container {status.name}"
    words = last_words(ended.message)
    if ended.reason == "OOMKilled":
        return by(_OUT_OF_MEMORY, _OUT_OF_MEMORY.says.format(who=who), ended.finished_at, node)
    if ended.reason in ("StartError", "ContainerCannotRun") or ended.exit_code in (126, 127, 128):
        text = f"{_NOT_STARTED.says.format(who=who)} (exit code {ended.exit_code}: {words or _shell(ended.exit_code)})"
        return by(_NOT_STARTED, text, ended.finished_at, node)
    said = words if by_launcher(ended.message) else f"{who} failed with exit code {ended.exit_code}{_signal(ended)}"
    found = recognise(ended.message)
    if found is not None:
        rule, line = found
        line = line if line and line.rstrip(".").lower() not in said.lower() else words
        hint = rule.says.format(node=node or "?")
        return by(rule, _joined(said, words if rule.reason in _QUOTED else line, hint, rule), ended.finished_at, node)
    rule = _CODES.get(ended.exit_code, _FAILED)
    text = said if by_launcher(ended.message) or not words else f"{said}: {words}"
    return by(rule, f"{text} ({rule.says})" if rule.says else text, ended.finished_at, node)


#: Reasons that say less than the program's own last words.
_QUOTED = ("PythonException", "CodeError", "OutOfMemory")


def _joined(said: str, line: str, hint: str, rule: Rule) -> str:
    text = said if not line or line.rstrip(".").lower() in said.lower() else f"{said}: {line.rstrip('.')}"
    return text if rule.reason in _QUOTED else f"{hint}: {text}"


def _of_prepare(ended: Terminated, node: str) -> Ending:
    said = ended.message.strip().rstrip(".")
    text = _clause(said or f"{_NOT_PREPARED.says} with exit code {ended.exit_code}")
    if ended.reason == "OOMKilled":
        return by(_OUT_OF_MEMORY, _OUT_OF_MEMORY.says.format(who="getting data ready"), ended.finished_at, node)
    if ended.exit_code == AT_FAULT:
        rule = Rule("RequestAtFault", _APP, "", retry=False)
        return by(rule, text, ended.finished_at, node)
    found = recognise(said) if ended.exit_code == TEMPORARY else None
    rule = found[0] if found else Rule("StoreAway", _INFRA, "") if ended.exit_code == TEMPORARY else _NOT_PREPARED
    if ended.exit_code in (137, 143):
        rule = _CODES[ended.exit_code]
    return by(rule, text, ended.finished_at, node)


def _shell(code: int) -> str:
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


def _trimmed(text: str) -> str:
    return text.strip().rstrip(".")


def _clause(sentence: str) -> str:
    """`Dataset x is missing` → `dataset x is missing`; names that begin with capitals stay."""
    first = sentence.split(" ", 1)[0]
    return sentence if not first.istitle() else sentence[0].lower() + sentence[1:]
