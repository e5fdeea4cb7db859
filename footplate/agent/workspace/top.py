"""What a workspace uses now, as JSON on standard output: `python3 -I -m footplate.agent.workspace.top`."""

from __future__ import annotations

import os
import time
from pathlib import Path

import msgspec

from footplate.agent.workspace import gpus
from footplate.agent.workspace.processes import snapshot
from footplate.agent.workspace.work import title

SPAN = 1.0
"""Seconds between the two looks that a CPU share needs."""
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Row(msgspec.Struct, frozen=True):
    """`cpu` in cores, `memory` resident in bytes."""

    pid: int
    command: str
    cpu: float
    memory: int


class Usage(msgspec.Struct, frozen=True):
    """Processes by CPU, then memory. `gpus`: percent by name."""

    processes: tuple[Row, ...]
    gpus: dict[str, int]


def usage(span: float = SPAN) -> Usage:
    before = snapshot()
    time.sleep(span)
    rows: list[Row] = []
    for pid, process in snapshot().items():
        if pid == os.getpid() or process.zombie:
            continue
        former = before.get(pid)
        used = process.cpu - (former.cpu if former is not None and former.started == process.started else 0.0)
        rows.append(Row(pid, title(process), round(used / span, 2), _resident(pid)))
    rows.sort(key=lambda row: (-row.cpu, -row.memory, row.pid))
    return Usage(tuple(rows), _load())


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0  # ended meanwhile


def _load() -> dict[str, int]:
    try:
        return gpus.find(os.environ).load()
    except OSError:
        return {}


if __name__ == "__main__":
    print(msgspec.json.encode(usage()).decode())
