"""Handing a plan to a cluster's supervisor, and waiting until all of it runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

from devcluster import processes
from devcluster.build import Progress
from devcluster.errors import DevclusterError, StartTimeout
from devcluster.paths import ClusterPaths
from devcluster.plan import Plan, Status
from devcluster.processes import SENTINEL, SUPERVISOR, Process

POLL = 0.05
HOPELESS_RESTARTS = 6  # of one component within one start
UNSUPERVISED_LOOKS = 20
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


def unready(place: ClusterPaths, wanted: Mapping[str, str], status: Status | None) -> list[str]:
    """Components that do not run as planned (`wanted`: digests of the plan), or are not ready."""
    if status is None or status.plan != wanted:
        return list(wanted)
    return [name for name in wanted if not is_up(place, status, name)]


def is_up(place: ClusterPaths, status: Status, name: str) -> bool:
    component = status.components.get(name)
    if component is None or not component.ready:
        return False
    process = processes.read(component.pid, place.root)
    return process is not None and process.start_ticks == component.start_ticks


class Watch:
    """Whether anything supervises a cluster. All processes are looked at only when the known one is gone."""

    def __init__(self, place: ClusterPaths) -> None:
        self._root: Path = place.root
        self._known: Process | None = None
        self._alone: int = 0

    def is_lost(self) -> bool:
        """No supervisor, nor a sentinel about to become one, in many looks: one in the middle of its exec is not seen."""
        if self._known is None or processes.read(self._known.pid, self._root) != self._known:
            watchers = (
                found for found in processes.of_cluster(self._root) if found.component in {SUPERVISOR, SENTINEL}
            )
            self._known = next(watchers, None)
        self._alone = 0 if self._known else self._alone + 1
        return self._alone > UNSUPERVISED_LOOKS


def wait_ready(place: ClusterPaths, plan: Plan, progress: Progress, deadline: float) -> None:
    before = read_status(place)
    restarts = {name: found.restarts for name, found in before.components.items()} if before else {}
    wanted, watch, relaunched = plan.digests(), Watch(place), False
    while True:
        status = read_status(place)
        waiting = unready(place, wanted, status)
        if not waiting:
            return
        progress.detail(f"waiting for {waiting[0]}" + (f" and {len(waiting) - 1} more" if waiting[1:] else ""))
        for name in waiting:
            known = status.components.get(name) if status else None
            if known and known.restarts - restarts.get(name, 0) >= HOPELESS_RESTARTS:
                raise DevclusterError(f"{name} ends as soon as it starts ({known.last_exit}){_last_words(place, name)}")
        if time.monotonic() > deadline:
            raise StartTimeout(f"{', '.join(waiting)} did not become ready in time{_last_words(place, waiting[0])}")
        if watch.is_lost():
            if relaunched:
                raise DevclusterError(f"the cluster's supervisor could not be started{_last_words(place, SUPERVISOR)}")
            supervise(place)  # it may have been killed before it had a sentinel
            watch, relaunched = Watch(place), True
        time.sleep(POLL)


def _last_words(place: ClusterPaths, component: str) -> str:
    try:
        lines = place.log(component).read_text(errors="replace").splitlines()[-LOG_LINES:]
    except FileNotFoundError:
        return ""
    return "\n".join([f"; the last lines of {component}'s log:", *(f"  {line[:400]}" for line in lines)])
