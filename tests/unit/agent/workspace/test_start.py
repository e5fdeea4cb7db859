"""The container's first process, with real processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

SUPERVISE = "import sys; from footplate.agent.workspace.start import supervise; c = supervise(sys.argv[2:], ['sh', '-c', sys.argv[1]]); sys.exit(128 - c if c < 0 else c)"
ROOT = Path(__file__).parents[4]


def started(beside: str, *command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", SUPERVISE, beside, *command], cwd=ROOT, stdout=subprocess.PIPE)


def until(found: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20.0
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_it_ends_as_the_command_ends() -> None:
    assert started("sleep 100", "sh", "-c", "exit 7").wait(20) == 7
    assert started("sleep 100", "sh", "-c", "kill -9 $$").wait(20) == 128 + signal.SIGKILL


def test_a_signal_reaches_the_command_which_may_take_its_time() -> None:
    run = started("sleep 100", "sh", "-c", "trap 'echo saved; exit 3' TERM; echo ready; while :; do sleep 0.05; done")
    assert run.stdout is not None
    assert run.stdout.readline() == b"ready\n"
    run.send_signal(signal.SIGTERM)
    assert run.stdout.readline() == b"saved\n"
    assert run.wait(20) == 3


def test_an_observer_that_is_killed_is_started_again_and_knows_the_servers_pid(tmp_path: Path) -> None:
    log = tmp_path / "log"
    run = started(f"echo $$ $FOOTPLATE_SERVER_PID >> {log}; sleep 100", "sleep", "100")
    until(lambda: log.exists() and len(log.read_text().splitlines()) == 1)
    observer, server = map(int, log.read_text().split())
    assert "sleep" in Path(f"/proc/{server}/cmdline").read_text()
    os.kill(observer, signal.SIGKILL)
    until(lambda: len(log.read_text().splitlines()) == 2)
    run.terminate()
    assert run.wait(20) == 128 + signal.SIGTERM


@pytest.mark.parametrize("command", [["no-such-program"], []])
def test_a_command_that_is_not_there_is_said(command: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "footplate.agent.workspace.start", *command],
        check=False,
        cwd=ROOT,
        capture_output=True,
        timeout=20,
    )
    assert done.returncode == (127 if command else 2)
    assert b"footplate-agent: " in done.stderr
