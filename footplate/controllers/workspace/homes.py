"""What is to be done for a home, one task at a time: decided from what is observed, remembered in `status.home` alone.

A task is written to the status, then its pod is made; the pod's end is counted, then the pod is removed. A pod that is
lost meanwhile is made again. A snapshot gives way to a person who wants the workspace back: home is not mounted on two
nodes, so a start waits until the task's pod is gone, and what was not saved then is saved at the next stop.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from footplate.api import Workspace
from footplate.api.home import Answer, HomeFailure, HomeReport, HomeStatus, HomeTask
from footplate.controllers.cluster import Pod
from footplate.controllers.failure import nodes
from footplate.controllers.failure.pods import AT_FAULT, ending
from footplate.controllers.workspace import hometask
from footplate.controllers.workspace.observed import Observed, has_home

PRUNE_EVERY = 5
"""Snapshots from one removal of old ones to the next."""
REQUEST_TRIES = 3
LONGEST_RETRY = timedelta(hours=1)

_Due = tuple[str, datetime | None]


def advance(ws: Workspace, observed: Observed, now: datetime) -> HomeStatus | None:
    """Equal to `ws.status.home` when nothing has changed."""
    if not has_home(ws):
        return ws.status.home
    before = ws.status.home
    home = before or HomeStatus()
    pod = observed.pod
    if pod is not None and _ours(ws, pod) and (pod.ready or pod.ended or pod.leaving):
        home = _used(home)
    if home.task is not None:
        home = _followed(ws, home, home.task, observed, now)
    if home.task is None and (found := due(ws, home, observed, now)):
        task = HomeTask(home.tasks + 1, found[0], now.replace(microsecond=0), found[1])  # pyright: ignore[reportArgumentType]
        home = msgspec.structs.replace(home, task=task, tasks=task.number)
    return home if before is not None or home != HomeStatus() else None


def due(ws: Workspace, home: HomeStatus, observed: Observed, now: datetime) -> _Due | None:
    """What is to be begun now. `home`: as it is, with no task under way."""
    claim, pod = observed.home, observed.pod
    if observed.facts.platform is None or claim is None or not claim.metadata.owned_by(ws.metadata.uid):
        return None
    if claim.metadata.deletion_timestamp is not None or not all(task.ended for task in observed.tasks):
        return None
    stopped = ws.spec.desired_state == "Stopped"
    free = pod is None
    runs = pod is not None and _ours(ws, pod) and pod.ready
    if free and not stopped and ws.spec.home.restore_from and home.filled != claim.metadata.uid:
        return _now(ws, home, ("Fill", None), now)
    request = ws.spec.home.request
    if request is not None and (home.answer is None or home.answer.at != request.at):
        whole = request.restore is not None and not request.paths
        if (free and stopped) or (runs and not stopped and not whole):
            return _now(ws, home, ("Restore" if request.restore else "Snapshot", request.at), now)
    if snapshots_on_stop(ws, observed):
        if free and stopped and home.unsaved:
            return _now(ws, home, ("Snapshot", None), now)
        if runs and pod is not None and interruption(observed) and home.saved_for != pod.metadata.uid:
            return _now(ws, home, ("Snapshot", None), now)
    if free and stopped and home.unpruned >= PRUNE_EVERY:
        return _now(ws, home, ("Prune", None), now)
    return None


def snapshots_on_stop(ws: Workspace, observed: Observed) -> bool:
    platform = observed.facts.platform
    return platform is not None and (ws.spec.home.snapshot or platform.homes.snapshot) == "OnStop"


def interruption(observed: Observed) -> str | None:
    """Why the workspace's node is about to go; None: nobody says so."""
    node = observed.node
    if node is None:
        return None
    if taken := nodes.reclaimed(node):
        return taken
    return (
        f"node {node.metadata.name} is closed to new pods, as before it is emptied" if node.spec.unschedulable else None
    )


def filling(ws: Workspace, observed: Observed) -> bool:
    """Its home is new, and has not yet what it should begin with."""
    home = ws.status.home or HomeStatus()
    claim = observed.home
    unfilled = claim is None or home.filled != claim.metadata.uid
    return has_home(ws) and ws.spec.home.restore_from is not None and unfilled


def holds_start(ws: Workspace, observed: Observed) -> str | None:
    """Why its pod is not made yet."""
    if not has_home(ws):
        return None
    task = ws.status.home.task if ws.status.home else None
    if filling(ws, observed) or (task is not None and task.kind in ("Fill", "Restore")):
        return "Its home is being restored." + _trouble(ws)
    held = next(filter(hometask.uses_home, observed.tasks), None)
    if held is None:
        return None
    node = held.spec.node_name
    if node and node not in observed.facts.capacity.ready:
        return f"It starts as soon as its home is free, but node {node}, where it is being saved, does not answer."
    return "It starts as soon as its home is free: a snapshot of it is being broken off."


def saving(ws: Workspace, observed: Observed, now: datetime) -> bool:
    """A stop waits for it: for the first try, and not for ever."""
    home = ws.status.home
    task = home.task if home else None
    first = home is not None and home.failure is None
    waited = task is not None and now - task.since >= observed.bounds.snapshot
    return first and task is not None and task.kind == "Snapshot" and not waited


def next_look(ws: Workspace, observed: Observed) -> list[datetime]:
    home = ws.status.home
    if home is None:
        return []
    found: list[datetime] = []
    if home.task is not None:
        found += [home.task.since + observed.bounds.snapshot, home.task.since + observed.bounds.home_task]
    elif home.failure is not None and home.failure.retry_at is not None:
        found.append(home.failure.retry_at)
    return found


