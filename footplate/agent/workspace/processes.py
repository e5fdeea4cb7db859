"""The processes of the container, from /proc. Source: proc(5)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
_PTS_MAJORS = range(136, 144)


@dataclass(frozen=True)
class Process:
    pid: int
    parent: int
    group: int
    session: int
    terminal: int
    """Number of its pseudo-terminal; -1 where it has none."""
    foreground: int
    """Process group that its terminal listens to."""
    started: int
    """Ticks since boot: with the pid it names one process for ever."""
    cpu: float
    """Seconds used."""
    written: int
    """Bytes it has handed to write calls; 0 where that cannot be read."""
    zombie: bool
    arguments: tuple[str, ...]


def snapshot(proc: Path = Path("/proc")) -> dict[int, Process]:
    found: dict[int, Process] = {}
    for entry in proc.iterdir():
        if entry.name.isdigit() and (process := read(entry)) is not None:
            found[process.pid] = process
    return found


def read(entry: Path) -> Process | None:
    """None where it has ended meanwhile."""
    try:
        name, _, rest = (entry / "stat").read_text(errors="replace").rpartition(")")
        line = (entry / "cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = rest.split()
    command = name.partition("(")[2]
    arguments = tuple(word.decode(errors="replace") for word in line.rstrip(b"\0").split(b"\0") if line)
    return Process(
        pid=int(entry.name),
        parent=int(fields[1]),
        group=int(fields[2]),
        session=int(fields[3]),
        terminal=_terminal(int(fields[4])),
        foreground=int(fields[5]),
        started=int(fields[19]),
        cpu=(int(fields[11]) + int(fields[12])) / TICKS,
        written=_written(entry),
        zombie=fields[0] in "ZX",
        arguments=arguments or (command,),
    )


def _terminal(device: int) -> int:
    major, minor = device >> 8 & 0xFFF, device & 0xFF | device >> 12 & 0xFFF00
    return (major - _PTS_MAJORS.start) * 256 + minor if major in _PTS_MAJORS else -1


def _written(entry: Path) -> int:
    try:
        lines = (entry / "io").read_text().splitlines()
    except OSError:
        return 0
    return int(dict(line.split(": ", 1) for line in lines).get("wchar", "0"))


def descendants(processes: Mapping[int, Process], roots: set[int]) -> set[int]:
    """The roots and all that came of them and still hangs together."""
    found = set(roots)
    grown = True
    while grown:
        new = {p.pid for p in processes.values() if p.parent in found and p.pid not in found}
        found |= new
        grown = bool(new)
    return found
