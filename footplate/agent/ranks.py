"""The processes of one node of a job: which they are, what they say of their steps, and what /proc says of them.

The launcher writes their pids to ``ranks.json`` in the run directory, with the time of their last output; a process that
reports steps (`footplate.training`) says its own pid; where there is neither, the container's first process is the rank.
"""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from footplate import training
from footplate.agent.workspace.processes import TICKS, Process, descendants, snapshot
from footplate.api.reports import RankBeat
from footplate.training import Steps

LAUNCHED = "ranks.json"
BUSY = 0.01
"""Cores that a rank uses in whose process something goes on."""
WINDOW = 60.0
"""Seconds over which a step's time is taken."""
_PAGE = os.sysconf("SC_PAGE_SIZE")
_FIRST = 1
"""The pod's own process, where its containers share their processes."""


@dataclass(frozen=True)
class Launched:
    pid: int
    output: float
    """Of its last line, by the monotonic clock; 0 where it has printed nothing."""


def launched(directory: Path) -> dict[int, Launched]:
    """Empty where there is no launcher."""
    try:
        found = cast("dict[str, dict[str, float]]", json.loads((directory / LAUNCHED).read_bytes()))
        return {int(rank): Launched(int(one["pid"]), float(one["output"])) for rank, one in found.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def steps(directory: Path) -> dict[int, Steps]:
    found = (training.read_steps(path) for path in (directory / training.STEPS).glob("rank-*.json"))
    return {one.rank: one for one in found if one is not None}


@dataclass
class Rank:
    """What was seen of one so far."""

    pid: int
    """Of the process that the launcher started; 0: none is known."""
    main: int = 0
    """Of the one that trains: itself, or what it started."""
    members: tuple[int, ...] = ()
    cpu: float = 0.0
    cores: float = 0.0
    output: float = 0.0
    busy: float = 0.0
    """When it last did something."""
    steps: Steps | None = None
    lately: deque[Steps] = field(default_factory=deque[Steps])


class Ranks:
    def __init__(self, directory: Path, environment: Mapping[str, str], proc: Path = Path("/proc")) -> None:
        self._directory = directory
        self._alone = int(environment.get("NODE_RANK") or 0)
        self._proc = proc
        self._processes: dict[int, Process] = {}
        self._looked: float | None = None
        self.by_rank: dict[int, Rank] = {}

    def look(self, now: float) -> None:
        """`now`: of the monotonic clock, as the processes have it."""
        self._processes = snapshot(self._proc)
        started, said = launched(self._directory), steps(self._directory)
        if not started and not said and (first := self._first()) is not None:
            started = {self._alone: Launched(first, 0.0)}
        for rank in started.keys() | said.keys():
            self._see(rank, started.get(rank), said.get(rank), now)
        self._looked = now

    def _first(self) -> int | None:
        """Of the user's container: what has no parent here, and was told where rank 0 is."""
        roots = [p for p in self._processes.values() if p.parent == 0 and p.pid not in (_FIRST, os.getpid())]
        ours = [p for p in roots if not p.zombie and self._is_users(p.pid)]
        return min(ours, key=lambda p: p.started).pid if ours else None

    def _is_users(self, pid: int) -> bool:
        try:
            return b"\0MASTER_ADDR=" in b"\0" + (self._proc / str(pid) / "environ").read_bytes()
        except OSError:
            return False

    def _see(self, number: int, started: Launched | None, said: Steps | None, now: float) -> None:
        pid = started.pid if started else said.pid if said else 0
        rank = self.by_rank.get(number)
        if rank is None or rank.pid != pid:
            rank = self.by_rank[number] = Rank(pid, busy=now)
        alive = {p for p in (pid, said.pid if said else 0) if p in self._processes}
        rank.members = tuple(sorted(descendants(self._processes, alive)))
        rank.main = said.pid if said and said.pid in alive else pid if pid in alive else 0
        used = sum(self._processes[member].cpu for member in rank.members)
        span = now - self._looked if self._looked is not None else 0.0
        rank.cores = max(0.0, used - rank.cpu) / span if span > 0 and rank.cpu else 0.0
        rank.cpu = used
        output = started.output if started else 0.0
        if rank.cores > BUSY or output > rank.output:
            rank.busy = now
        rank.output = max(output, rank.output)
        if said is not None and said != rank.steps:
            rank.steps, rank.busy = said, now
            rank.lately.append(said)
        while len(rank.lately) > 2 and rank.lately[-1].monotonic - rank.lately[1].monotonic >= WINDOW:
            rank.lately.popleft()

    def beats(self, now: float) -> tuple[RankBeat, ...]:
        return tuple(self.beat(number, now) for number in sorted(self.by_rank))

    def beat(self, number: int, now: float) -> RankBeat:
        rank = self.by_rank[number]
        process = self._processes.get(rank.main)
        said = rank.steps
        each, own = pace(rank.lately)
        return RankBeat(
            rank=number,
            state=self.state(rank.main),
            waits=waits if (waits := self._text(rank.main, "wchan")[:64]) != "0" else "",
            age=max(0.0, round(now - process.started / TICKS, 1)) if process else 0.0,
            cpu=round(rank.cpu, 2),
            cores=round(rank.cores, 2),
            memory=sum(self._resident(member) for member in rank.members),
            quiet=max(0.0, round(now - rank.busy, 1)),
            step=said.step if said else None,
            calls=said.calls if said else 0,
            silent=max(0.0, round(now - said.monotonic, 1)) if said else None,
            step_seconds=each,
            own_seconds=own,
        )

    def state(self, pid: int) -> str:
        text = self._text(pid, "stat").rpartition(")")[2].split() if pid else []
        return text[0] if text and text[0] not in "ZX" else ""

    def _resident(self, pid: int) -> int:
        fields = self._text(pid, "statm").split()
        return int(fields[1]) * _PAGE if len(fields) > 1 else 0

    def _text(self, pid: int, name: str) -> str:
        try:
            return (self._proc / str(pid) / name).read_text(errors="replace")
        except OSError:  # ended meanwhile
            return ""

    @property
    def total_steps(self) -> int | None:
        return max((r.steps.total_steps or 0 for r in self.by_rank.values() if r.steps), default=0) or None


def pace(lately: deque[Steps]) -> tuple[float | None, float | None]:
    """Seconds of a step, and those of its own work; None where that is not known."""
    if len(lately) < 2 or lately[-1].step <= lately[0].step:
        return None, None
    first, last = lately[0], lately[-1]
    count = last.step - first.step
    own = (last.own_seconds - first.own_seconds) / count
    return round((last.monotonic - first.monotonic) / count, 6), round(own, 6) if own > 0 else None
