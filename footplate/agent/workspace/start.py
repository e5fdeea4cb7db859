"""The first process of a workspace: `footplate-agent COMMAND ARGUMENT…`.

Starts the command and the observer, passes signals on to the command, collects orphans that end, starts an observer that
ended again after a pause, and ends with the command's exit code (128 + n where signal n ended it). Standard library only,
and no threads: it should outlive whatever the user does to the container.
"""

from __future__ import annotations

import os
import signal
import sys
import time

PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
SERVER = "FOOTPLATE_SERVER_PID"
"""What tells the observer which process is the command's."""
LASTED = 60.0
"""Seconds: an observer that ran for so long ended for a passing reason."""
NOT_FOUND, NOT_EXECUTABLE = 127, 126


class Observer:
    """The process beside, and when it is due again."""

    def __init__(self, command: list[str], server: int) -> None:
        self._command, self._server = command, server
        self.pid = 0
        self._pause = FIRST_PAUSE
        self._started = self._due = time.monotonic()

    def start_if_due(self) -> float | None:
        """Seconds until it is; None while it runs."""
        if self.pid:
            return None
        wait = self._due - time.monotonic()
        if wait > 0:
            return wait
        self._started = time.monotonic()
        self.pid = spawn(self._command, {SERVER: str(self._server)})
        return None

    def ended(self) -> None:
        self.pid = 0
        lasted = time.monotonic() - self._started >= LASTED
        self._pause = FIRST_PAUSE if lasted else min(self._pause * 2, LONGEST_PAUSE)
        self._due = time.monotonic() + self._pause


def spawn(command: list[str], more: dict[str, str]) -> int:
    """With signals as they were before this process blocked them. `more`: environment."""
    environment = {**os.environ, **more}
    return os.posix_spawnp(command[0], command, environment, setsigmask=(), setsigdef=[*PASSED_ON, signal.SIGCHLD])


def supervise(command: list[str], beside: list[str]) -> int:
    waited = {*PASSED_ON, signal.SIGCHLD}
    signal.pthread_sigmask(signal.SIG_BLOCK, waited)
    main = spawn(command, {})
    observer = Observer(beside, main)
    while True:
        wait = observer.start_if_due()
        found = signal.sigwait(waited) if wait is None else _wait(waited, wait)
        if found is not None and found in PASSED_ON:
            os.kill(main, found)
        for pid, status in ended():
            if pid == main:
                return os.waitstatus_to_exitcode(status)
            if pid == observer.pid:
                observer.ended()


def _wait(waited: set[signal.Signals], seconds: float) -> int | None:
    found = signal.sigtimedwait(waited, seconds)
    return found.si_signo if found is not None else None


def ended() -> list[tuple[int, int]]:
    """Children that ended, orphans of the user's among them, with their wait status."""
    found: list[tuple[int, int]] = []
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if not pid:
            return found
        found.append((pid, status))


def main() -> int:
    command = sys.argv[1:]
    if not command:
        print("footplate-agent: name the command to start", file=sys.stderr)
        return 2
    try:
        code = supervise(command, [sys.executable, "-I", "-m", "footplate.agent.workspace.observer"])
    except FileNotFoundError:
        print(f"footplate-agent: there is no program {command[0]}", file=sys.stderr)
        return NOT_FOUND
    except PermissionError as error:
        print(f"footplate-agent: {error}", file=sys.stderr)
        return NOT_EXECUTABLE
    return 128 - code if code < 0 else code


if __name__ == "__main__":
    sys.exit(main())
