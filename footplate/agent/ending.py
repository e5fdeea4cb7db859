"""How ``prepare`` and ``sync`` end: one sentence for a person, an exit code for the controllers."""

# ruff: noqa: N818 (AtFault and DiskFull are what happened)

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Final

#: The request is at fault and trying again does not help (EX_USAGE of sysexits.h).
AT_FAULT: Final = 64
#: Temporary: the store is away, the disk of this node is full (EX_TEMPFAIL).
TEMPORARY: Final = 75
#: Of a process that SIGTERM ended, as shells have it.
TERMINATED: Final = 143

_FULL = (errno.ENOSPC, errno.EDQUOT)


class AgentError(Exception):
    """The message is the sentence."""

    code: int = TEMPORARY


class AtFault(AgentError):
    code = AT_FAULT


class StoreAway(AgentError):
    pass


class DiskFull(AgentError):
    pass


def disk_full(error: OSError, what: str) -> DiskFull | None:
    return DiskFull(f"The disk of this node is full: {what} does not fit.") if error.errno in _FULL else None


def write_termination_message(sentence: str) -> None:
    """Kubernetes shows it as the container's ``state.terminated.message``; 4096 bytes at most."""
    path = Path(os.environ.get("FOOTPLATE_TERMINATION_LOG") or "/dev/termination-log")
    try:
        path.write_text(sentence[:4000])
    except OSError:
        pass  # Outside a pod there is none.


def say(sentence: str) -> None:
    print(f"footplate: {sentence}", file=sys.stderr, flush=True)


def fail(error: AgentError) -> int:
    say(str(error))
    write_termination_message(str(error))
    return error.code
