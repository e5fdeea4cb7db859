"""Looks, remembers what it saw for a while, and reports: `python3 -m footplate.agent.workspace.observer`.

One thread and one loop: a look every few seconds, a report when what it would say changes, and one now and then. The
collector's answers set the pace. All spans are of the monotonic clock.

Environment: FOOTPLATE_COLLECTOR, FOOTPLATE_TOKEN_FILE, FOOTPLATE_SERVER_PID, JUPYTER_TOKEN.
"""

from __future__ import annotations

import logging
import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from footplate.agent.workspace import cuda, gpus, server, vscode
from footplate.agent.workspace.processes import Process, snapshot
from footplate.agent.workspace.reporting import Unheard, send
from footplate.agent.workspace.start import SERVER
from footplate.agent.workspace.terminals import Terminals
from footplate.agent.workspace.work import Roots, of_agent, work
from footplate.api.reports import ActivityReport, Answer

FIRST_PACE = Answer(every=60.0, sample=10.0, recent=300.0)
SOON = 5.0
"""Seconds before another try where the collector did not take a report."""
MOST = 5
"""Reasons in a report."""
NOTICE = Path("/tmp/footplate-notice")
"""What the images' /etc/profile.d shows."""
TYPES = "somebody types in a terminal"
ACTS = "somebody works in the browser"

log = logging.getLogger("footplate.agent")


@dataclass
class Sighted:
    """What was seen of activity, and when, by the monotonic clock."""

    began: float
    last: float | None = None
    reasons: dict[str, float] = field(default_factory=dict[str, float])
    passive: frozenset[str] = frozenset()

    def see(self, reason: str, at: float) -> None:
        self.reasons[reason] = max(at, self.reasons.get(reason, at))
        self.last = max(at, self.last if self.last is not None else at)

    def report(self, agent: str, sequence: int, now: float, recent: float, blind: str) -> ActivityReport:
        self.reasons = {reason: at for reason, at in self.reasons.items() if now - at < recent}
        newest = sorted(self.reasons, key=lambda reason: (-self.reasons[reason], reason))[:MOST]
        return ActivityReport(
            agent,
            sequence,
            round(now - self.began, 1),
            round(now - self.last, 1) if self.last is not None else None,
            tuple(sorted(newest)),
            tuple(sorted(self.passive)[:MOST]),
            blind,
        )


class Observer:
    def __init__(self, environment: Mapping[str, str], clock: Callable[[], float] = time.monotonic) -> None:
        self._environment = environment
        self._clock = clock
        self._server = int(environment.get(SERVER) or 0)
        self._gpus = gpus.find(environment)
        self._terminals = Terminals()
        self._vscode = vscode.VsCode(Path(environment.get("HOME") or "/"))
        self._before: dict[int, Process] = {}
        self._looked = self._answered = clock()
        self._silent = ""
        self._said = server.Said()
        self.sighted = Sighted(clock())

    def look(self) -> None:
        now, processes = self._clock(), snapshot()
        self._ask(now)
        first = not self._before
        own = of_agent(processes, os.getpid(), os.getppid())
        found = work(
            self._before or processes, processes, now - self._looked, Roots(own, self._server, self._said.kernel_names)
        )
        for reason in found.reasons:
            self.sighted.see(reason, now)
        self.sighted.passive = found.passive | ({vscode.CONNECTED} if self._vscode.connected() else set())
        if self._vscode.saves():
            self.sighted.see(vscode.SAVES, now)
        for name in server.executing(self._said, processes):
            self.sighted.see(f"{name} runs", now)
        if self._terminals.typed() and not first:
            self.sighted.see(TYPES, now)
        if self._said.person is not None and now - self._said.person >= self.sighted.began:
            self.sighted.see(ACTS, now - self._said.person)
        for name in self._computing():
            self.sighted.see(f"{name} computes", now)
        self._before, self._looked = processes, now

    def blind(self, patience: float) -> str:
        """Why it cannot tell, where the server has not answered for `patience` seconds."""
        return self._silent if self._clock() - self._answered >= patience else ""

    def _ask(self, now: float) -> None:
        token = self._environment.get("JUPYTER_TOKEN")
        if token is None:  # another IDE: its kernels are processes like others
            self._answered = now
            return
        try:
            self._said, self._answered, self._silent = server.ask(token), now, ""
        except server.Silent as silent:
            self._silent = str(silent)

    def _computing(self) -> list[str]:
        try:
            return [name for name, load in self._gpus.load().items() if load >= gpus.BUSY]
        except OSError as error:
            log.warning("the GPUs cannot be asked: %s", error)
            return []


def full(home: str) -> float | None:
    """Of its volume, as its user sees it; None where it has none."""
    if not home or not os.path.ismount(home):
        return None
    found = os.statvfs(home)
    used = found.f_blocks - found.f_bfree
    return round(used / (used + found.f_bavail), 3) if used + found.f_bavail else None


def run(environment: Mapping[str, str]) -> None:
    """For ever."""
    agent, sequence = secrets.token_hex(4), 0
    pace, due, before = FIRST_PACE, 0.0, None
    observer = Observer(environment)
    while True:
        observer.look()
        now = time.monotonic()
        report = observer.sighted.report(agent, sequence + 1, now, pace.recent, observer.blind(pace.every))
        report = msgspec.structs.replace(report, home=full(environment.get("HOME", "")))
        says = (report.reasons, report.blind)
        if now >= due or says != before:
            sequence += 1
            try:
                pace = send(report, environment)
                due, before = now + pace.every, says
            except Unheard as unheard:
                log.warning("%s", unheard)
                due = now + max(SOON, pace.sample)
        time.sleep(pace.sample)


def tell(notice: str | None, file: Path = NOTICE) -> None:
    """In the log, and to each login shell."""
    file.unlink(missing_ok=True)
    if notice is not None:
        log.warning("%s", notice)
        file.write_text(f"{notice}\n")


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="footplate-agent: %(message)s", stream=sys.stderr)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if not os.environ.get("FOOTPLATE_COLLECTOR"):
        log.info("nobody listens: FOOTPLATE_COLLECTOR is not set")
        signal.pause()
    tell(cuda.check(os.environ))
    run(os.environ)
    return 0


if __name__ == "__main__":
    sys.exit(main())
