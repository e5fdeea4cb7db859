"""What a Workspace's status should say: its phase, a sentence, and what has to outlive the controllers.

The loss of a pod is counted exactly once: where it has ended, by its UID in `status.lostPod`; where it is gone without a
trace, because `status.podName` still names it. Only what is counted is removed and made again (`desired`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import msgspec

from footplate.api import Condition, Workspace, WorkspaceStatus
from footplate.api.duration import human
from footplate.api.home import HomeStatus
from footplate.api.trainingjob import CauseClass
from footplate.api.workspace import WorkspacePhase
from footplate.controllers import honoured, kinds
from footplate.controllers.children import CHANGE_REFUSED, name_taken
from footplate.controllers.cluster import Pod
from footplate.controllers.failure.pods import ending
from footplate.controllers.failure.rule import Ending
from footplate.controllers.refusal import Refusal
from footplate.controllers.waiting import STAGES, Waiting, waiting
from footplate.controllers.workspace import homes, homewords, idleness, storage
from footplate.controllers.workspace import pod as pods
from footplate.controllers.workspace.activity import Outlook
from footplate.controllers.workspace.desired import start, stuck
from footplate.controllers.workspace.observed import (
    AT_FAULT,
    INVALID,
    KEEPS_ENDING,
    Observed,
    failed_for_good,
)
from footplate.kube.conditions import find_condition, remove_condition, set_condition

_SERVER = "JupyterLab"
_PASSING = frozenset({"Scheduling", *STAGES})


@dataclass(frozen=True)
class Verdict:
    phase: WorkspacePhase
    reason: str
    message: str
    pod: Pod | None = None
    """The one that counts as started; its loss will be counted."""
    placed: bool | None = None
    """Whether it has a node; None: nobody asks."""
    ready: bool = False
    started_at: datetime | None = None
    restarts: int = 0
    retry_at: datetime | None = None
    lost_pod: str | None = None
    """UID of the pod that this verdict counts as lost."""


def status(ws: Workspace, observed: Observed, now: datetime) -> WorkspaceStatus:
    """Equal to `ws.status` when nothing has changed."""
    home = homes.advance(ws, observed, now)
    before, ws = ws, _with(ws, home)
    verdict = judge(ws, observed, now)
    pod = verdict.pod
    if _passing(ws, observed, verdict, now) and home == before.status.home:
        return before.status
    running = verdict.phase is WorkspacePhase.RUNNING
    outlook = idleness.of_running(ws, observed, now) if running else None
    message = verdict.message
    if outlook is not None and verdict.ready:
        message = idleness.sentence(ws, outlook)
    if running:
        message += storage.warning(ws, observed) + homewords.warning(observed)
    return msgspec.structs.replace(
        ws.status,
        phase=verdict.phase,
        conditions=_conditions(ws, observed, verdict, outlook, now),
        url=pods.url(ws) if running else None,
        pod_name=pod.name if pod else None,
        node_name=(pod.spec.node_name or None) if pod else None,
        started_at=verdict.started_at,
        restarts=verdict.restarts,
        lost_pod=verdict.lost_pod or ws.status.lost_pod,
        home_uid=storage.uid(ws, observed),
        retry_at=verdict.retry_at,
        activity=outlook.activity if outlook else None,
        stops_at=outlook.stops_at if outlook else None,
        message=message,
        observed_generation=ws.metadata.generation,
    )


def _with(ws: Workspace, home: HomeStatus | None) -> Workspace:
    return Workspace(ws.metadata, ws.spec, msgspec.structs.replace(ws.status, home=home))


def unworkable(ws: Workspace, message: str, now: datetime) -> WorkspaceStatus:
    """Where no decision can be made about its spec: it fails, unless it has a pod, which goes on."""
    before = ws.status
    phase = WorkspacePhase.FAILED if before.pod_name is None else before.phase
    at, generation = now.replace(microsecond=0), ws.metadata.generation
    ready = find_condition(before.conditions, "Ready")
    if before.pod_name is None or ready is None:
        ready = Condition("Ready", "False", INVALID, message, at, generation)
    return msgspec.structs.replace(
        before,
        phase=phase,
        conditions=set_condition(before.conditions, ready),
        retry_at=None,
        message=message,
        observed_generation=generation,
    )


def judge(ws: Workspace, observed: Observed, now: datetime) -> Verdict:
    pod = observed.pod
    ours = pod is not None and pod.metadata.owned_by(ws.metadata.uid)
    if ws.spec.desired_state == "Stopped":
        return _stopping(ws, observed, now, there=ours)
    if failed_for_good(ws):
        return _as_before(ws)
    if pod is not None and not ours:
        return _refused(name_taken(kinds.POD, pod.metadata), _since(ws))
    before = _since(ws)
    if pod is None:
        gone = ws.status.pod_name is not None or observed.vanished not in (None, ws.status.lost_pod)
        return _lost(ws, observed, before, now) if gone else _not_started(ws, observed, before, now)
    if pod.leaving or pod.ended or stuck(ws, observed, now):
        counted = pod.metadata.uid == ws.status.lost_pod
        return _leaving(ws, observed, before) if counted else _lost(ws, observed, before, now)
    return _started(ws, pod, observed, before)


def _passing(ws: Workspace, observed: Observed, verdict: Verdict, now: datetime) -> bool:
    """It is coming up: most often it is ready before a person has read how far it got, so a start costs one status."""
    pod = observed.pod
    starting = verdict.reason in _PASSING and verdict.pod is not None
    told = ws.status.phase not in (None, WorkspacePhase.STARTING)
    if not starting or pod is None or (told and ws.status.observed_generation == ws.metadata.generation):
        return False
    return any(now - moment < observed.settle for moment in _steps(pod))


def _steps(pod: Pod) -> list[datetime]:
    return [moment for moment in (pod.metadata.creation_timestamp, _given_node(pod)) if moment is not None]


def _given_node(pod: Pod | None) -> datetime | None:
    scheduled = pod.condition("PodScheduled") if pod else None
    return scheduled.last_transition_time if scheduled and scheduled.status == "True" else None


def next_look(ws: Workspace, observed: Observed, now: datetime) -> timedelta | None:
    """When time alone will change the verdict."""
    due: list[datetime] = []
    if ws.status.retry_at is not None:
        due.append(ws.status.retry_at)
    pod = observed.pod
    if pod is not None and not (pod.ready or pod.ended or pod.leaving) and ws.status.started_at is None:
        given = _given_node(pod)
        due += [moment + observed.settle for moment in _steps(pod)]
        due += [given + observed.bounds.start] if given is not None else []
    if ws.status.phase is WorkspacePhase.RUNNING and (look := idleness.of_running(ws, observed, now).look):
        due.append(look)
    due += homes.next_look(ws, observed)
    due = [moment for moment in due if moment > now]
    return min(due) - now if due else None


def _since(ws: Workspace) -> Verdict:
    """What is carried over: nothing into a new spec."""
    status = ws.status
    blank = Verdict(status.phase or WorkspacePhase.STARTING, "", status.message or "")
    if status.observed_generation != ws.metadata.generation:
        return replace(blank, started_at=status.started_at)
    return replace(blank, started_at=status.started_at, restarts=status.restarts, retry_at=status.retry_at)


def _as_before(ws: Workspace) -> Verdict:
    before = _since(ws)
    ready = find_condition(ws.status.conditions, "Ready")
    return replace(before, started_at=None, reason=ready.reason if ready else KEEPS_ENDING)


def _stopping(ws: Workspace, observed: Observed, now: datetime, *, there: bool) -> Verdict:
    if there and observed.pod is not None:
        uid = observed.pod.metadata.uid
        text = homewords.stuck(observed, "It is stopped as soon as its pod has ended") or "Its pod is ending."
        return Verdict(WorkspacePhase.STOPPING, "Stopping", text, lost_pod=uid)
    if homes.saving(ws, observed, now):
        return Verdict(WorkspacePhase.STOPPING, "SavingHome", "Its home is being saved.")
    why = idleness.why_stopped(ws.status)
    return Verdict(
        WorkspacePhase.STOPPED,
        "Stopped",
        f"{why.message if why else 'It is stopped.'}{storage.kept(ws, observed)}{homewords.saved(ws, observed)}",
    )


def _refused(refusal: Refusal, before: Verdict) -> Verdict:
    phase = WorkspacePhase.FAILED if refusal.final else WorkspacePhase.QUEUED
    return replace(before, phase=phase, reason=refusal.reason, message=refusal.message, started_at=None, retry_at=None)


def _not_started(ws: Workspace, observed: Observed, before: Verdict, now: datetime) -> Verdict:
    if before.retry_at is not None and now < before.retry_at:
        return replace(before, phase=WorkspacePhase.STARTING, reason="PodLost", started_at=None)
    refusal = observed.refused or start(ws, observed)
    if isinstance(refusal, Refusal) and refusal.reason != CHANGE_REFUSED:
        return _refused(refusal, before)
    if unfilled := homewords.unfilled(ws):
        return _refused(unfilled, before)
    if held := homes.holds_start(ws, observed):
        return replace(before, phase=WorkspacePhase.STARTING, reason="HomeNotReady", message=held, started_at=None)
    return replace(
        before, phase=WorkspacePhase.STARTING, reason="Starting", message="Its pod is being made.", started_at=None
    )


def _leaving(ws: Workspace, observed: Observed, before: Verdict) -> Verdict:
    """The remainder of a pod whose loss is counted."""
    waits = "It starts again as soon as its former pod is gone"
    held = homewords.stuck(observed, waits)
    if before.retry_at is not None and not held:
        return replace(before, phase=WorkspacePhase.STARTING, reason="PodLost", started_at=None)
    text = held or f"{waits}."
    return replace(before, phase=WorkspacePhase.STARTING, reason="PodLeaving", message=text, started_at=None)


def _lost(ws: Workspace, observed: Observed, before: Verdict, now: datetime) -> Verdict:
    cause = _cause(ws, observed, now)
    long = before.started_at is not None and now - before.started_at >= observed.bounds.early
    restarts = 0 if long else before.restarts + 1
    lost = observed.pod.metadata.uid if observed.pod is not None else observed.vanished
    if cause.hopeless:
        return Verdict(WorkspacePhase.FAILED, AT_FAULT, _sentence(cause.evidence), lost_pod=lost)
    if cause.class_ is CauseClass.APP and restarts >= observed.bounds.failed_starts:
        text = (
            f"It ended {restarts} times in a row soon after its start; the last time, {cause.evidence}. "
            "Correct the cause, then stop it and start it again."
        )
        return Verdict(WorkspacePhase.FAILED, KEEPS_ENDING, text, restarts=restarts, lost_pod=lost)
    retry_at = now + observed.bounds.delay(restarts)
    text = f"It is started again: {cause.evidence}."
    return Verdict(WorkspacePhase.STARTING, "PodLost", text, restarts=restarts, retry_at=retry_at, lost_pod=lost)


def _cause(ws: Workspace, observed: Observed, now: datetime) -> Ending:
    pod = observed.pod
    if pod is None:
        return Ending(CauseClass.INFRA, "its pod was deleted")
    if stuck(ws, observed, now):
        why = waiting(pod, ws.spec.resources, _SERVER).message.rstrip(".")
        span = human(observed.bounds.start)
        return Ending(CauseClass.APP, f"it was not ready within {span} ({why[0].lower() + why[1:]})")
    found = ending(pod)
    if pod.status.phase == "Succeeded" and not pod.leaving:
        return Ending(CauseClass.APP, f"{_SERVER} was shut down from within")
    return found or Ending(CauseClass.INFRA, "its pod was deleted")


def _started(ws: Workspace, pod: Pod, observed: Observed, before: Verdict) -> Verdict:
    same = ws.status.pod_name == pod.name
    was_running = same and ws.status.phase is WorkspacePhase.RUNNING
    restarts = before.restarts
    if pod.ready:
        ready = pod.condition("Ready")
        since = before.started_at if same else None
        started = since or (ready.last_transition_time if ready else None)
        return Verdict(
            WorkspacePhase.RUNNING,
            "Running",
            "It is running.",
            pod,
            True,
            ready=True,
            started_at=started,
            restarts=restarts,
        )
    if was_running:
        text = f"{_SERVER} does not answer."
        return Verdict(
            WorkspacePhase.RUNNING, "NotAnswering", text, pod, True, started_at=before.started_at, restarts=restarts
        )
    found = waiting(pod, ws.spec.resources, _SERVER)
    phase = WorkspacePhase.STARTING if found.placed or found.reason == "Scheduling" else WorkspacePhase.QUEUED
    wait = storage.waits(observed.home) if not found.placed else None
    text = wait or found.message
    return Verdict(phase, found.reason, text, pod, found.placed, started_at=None, restarts=restarts)


def _conditions(
    ws: Workspace, observed: Observed, verdict: Verdict, outlook: Outlook | None, now: datetime
) -> tuple[Condition, ...]:
    def condition(type_: str, holds: bool, reason: str, message: str) -> Condition:
        at = now.replace(microsecond=0)
        return Condition(type_, "True" if holds else "False", reason, message, at, ws.metadata.generation)

    found = set_condition(ws.status.conditions, condition("Ready", verdict.ready, verdict.reason, verdict.message))
    if verdict.placed is None:
        found = remove_condition(found, "Scheduled")
    else:
        node = verdict.pod.spec.node_name if verdict.pod else ""
        text = f"On node {node}." if verdict.placed else verdict.message
        found = set_condition(
            found, condition("Scheduled", verdict.placed, "Placed" if verdict.placed else verdict.reason, text)
        )
    if outlook is not None:
        found = set_condition(found, idleness.condition(ws, observed, outlook, now))
    elif ws.spec.desired_state == "Running" or idleness.why_stopped(ws.status) is None:
        found = remove_condition(found, idleness.CONDITION)
    home = storage.ready(ws, observed)
    if home is None:
        found = remove_condition(found, storage.CONDITION)
    else:
        found = set_condition(found, condition(storage.CONDITION, *home))
    for type_, one in homewords.conditions(ws, observed, running=verdict.phase is WorkspacePhase.RUNNING):
        found = set_condition(found, condition(type_, *one)) if one is not None else remove_condition(found, type_)
    ignored = honoured.ignored(ws.spec, honoured.WORKSPACE)
    if ignored is None:
        found = remove_condition(found, "Honoured")
    else:
        found = set_condition(found, condition("Honoured", False, honoured.REASON, ignored))
    if verdict.pod is None or not _outdated(ws, observed, verdict.pod):
        return remove_condition(found, "UpToDate")
    text = "Its pod was made from an earlier spec or environment: stop and start it to apply the change."
    return set_condition(found, condition("UpToDate", False, "RestartNeeded", text))


def _outdated(ws: Workspace, observed: Observed, pod: Pod) -> bool:
    made_from = pod.metadata.annotations.get(pods.SHAPE)
    if made_from is None or ws.status.phase is not WorkspacePhase.RUNNING:
        return False  # while it starts it is new
    would = start(ws, replace(observed, facts=replace(observed.facts, quotas=())))
    return not isinstance(would, Refusal) and pods.shape(would["spec"]) != made_from


def _sentence(clause: str) -> str:
    return f"{clause[0].upper()}{clause[1:]}."


__all__ = ["INVALID", "Verdict", "Waiting", "judge", "next_look", "status", "unworkable"]
