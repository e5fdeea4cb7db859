"""Beside a job's processes: ``python3 -m footplate.agent.sync``.

Copies committed checkpoints, logs and artifacts to the object store while they run, and reports their steps. A store that
is away is waited for as long as the job runs. SIGTERM, which Kubernetes sends a sidecar once the job's own container has
ended, means: finish, then exit; the pod's grace period is the bound.

Environment: FOOTPLATE_CHECKPOINT_URI, FOOTPLATE_CHECKPOINT_DIR, and the object store's (AWS_…).
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from threading import Event


def main(environment: Mapping[str, str] = os.environ) -> int:
    stop = Event()
    loading = True
    root = Path(environment.get("FOOTPLATE_CHECKPOINT_DIR") or "/footplate/checkpoints")
    run = Path(environment.get("FOOTPLATE_RUN_DIR") or "/footplate/run")

    def asked(_number: int, _frame: object) -> None:
        if loading and not any(root.glob("step-*")) and not any(run.glob("logs/*/*")):
            os._exit(0)  # nothing to upload: the pod does not wait for the imports
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, asked)
    from footplate.agent import ending, heartbeat, upload
    from footplate.agent.ending import AgentError, AtFault
    from footplate.agent.recording import Recording
    from footplate.agent.store import Store

    loading = False
    recording: Recording | None = None
    try:
        try:
            recording = Recording(environment)
        except (AgentError, OSError) as error:
            ending.say(f"{error} Logs and artifacts are not kept.")
        root.mkdir(parents=True, exist_ok=True)
        uri = environment.get("FOOTPLATE_CHECKPOINT_URI")
        if not uri:
            upload.write_state(root, {"enabled": False, "uploading": None, "settled": {}, "error": None})
            ending.say("no FOOTPLATE_CHECKPOINT_URI is set: checkpoints stay in this pod")
            heartbeat.start(environment, lambda: None, stop)
            stop.wait()
            return 0
        sync = upload.Sync(root, Store(uri, environment), stop)
        heartbeat.start(environment, lambda: sync.told, stop)
        return sync.run()
    except AgentError as error:
        return ending.fail(error)
    except OSError as error:
        return ending.fail(ending.disk_full(error, "the state of the upload") or AtFault(f"{root}: {error}."))
    finally:
        if recording is not None:
            recording.finish()


if __name__ == "__main__":
    sys.exit(main())
