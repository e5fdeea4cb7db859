"""Waits for the supervisor's death, then becomes the supervisor: `python -m devcluster.sentinel DIRECTORY PID`.

It runs in the cluster's namespaces and has the supervisor's environment, so the new supervisor has them too.
"""

from __future__ import annotations

import os
import select
import sys
import time

QUICK_DEATH = 5.0
PAUSE = 2.0


def main(directory: str, supervisor: int) -> None:
    started = time.monotonic()
    try:
        descriptor = os.pidfd_open(supervisor)
        if os.getppid() == supervisor:
            select.select([descriptor], [], [])
        os.close(descriptor)
    except ProcessLookupError:
        pass
    if time.monotonic() - started < QUICK_DEATH:
        time.sleep(PAUSE)
    environment = {**os.environ, "FOOTPLATE_COMPONENT": "supervisor"}
    os.execve(sys.executable, [sys.executable, "-m", "devcluster.supervisor", directory], environment)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