def _ours(ws: Workspace, pod: Pod | None) -> bool:
    return pod is not None and pod.metadata.owned_by(ws.metadata.uid)


def _now(ws: Workspace, home: HomeStatus, found: _Due, now: datetime) -> _Due | None:
    """None before the time of the next try, and where another would not help."""
    failure = home.failure
    if failure is None or (failure.kind, failure.asked) != found:
        return found
    if failure.retry_at is None:
        return found if failure.generation != ws.metadata.generation else None
    return found if now >= failure.retry_at else None


def _followed(ws: Workspace, home: HomeStatus, task: HomeTask, observed: Observed, now: datetime) -> HomeStatus:
    idle = msgspec.structs.replace(home, task=None)
    if _called_off(ws, task, observed):
        return idle
    pod = next((pod for pod in observed.tasks if pod.name == hometask.name(ws, task)), None)
    main = pod.container("main") if pod is not None else None
    ended = main.state.terminated if main is not None else None
    if pod is not None and pod.status.phase == "Succeeded" and ended is not None:
        return _succeeded(ws, idle, task, _report(ended.message), observed)
    if now - task.since >= observed.bounds.home_task:
        return _failed(ws, home, observed, "it was not done in time", now)
    waits = main.state.waiting if main is not None else None
    if waits is not None and waits.reason == "CreateContainerConfigError" and home.total:
        lost = "the team's Secret footplate-homes is missing, without which snapshots cannot be read: restore it from its backup"
        return _failed(ws, home, observed, lost, now)
    if pod is None or not pod.ended:
        return home
    if ended is not None and ended.exit_code == AT_FAULT:
        return _failed(ws, home, observed, _clause(ended.message), now, final=True)
    found = ending(pod)
    said = ended.message if ended is not None and ended.exit_code == 75 else (found.evidence if found else "")
    return _failed(ws, home, observed, _clause(said or "its pod failed"), now)


def _used(home: HomeStatus) -> HomeStatus:
    """A start begins anew: its stop waits for a snapshot again, however the one before went."""
    failure = home.failure
    over = failure is not None and failure.kind == "Snapshot" and failure.asked is None
    return msgspec.structs.replace(home, unsaved=True, failure=None if over else failure)


def _called_off(ws: Workspace, task: HomeTask, observed: Observed) -> bool:
    request = ws.spec.home.request
    if task.asked is not None and (request is None or request.at != task.asked):
        return True
    wanted = ws.spec.desired_state == "Running"
    if task.kind in ("Snapshot", "Prune"):
        return wanted and observed.pod is None
    return task.kind == "Fill" and not wanted


def _succeeded(ws: Workspace, home: HomeStatus, task: HomeTask, report: HomeReport, observed: Observed) -> HomeStatus:
    changes: dict[str, object] = {"failure": None}
    known = {one.id: one for one in home.snapshots if one.size is not None}
    if task.kind != "Fill" and (report.snapshots or task.kind == "Prune"):
        changes |= {
            "snapshots": tuple(known.get(one.id, one) for one in report.snapshots),
            "total": report.total,
            "unpruned": 0 if task.kind == "Prune" else home.unpruned + 1,
        }
    request = ws.spec.home.request
    if task.kind == "Snapshot":
        saved_for = observed.pod.metadata.uid if observed.pod else home.saved_for
        changes |= {"unsaved": observed.pod is not None, "saved_for": saved_for, "incomplete": report.message or None}
    if task.kind == "Restore" and request is not None:
        changes["unsaved"] = bool(request.paths)
    if task.kind == "Fill" and observed.home is not None:
        changes["filled"] = observed.home.metadata.uid
    if task.asked is not None:
        changes["answer"] = Answer(task.asked, True, report.message or _saved(report))
    return msgspec.structs.replace(home, **changes)


def _failed(
    ws: Workspace, home: HomeStatus, observed: Observed, why: str, now: datetime, *, final: bool = False
) -> HomeStatus:
    """`home`: as it was while the task was under way."""
    before, task = home.failure, home.task
    assert task is not None
    home = msgspec.structs.replace(home, task=None)
    same = before is not None and (before.kind, before.asked) == (task.kind, task.asked)
    times = before.times + 1 if before is not None and same else 1
    if task.asked is not None and (final or times >= REQUEST_TRIES):
        return msgspec.structs.replace(home, failure=None, answer=Answer(task.asked, False, f"{_upper(why)}."))
    retry = now.replace(microsecond=0) + min(observed.bounds.home_retry * 2 ** min(times - 1, 10), LONGEST_RETRY)
    lasting = final and task.kind == "Fill"
    failure = HomeFailure(task.kind, why, times, task.asked, None if lasting else retry, ws.metadata.generation)
    return msgspec.structs.replace(home, failure=failure)


def _saved(report: HomeReport) -> str:
    newest = report.snapshots[0] if report.snapshots else None
    return f"Its home is saved and verified: snapshot {newest.id}." if newest else "Its home is saved."


def _trouble(ws: Workspace) -> str:
    failure = ws.status.home.failure if ws.status.home else None
    return f" The last try failed: {failure.message}." if failure is not None else ""


def _report(message: str) -> HomeReport:
    try:
        return msgspec.json.decode(message, type=HomeReport)
    except msgspec.DecodeError:
        return HomeReport()


def _clause(sentence: str) -> str:
    text = sentence.strip().rstrip(".")
    first = text.split(" ", 1)[0]
    return text[:1].lower() + text[1:] if first.istitle() else text


def _upper(clause: str) -> str:
    return clause[:1].upper() + clause[1:]
