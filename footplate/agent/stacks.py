"""What the processes of a rank are doing, by their Python stacks. As a program, as JSON: `python3 -m footplate.agent.stacks`.

py-spy reads them from outside without stopping the process (``--nonblocking``): it needs nothing of the process, which may
hang in a system call, or be stopped by a signal, where it could not even be attached to. Where the kernel does not let
one process read another (Yama's ``ptrace_scope`` 2 or 3), a process that reports steps is asked by a signal to write its
stacks itself (faulthandler, registered by `footplate.training`). Where neither helps, /proc says what it waits for.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from footplate import training
from footplate.agent.ranks import Rank, Ranks
from footplate.api.reports import EXCERPT, Stack

LONGEST = 10.0
"""Seconds for one process's stacks."""
AT_ONCE = 4
FRAMES = 6
"""Of the main thread, in an excerpt."""


class Frame(msgspec.Struct, frozen=True):
    name: str = ""
    short_filename: str | None = None
    filename: str = ""
    line: int = 0

    def text(self) -> str:
        return f"{self.name} ({self.short_filename or self.filename}:{self.line})"


class Thread(msgspec.Struct, frozen=True):
    """As `py-spy dump --json` has it; the innermost frame first."""

    pid: int = 0
    thread_name: str | None = None
    active: bool = False
    owns_gil: bool = False
    frames: tuple[Frame, ...] = ()


def spy() -> str | None:
    beside = Path(sys.executable).with_name("py-spy")
    return str(beside) if beside.is_file() else shutil.which("py-spy")


def dump(ranks: Ranks, directory: Path, now: float) -> list[Stack]:
    """Of all ranks of this node, as they were last looked at. Never raises for a process that cannot be read."""

    def of(number: int) -> Stack:
        return _of_rank(ranks, directory, number, now)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(of, sorted(ranks.by_rank)))


def _of_rank(ranks: Ranks, directory: Path, number: int, now: float) -> Stack:
    rank = ranks.by_rank[number]
    head = f"rank {number}, pid {rank.main or rank.pid}"
    if not rank.main:
        return Stack(number, "its process has ended", f"{head}: its process has ended\n")
    beat = ranks.beat(number, now)
    head += f", state {beat.state}" + (f", waits in {beat.waits}" if beat.waits else "")
    head += f", step {beat.step} ({beat.silent:.0f} s ago)" if beat.step is not None and beat.silent is not None else ""
    tried: list[str] = []
    for pid in dict.fromkeys((rank.main, *rank.members)):
        found = by_spy(pid)
        if isinstance(found, str):
            tried.append(found)
            continue
        if found:
            return Stack(number, shortened(main_thread(found)), f"{head}\n\n{rendered(found)}")
    written = by_signal(rank, directory)
    if written:
        return Stack(number, shortened(first_thread(written)), f"{head}\n\n{written}")
    why = tried[0] if tried else "no Python process"
    where = f" in {beat.waits}" if beat.waits else ""
    return Stack(number, f"no Python stack, state {beat.state}{where}", f"{head}\n\nno Python stack: {why}\n")


def by_spy(pid: int) -> list[Thread] | str:
    """The threads; text: why there are none."""
    program = spy()
    if program is None:
        return "py-spy is not installed"
    command = [program, "dump", "--nonblocking", "--json", "--pid", str(pid)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=LONGEST, check=False)
        return msgspec.json.decode(done.stdout, type=list[Thread]) if done.returncode == 0 else _why(done.stderr)
    except subprocess.TimeoutExpired:
        return f"py-spy did not end within {LONGEST:.0f} s"
    except (OSError, msgspec.DecodeError) as error:
        return str(error)


def _why(said: bytes) -> str:
    lines = [line.strip() for line in said.decode(errors="replace").splitlines() if line.strip()]
    return lines[0].removeprefix("Error: ") if lines else "py-spy failed"


def rendered(threads: list[Thread]) -> str:
    parts: list[str] = []
    for thread in threads:
        marks = [mark for mark, is_so in (("active", thread.active), ("holds the GIL", thread.owns_gil)) if is_so]
        parts.append(f"thread {thread.thread_name or '?'}" + (f" ({', '.join(marks)})" if marks else ""))
        parts += [f"    {frame.text()}" for frame in thread.frames]
    return "\n".join([*parts, ""])


def main_thread(threads: list[Thread]) -> str:
    found = next((thread for thread in threads if thread.thread_name == "MainThread"), threads[-1])
    return " < ".join(frame.text() for frame in found.frames[:FRAMES])


def by_signal(rank: Rank, directory: Path, patience: float = 2.0) -> str:
    """What the process writes itself; empty where it does not within `patience` seconds, as one that is stopped."""
    said = rank.steps
    if said is None or said.pid != rank.main:
        return ""
    path = training.dump_path(directory, said.rank)
    try:
        before = path.stat().st_size  # there once it listens to the signal
        os.kill(said.pid, training.DUMP_SIGNAL)
        ends = time.monotonic() + patience
        while time.monotonic() < ends:
            time.sleep(0.1)
            if path.stat().st_size > before:
                time.sleep(0.1)
                with path.open() as file:
                    file.seek(before)
                    return file.read()
    except OSError:
        pass
    return ""


def first_thread(written: str) -> str:
    """The one that took the signal, as faulthandler writes it: `  File "train.py", line 7 in step`."""
    _, _, rest = written.partition("Current thread")
    lines = [line.strip() for line in rest.partition("\n\n")[0].splitlines() if line.strip().startswith("File ")]
    return " < ".join(lines[:FRAMES])


def shortened(text: str) -> str:
    return text if len(text) <= EXCERPT else f"{text[: EXCERPT - 1]}…"


def main() -> int:
    directory, now = Path(os.environ["FOOTPLATE_RUN_DIR"]), time.monotonic()
    ranks = Ranks(directory, os.environ)
    ranks.look(now)
    sys.stdout.buffer.write(msgspec.json.encode(dump(ranks, directory, now)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
