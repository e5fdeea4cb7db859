"""`python3 -m footplate.agent.home save|fill|restore|prune`, in the pod of one task.

Ends with 0 and a `HomeReport` in the termination message, or with one sentence there and 64 (the request is at fault)
or 75 (temporary). SIGTERM ends it at once; where FOOTPLATE_FINISH is set, the grace period is for finishing.

Environment: FOOTPLATE_HOME (the directory), FOOTPLATE_HOME_URI (the repository), FOOTPLATE_WORKSPACE_UID,
RESTIC_PASSWORD, and the object store's (AWS_…).
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

import msgspec

from footplate.agent import ending
from footplate.agent.ending import AgentError, AtFault
from footplate.agent.home import tasks
from footplate.agent.home.restic import Restic, of_environment
from footplate.api.home import HomeReport
from footplate.api.platform import HomePolicy


def main(arguments: list[str] | None = None) -> int:
    given = _parser().parse_args(arguments)
    own = of_environment(os.environ["FOOTPLATE_HOME_URI"])
    source = of_environment(given.source) if getattr(given, "source", None) else own
    running = (own, source)

    def asked(_number: int, _frame: object) -> None:
        for restic in running:
            if restic.process is not None:
                restic.process.kill()
        os._exit(ending.TERMINATED)

    finish = bool(os.environ.get("FOOTPLATE_FINISH"))
    signal.signal(signal.SIGTERM, signal.SIG_IGN if finish else asked)
    try:
        report = _done(given, own, source, Path(os.environ["FOOTPLATE_HOME"]), os.environ["FOOTPLATE_WORKSPACE_UID"])
    except AgentError as error:
        return ending.fail(error)
    except OSError as error:
        return ending.fail(ending.disk_full(error, "what is restored") or AtFault(f"{error}."))
    ending.say(report.message or "done")
    ending.write_termination_message(msgspec.json.encode(report).decode())
    return 0


def _done(given: argparse.Namespace, own: Restic, source: Restic, home: Path, uid: str) -> HomeReport:
    match given.task:
        case "save":
            return tasks.save(own, home, uid)
        case "fill":
            return tasks.fill(source, home, given.snapshot, given.key)
        case "restore" if given.path:
            return tasks.restore_paths(source, home, given.snapshot, given.path, given.to)
        case "restore":
            return tasks.restore(own, source, home, given.snapshot, given.key, uid)
        case _:
            return tasks.prune(own, HomePolicy("OnStop", given.keep_last, given.keep_daily, given.keep_weekly))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m footplate.agent.home", description=__doc__)
    tasks_ = parser.add_subparsers(dest="task", required=True)
    tasks_.add_parser("save")
    fill, restore = tasks_.add_parser("fill"), tasks_.add_parser("restore")
    for one in (fill, restore):
        one.add_argument("--source", help="its repository, where it is not the own one")
        one.add_argument("--snapshot", required=True, help="latest, an id, or a time")
        one.add_argument("--key", required=True, help="tells this request from others")
    restore.add_argument("--path", action="append", default=[], help="within home; none: all of it")
    restore.add_argument("--to", help="a directory in home")
    prune = tasks_.add_parser("prune")
    for name in ("last", "daily", "weekly"):
        prune.add_argument(f"--keep-{name}", type=int, required=True)
    return parser


if __name__ == "__main__":
    sys.exit(main())
