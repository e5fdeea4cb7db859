"""Handing a plan to a cluster's supervisor, and waiting until all of it runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from devcluster import processes
from devcluster.build import Progress
from devcluster.errors import DevclusterError, StartTimeout
from devcluster.paths import ClusterPaths
from devcluster.plan import Plan, Status
from devcluster.processes import SENTINEL, SUPERVISOR

POLL = 0.05
HOPELESS_RESTARTS = 6  # of one component within one start
UNSUPERVISED_LOOKS = 20  # in a row: a process in the middle of its exec is not seen for an instant
LOG_LINES = 12


def supervise(place: ClusterPaths) -> None:
    """Tell the supervisor of the new plan, or start one."""
    if supervisors := processes.of_component(place.root, SUPERVISOR):
        for process in supervisors:
            processes.send(process, place.root, signal.SIGHUP)
        return
    place.status.unlink(missing_ok=True)
    package = str(Path(__file__).parent.parent)
    search = os.pathsep.join(filter(None, (package, os.environ.get("PYTHONPATH"))))
    environment = {
        **os.environ,
        "PYTHONPATH": search,
        processes.CLUSTER_VARIABLE: str(place.root),
        processes.COMPONENT_VARIABLE: SUPERVISOR,
    }
    with place.log(SUPERVISOR).open("ab") as log:
        subprocess.Popen(
            [sys.executable, "-m", "devcluster.supervisor", str(place.root)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd="/",
            start_new_session=True,
        )


def read_status(place: ClusterPaths) -> Status | None:
    try:
        return msgspec.json.decode(place.status.read_bytes(), type=Status)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def unready(place: ClusterPaths, plan: Plan, status: Status | None) -> list[str]:
    """Components that do not run as planned, or are not ready."""
    wanted = plan.digests()
    if status is None or status.plan != wanted:
        return list(wanted)
    return [name for name in wanted if not is_up(place, status, name)]


def is_up(place: ClusterPaths, status: Status, name: str) -> bool:
    component = status.components.get(name)
    if component is None or not component.ready:
        return False
    process = processes.read(component.pid, place.root)
    return process is not None and process.start_ticks == component.start_ticks


def wait_ready(place: ClusterPaths, plan: Plan, progress: Progress, deadline: float) -> None:
    before = read_status(place)
    restarts = {name: found.restarts for name, found in before.components.items()} if before else {}
    alone, relaunched = 0, False
    while True:
        status = read_status(place)
        waiting = unready(place, plan, status)
        if not waiting:
            return
        progress.detail(f"waiting for {waiting[0]}" + (f" and {len(waiting) - 1} more" if waiting[1:] else ""))
        for name in waiting:
            known = status.components.get(name) if status else None
            if known and known.restarts - restarts.get(name, 0) >= HOPELESS_RESTARTS:
                raise DevclusterError(f"{name} ends as soon as it starts ({known.last_exit}){_last_words(place, name)}")
        if time.monotonic() > deadline:
            raise StartTimeout(f"{', '.join(waiting)} did not become ready in time{_last_words(place, waiting[0])}")
        watched = {SUPERVISOR, SENTINEL} & {process.component for process in processes.of_cluster(place.root)}
        alone = 0 if watched else alone + 1
        if alone > UNSUPERVISED_LOOKS:
            if relaunched:
                raise DevclusterError(f"the cluster's supervisor could not be started{_last_words(place, SUPERVISOR)}")
            relaunched, alone = True, 0  # it may have been killed before it had a sentinel
            supervise(place)
        time.sleep(POLL)


def _last_words(place: ClusterPaths, component: str) -> str:
    try:
        lines = place.log(component).read_text(errors="replace").splitlines()[-LOG_LINES:]
    except FileNotFoundError:
        return ""
    return "\n".join([f"; the last lines of {component}'s log:", *(f"  {line[:400]}" for line in lines)])
