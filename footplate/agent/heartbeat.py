"""Tells the collector how far this node's ranks are, and dumps their stacks when it asks for them.

One thread beside the upload of checkpoints: a look every few seconds, a report at the pace that the collector's answers
set, and at once when what a person would see changes. What is dumped goes to the object store, an excerpt into the report.

Environment: FOOTPLATE_COLLECTOR, FOOTPLATE_TOKEN_FILE, FOOTPLATE_RUN_DIR, FOOTPLATE_CHECKPOINT_DIR, FOOTPLATE_RECORDS_URI.
"""

from __future__ import annotations

import atexit
import os
import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Event, Thread

import msgspec

from footplate import checkpoint
from footplate.agent import stacks
from footplate.agent.ending import AgentError, say
from footplate.agent.ranks import Ranks
from footplate.agent.store import Missing, Store
from footplate.agent.workspace.reporting import Unheard, send
from footplate.api.podreport import PodReport
from footplate.api.reports import LAST_BEAT, Answer, HeartbeatReport, LastBeat, RankStack, Stack

FIRST_PACE = Answer(every=10.0, sample=2.0)
SOON = 5.0
"""Seconds before another try where the collector did not take a report."""
LAST_WORD = 2.0
"""Seconds for the last report, once the job's processes have ended."""
APART = 1.0
"""Seconds between reports of changes."""


class Written:
    """When the checkpoints' files last changed, and whether one is being written."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._seen: object = None
        self.at: float | None = None
        self.saving = False

    def look(self, now: float) -> None:
        seen: list[tuple[str, int, int]] = []
        self.saving = False
        for step in checkpoint.steps_in(self._root):
            for parent, _, names in os.walk(self._root / checkpoint.step_name(step)):
                self.saving = self.saving or Path(parent).name.startswith(".writing-")
                seen += [found for name in names if (found := _fingerprint(Path(parent, name))) is not None]
        if self._seen is not None and seen != self._seen:
            self.at = now
        self._seen = seen


def _fingerprint(path: Path) -> tuple[str, int, int] | None:
    try:
        found = path.stat()
    except OSError:  # deleted meanwhile
        return None
    return str(path), found.st_size, found.st_mtime_ns


class Heart:
    def __init__(self, environment: Mapping[str, str], told: Callable[[], PodReport | None]) -> None:
        """`told`: the newest checkpoint that is in the store."""
        self._environment = environment
        self._told = told
        self._directory = Path(environment["FOOTPLATE_RUN_DIR"])
        self._ranks = Ranks(self._directory, environment)
        self._written = Written(Path(environment.get("FOOTPLATE_CHECKPOINT_DIR") or "/footplate/checkpoints"))
        self._agent, self._sequence = secrets.token_hex(4), 0
        self._pace, self._due, self._said = FIRST_PACE, 0.0, 0.0
        self._before: object = None
        self._silent = ""
        self._dumped = ""
        self._dumps: list[Stack] = []

    def run(self, stop: Event) -> None:
        while not stop.wait(self.beat()):
            pass
        self._due = 0.0  # the last steps
        self.beat()

    def beat(self) -> float:
        """Seconds until the next one."""
        now = time.monotonic()
        self._ranks.look(now)
        self._written.look(now)
        report = self._report(now)
        self._show(report)
        shows = visible(report)
        if report.ranks and (now >= self._due or (shows != self._before and now >= self._said + APART)):
            self._send(report, now)
            self._before, self._said = shows, now
        return max(0.1, min(self._pace.sample, self._due - now))

    def _show(self, report: HeartbeatReport) -> None:
        """To whoever looks into the pod."""
        seen = LastBeat(time.time(), report.ranks, report.total_steps)
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            fresh = self._directory / f".{LAST_BEAT}.writing"
            fresh.write_bytes(msgspec.json.encode(seen))
            fresh.replace(self._directory / LAST_BEAT)
        except OSError:
            pass  # a full disk is somebody else's to tell

    def _report(self, now: float) -> HeartbeatReport:
        told = self._told() or PodReport()
        at = told.checkpoint_at
        return HeartbeatReport(
            self._agent,
            self._sequence + 1,
            self._ranks.beats(now),
            total_steps=self._ranks.total_steps,
            saving=self._written.saving,
            written=round(now - self._written.at, 1) if self._written.at is not None else None,
            checkpoint_step=told.checkpoint_step,
            checkpoint_age=max(0.0, round(time.time() - at.timestamp(), 1)) if at is not None else None,
            stacks=tuple(RankStack(dump.rank, dump.excerpt) for dump in self._dumps),
            dumped=self._dumped,
        )

    def _send(self, report: HeartbeatReport, now: float) -> None:
        self._sequence += 1
        try:
            answer = send(report, self._environment)
        except Unheard as unheard:
            if str(unheard) != self._silent:
                self._silent = str(unheard)
                say(f"the steps of this node are not reported: {unheard}")
            self._due = now + max(SOON, self._pace.sample)
            return
        self._silent = ""
        self._pace, self._due = answer, now + answer.every
        if answer.dump and answer.dump != self._dumped:
            self._dumps, self._dumped = stacks.dump(self._ranks, self._directory, now), answer.dump
            self._due = 0.0
            self._keep()

    def _keep(self) -> None:
        for dump in self._dumps:
            say(f"stack of rank {dump.rank}: {dump.excerpt}")
        if uri := self._environment.get("FOOTPLATE_RECORDS_URI"):
            # The store may be away, and what was found out is to be told in any case.
            thread = Thread(target=keep, args=(list(self._dumps), uri, self._environment), daemon=True)
            thread.start()
            atexit.register(thread.join, LAST_WORD)


def visible(report: HeartbeatReport) -> object:
    """What is worth a report of its own: processes that end, stop or go on, and a first step."""
    ranks = [(beat.rank, beat.state == "", beat.state in "Tt", beat.step is None) for beat in report.ranks]
    return ranks, report.checkpoint_step, report.dumped


def keep(dumps: list[Stack], uri: str, environment: Mapping[str, str]) -> None:
    for dump in dumps:
        try:
            Store(uri, environment).write(f"stacks/rank-{dump.rank}.txt", dump.text.encode())
        except (AgentError, Missing) as error:
            say(f"the stacks of rank {dump.rank} could not be stored: {error}")


def start(environment: Mapping[str, str], told: Callable[[], PodReport | None], stop: Event) -> None:
    """Does nothing where nobody listens."""
    if environment.get("FOOTPLATE_COLLECTOR") and environment.get("FOOTPLATE_RUN_DIR"):
        thread = Thread(target=Heart(environment, told).run, args=(stop,), daemon=True)
        thread.start()
        atexit.register(thread.join, LAST_WORD)
