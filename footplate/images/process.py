"""Runs a builder's commands: output to a log, nothing left running or mounted when this process dies."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from footplate.images.builder import Progress
from footplate.images.errors import BuildFailed, MachineLacks

TAIL_LINES = 25
POLL = 0.25
#: Characters of a step that are shown: with the image's name before it, it fits a narrow terminal.
STEP_WIDTH = 60

#: The command runs in mount and PID namespaces of its own, and is killed with its parent: when it ends, or is killed by
#: any means, the kernel ends every process it started and takes every mount away.
CONFINED = (
    "setpriv", "--pdeathsig", "KILL", "--",
    "unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child=KILL", "--mount-proc", "--",
)  # fmt: skip

#: What a builder says of its steps: buildah, Docker's BuildKit, mmdebstrap.
_STEP = re.compile(r"^(?:\[\d+/\d+\] )?(?P<buildah>STEP \d+/\d+: .*)$|^(?P<docker>#\d+ \[.*)$|^I: (?P<debian>.*)$")
_NO_SPACE = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)


def run(
    command: Sequence[str],
    log: Path,
    *,
    what: str,
    progress: Progress | None = None,
    environment: Mapping[str, str] | None = None,
    confined: bool = False,
) -> None:
    """Raises BuildFailed, with the end of the output, where the command fails; MachineLacks where it or disk is missing."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as stream:
        stream.write(f"$ {' '.join(command)}\n".encode())
        stream.flush()
        start = stream.tell()
        try:
            child = subprocess.Popen(
                [*(CONFINED if confined else ()), *command],
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                env=dict(environment) if environment is not None else None,
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise MachineLacks(f"{what}: the command {error.filename} is not installed") from error
        try:
            code = _follow(child, log, start, what, progress)
        except BaseException:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            raise
    if code == 0:
        return
    end = tail(log, start)
    if _NO_SPACE.search(end):
        raise MachineLacks(
            f"{what} ran out of disk", f"free some, or set FOOTPLATE_CACHE to a larger disk; output in {log}"
        )
    message = f"{what} failed (exit code {code}); the end of {log}:\n{end}"
    raise BuildFailed(message, end.strip().rsplit("\n", 1)[-1].strip())


def _follow(child: subprocess.Popen[bytes], log: Path, start: int, what: str, progress: Progress | None) -> int:
    """Waits, and shows the step it is at, or ``what`` where it names none."""
    began = time.monotonic()
    step = what
    with log.open("rb") as output:
        output.seek(start)
        while True:
            try:
                return child.wait(POLL)
            except subprocess.TimeoutExpired:
                pass
            if progress is None:
                continue
            for line in output.readlines():
                if match := _STEP.match(line.decode(errors="replace").strip()):
                    step = next(text for text in match.groups() if text)
            progress.detail(
                f"{step if len(step) <= STEP_WIDTH else step[:STEP_WIDTH] + '…'} ({time.monotonic() - began:.0f} s)"
            )


def tail(log: Path, start: int = 0) -> str:
    with log.open("rb") as stream:
        stream.seek(start)
        lines = stream.read().decode(errors="replace").splitlines()
    return "\n".join(f"  {line}" for line in lines[-TAIL_LINES:])


def output(command: Sequence[str], *, what: str, timeout: float, confined: bool = False) -> str:
    """Standard output; raises BuildFailed with standard error's last line, MachineLacks where the command is missing."""
    try:
        done = subprocess.run(
            [*(CONFINED if confined else ()), *command],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=timeout,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise MachineLacks(f"{what}: the command {error.filename} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise BuildFailed(f"{what}: no answer within {timeout:.0f} s") from error
    if done.returncode != 0:
        reason = (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").splitlines()[-1]
        raise BuildFailed(f"{what} failed: {reason}")
    return done.stdout


def missing(commands: Sequence[str]) -> tuple[str, ...]:
    return tuple(command for command in commands if shutil.which(command) is None)
