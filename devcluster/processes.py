"""Which processes belong to a cluster, and ending exactly those.

A component is known by two variables in its environment, `FOOTPLATE_CLUSTER` (the cluster's directory) and
`FOOTPLATE_COMPONENT`. A process keeps the environment that it was started with, so no record has to be written and a
recycled PID is never mistaken. Signals go through a pidfd that was opened before the environment was read.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

CLUSTER_VARIABLE = "FOOTPLATE_CLUSTER"
COMPONENT_VARIABLE = "FOOTPLATE_COMPONENT"
PLAN_VARIABLE = "FOOTPLATE_PLAN"  # digest of what the component was started with

SUPERVISOR = "supervisor"  # of FOOTPLATE_COMPONENT
SENTINEL = "sentinel"

_PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    pid: int
    start_ticks: int  # field 22 of /proc/PID/stat: with the PID, names one process since boot
    component: str
    plan: str
    leader: bool  # leads its session: the component itself and not a child that inherited its environment


def parse_environment(raw: bytes) -> dict[str, str]:
    pairs = (entry.partition(b"=") for entry in raw.split(b"\0") if b"=" in entry)
    return {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}


def parse_stat(text: str) -> tuple[str, int, int]:
    """State letter, session and start time of a /proc/PID/stat line; the command name may hold spaces and brackets."""
    fields = text.rpartition(")")[2].split()
    return fields[0], int(fields[3]), int(fields[19])


def identify(pid: int, environment: Mapping[str, str], stat: str, cluster: Path) -> Process | None:
    state, session, start_ticks = parse_stat(stat)
    if state in "ZX" or environment.get(CLUSTER_VARIABLE) != str(cluster):
        return None
    component, plan = environment.get(COMPONENT_VARIABLE, ""), environment.get(PLAN_VARIABLE, "")
    return Process(pid, start_ticks, component, plan, session == pid)


def read(pid: int, cluster: Path) -> Process | None:
    """The process if it is alive and of this cluster."""
    directory = _PROC / str(pid)
    try:
        environment = parse_environment((directory / "environ").read_bytes())
        return identify(pid, environment, (directory / "stat").read_text(errors="replace"), cluster)
    except (OSError, IndexError, ValueError):
        return None


def of_child(child: subprocess.Popen[bytes], cluster: Path, component: str) -> Process | None:
    """A child just started; None once it has ended. Until its exec is done it shows its parent's environment, or none."""
    while child.poll() is None:
        if (process := read(child.pid, cluster)) and process.component == component:
            return process
        time.sleep(0.001)
    return None


def of_cluster(cluster: Path) -> list[Process]:
    pids = (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit())
    return [process for pid in pids if (process := read(pid, cluster)) is not None]


def of_component(cluster: Path, component: str) -> list[Process]:
    return [process for process in of_cluster(cluster) if process.component == component]


def started_at(process: Process) -> float:
    """Unix time of the process's start, to a hundredth of a second."""
    boot = next(line for line in (_PROC / "stat").read_text().splitlines() if line.startswith("btime "))
    return int(boot.split()[1]) + process.start_ticks / os.sysconf("SC_CLK_TCK")


def resident_mib(pid: int) -> int:
    """Memory in RAM, 0 for a process that is gone."""
    try:
        pages = int((_PROC / str(pid) / "statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") >> 20


@contextlib.contextmanager
def opened(process: Process, cluster: Path) -> Generator[int | None]:
    """A pidfd of this very process, or None when it is gone."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except OSError:
        yield None
        return
    try:
        yield descriptor if read(process.pid, cluster) == process else None
    finally:
        os.close(descriptor)


def send(process: Process, cluster: Path, number: signal.Signals) -> None:
    with opened(process, cluster) as descriptor:
        if descriptor is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(descriptor, number)


def wait_gone(process: Process, cluster: Path, seconds: float) -> bool:
    with opened(process, cluster) as descriptor:
        if descriptor is None:
            return True
        ready, _, _ = select.select([descriptor], [], [], seconds)
        return bool(ready)


def end(victims: Iterable[Process], cluster: Path, grace: float) -> None:
    """SIGTERM to all, SIGKILL to those still there after `grace` seconds."""
    victims = list(victims)
    for process in victims:
        send(process, cluster, signal.SIGTERM)
    deadline = time.monotonic() + grace
    for process in victims:
        if not wait_gone(process, cluster, max(0.0, deadline - time.monotonic())):
            send(process, cluster, signal.SIGKILL)
    for process in victims:
        wait_gone(process, cluster, 10)
