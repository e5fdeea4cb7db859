"""Tells the platform how far training is: one call a step, in every process. Standard library only.

    from footplate import training

    for step, batch in enumerate(batches, start=1):
        with training.own_work():                       # optional: what this process does without waiting for others
            loss = forward(batch)
        ...
        training.report(step, total_steps=len(batches), loss=loss)

The platform shows the step, sees by it that a job hangs, and which process is slow. Any call is a sign of life: a long
evaluation may repeat its step. What is named beside the step is a metric; those of rank 0 are kept.

Two things come of it in ``FOOTPLATE_RUN_DIR``, where the agent beside the job reads them; where that is not set nothing is
written. ``steps/rank-<rank>.json`` says how far this process is (``Steps``), replaced at most once a second.
``metrics.jsonl`` has a line for a call with metrics of rank 0: ``{"step": 7, "time": 1700000000.1, "loss": 0.25}``, where
numbers that JSON does not have are the strings ``NaN``, ``Infinity`` and ``-Infinity``. Of each set of names that is
reported together the first thousand lines are written, after them one a second. A call between writes takes a few
microseconds, and a tensor is only read, which waits for its device, where its line is written.
"""

from __future__ import annotations

import atexit
import ctypes
import faulthandler
import json
import math
import operator
import os
import signal
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from contextlib import AbstractContextManager

#: Seconds between writes.
EVERY = 1.0
#: Lines of metrics of one set of names that are written before they are thinned out to one in ``EVERY``.
UNTHINNED = 1000

#: At which a process that reports writes its stacks to `dump_path`: for kernels that let no other process read them.
DUMP_SIGNAL = getattr(signal, "SIGRTMIN", 34) + 7

STEPS = "steps"
METRICS = "metrics.jsonl"

#: Source: prctl(2).
_PR_SET_PTRACER, _ANY = 0x59616D61, 2 ** (8 * ctypes.sizeof(ctypes.c_ulong)) - 1
_RANKS = ("RANK", "JAX_PROCESS_ID", "NODE_RANK")


class Steps(NamedTuple):
    """What a process last said. ``monotonic`` and ``time`` are seconds, of its last call."""

    rank: int
    pid: int
    step: int
    total_steps: int | None
    calls: int
    """How often it has reported: while it is low, things are still being compiled."""
    own_seconds: float
    """Spent in ``own_work`` so far; 0 where that is not used."""
    monotonic: float
    time: float


def steps_path(directory: Path, rank: int) -> Path:
    return directory / STEPS / f"rank-{rank}.json"


def dump_path(directory: Path, rank: int) -> Path:
    return directory / "stacks" / f"rank-{rank}.txt"


def read_steps(path: Path) -> Steps | None:
    """None where it is not there or is none."""
    try:
        found = json.loads(path.read_bytes())
        return Steps(*(found[name] for name in Steps._fields))
    except (OSError, ValueError, KeyError, TypeError):
        return None


class Reporter:
    """Of one process. ``directory``: None writes nothing."""

    def __init__(self, directory: Path | None, rank: int) -> None:
        self._directory = directory
        self._rank = rank
        self._lock = threading.RLock()  # a signal handler may report too
        self._steps: Steps | None = None
        self._written: Steps | None = None
        self._due = 0.0
        self._lines: list[str] = []
        self._counts: dict[tuple[str, ...], tuple[int, float]] = {}
        self._own = 0.0
        self._complained = False

    def report(self, step: int, total_steps: int | None, metrics: Mapping[str, Any]) -> None:
        step = _count("step", step)
        total = None if total_steps is None else _count("total_steps", total_steps)
        if self._directory is None:
            return
        now = time.monotonic()
        with self._lock:
            before = self._steps
            if total is None and before is not None:
                total = before.total_steps
            calls = before.calls + 1 if before is not None else 1
            self._steps = Steps(self._rank, os.getpid(), step, total, calls, self._own, now, time.time())
            if metrics and self._rank == 0 and self._keeps(tuple(metrics), now):
                values = {name: _value(name, value) for name, value in metrics.items()}
                line = {"step": step, "time": round(self._steps.time, 3), **values}
                self._lines.append(json.dumps(line, allow_nan=False) + "\n")
            if now >= self._due:
                self._due = now + EVERY
                self._write()

    @contextmanager
    def own_work(self) -> Generator[None, None, None]:
        began = time.monotonic()
        try:
            yield
        finally:
            with self._lock:
                self._own += time.monotonic() - began

    def flush(self) -> None:
        with self._lock:
            self._write()

    def allow_dumps(self) -> None:
        """Lets the agent read this process's stacks where Yama's ``ptrace_scope`` is 1, and listens to the signal."""
        if self._directory is None:
            return
        path = dump_path(self._directory, self._rank)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            faulthandler.register(DUMP_SIGNAL, file=path.open("w"), all_threads=True)
            ctypes.CDLL(None).prctl(_PR_SET_PTRACER, ctypes.c_ulong(_ANY))
        except (OSError, ValueError, AttributeError):
            pass  # the platform has another way

    def _keeps(self, names: tuple[str, ...], now: float) -> bool:
        kept, last = self._counts.get(names, (0, -math.inf))
        if kept >= UNTHINNED and now < last + EVERY:
            return False
        self._counts[names] = (kept + 1, now)
        return True

    def _write(self) -> None:
        """Training goes on whatever the disk says."""
        if self._directory is None or self._steps is None:
            return
        lines, self._lines = self._lines, []
        try:
            if self._steps is not self._written:
                path = steps_path(self._directory, self._rank)
                path.parent.mkdir(parents=True, exist_ok=True)
                fresh = path.with_name(f".{path.name}.writing")
                fresh.write_text(json.dumps(self._steps._asdict()))
                fresh.replace(path)
                self._written = self._steps
            if lines:
                with (self._directory / METRICS).open("a") as file:
                    file.write("".join(lines))
        except OSError as error:
            if not self._complained:
                self._complained = True
                print(f"footplate: the step cannot be reported: {error}", file=sys.stderr, flush=True)


def _count(name: str, value: int) -> int:
    """Also of numpy's and torch's integers. Raises TypeError, ValueError."""
    try:
        found = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} is an integer, not {value!r}") from None
    if not 0 <= found < 10**12:
        raise ValueError(f"{name} is between 0 and 999999999999, not {found}")
    return found


def _value(name: str, value: Any) -> bool | int | float | str | None:
    """A number, text, or what has one number: a tensor or an array of one element. Raises TypeError."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    try:
        number = float(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"metric {name} is a number or text, not {type(value).__name__} ({error})") from None
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def _new(environment: Mapping[str, str]) -> Reporter:
    directory = environment.get("FOOTPLATE_RUN_DIR")
    rank = next((environment[name] for name in _RANKS if environment.get(name, "").isdigit()), "0")
    return Reporter(Path(directory) if directory else None, int(rank))


_reporter: Reporter | None = None


def _current() -> Reporter:
    global _reporter
    if _reporter is None:
        _reporter = _new(os.environ)
        atexit.register(_reporter.flush)
        _reporter.allow_dumps()
    return _reporter


def report(step: int, total_steps: int | None = None, **metrics: Any) -> None:
    """``step``: how many are done. ``total_steps`` holds until another one is given. Raises TypeError, ValueError."""
    _current().report(step, total_steps, metrics)


def own_work() -> AbstractContextManager[None]:
    """A context manager around the part of a step in which this process waits for no other one.

    Where all processes meet in each step, all of them take as long as the slowest: only this tells which one that is.
    """
    return _current().own_work()
