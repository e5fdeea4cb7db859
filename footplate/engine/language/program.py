"""The child process: runs a Pulumi Python program as Pulumi's own language host runs it.

A script, not a module of the package: it may run under the interpreter of the project's own virtual environment, which
has `pulumi` and not Footplate. Arguments and exit codes are those of `pulumi-language-python-exec`: 32 means that the
failure was already reported to the engine.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import runpy
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

REPORTED = 32


def main() -> int:
    parser = argparse.ArgumentParser()
    for name in ("monitor", "engine", "project", "stack", "organization", "root_directory", "pwd", "dry_run"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--parallel", type=int, required=True)
    parser.add_argument("--lifeline", type=int, help="a descriptor that closes when the engine is gone")
    parser.add_argument("program")
    options = parser.parse_args()
    if options.lifeline is not None:
        threading.Thread(target=_end_with, args=(options.lifeline,), daemon=True).start()
    os.chdir(options.pwd)
    sys.argv = [options.program]
    try:
        import pulumi
        import pulumi.runtime
    except ImportError as error:
        print(f"{sys.executable} cannot import the Pulumi SDK: {error}", file=sys.stderr)
        return 1

    pulumi.runtime.set_all_config(pulumi.runtime.get_config_env(), pulumi.runtime.get_config_secret_keys_env())
    pulumi.runtime.configure(
        pulumi.runtime.Settings(
            project=options.project,
            stack=options.stack,
            monitor=options.monitor,
            engine=options.engine,
            parallel=options.parallel,
            dry_run=options.dry_run == "true",
            organization=options.organization,
            root_directory=options.root_directory,
        )
    )
    # A program makes much and drops little: looking for garbage as often as usual takes a quarter of its time.
    gc.set_threshold(200_000, 20, 20)
    # Futures that nobody awaits are part of how programs run; asyncio would complain of each.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    loop.set_default_executor(ThreadPoolExecutor(max_workers=max(options.parallel, 1) * 4))

    def run() -> None:
        runpy.run_path(options.program, run_name="__main__")

    try:
        loop.run_until_complete(pulumi.runtime.run_in_stack(run))
    except pulumi.RunError as error:
        pulumi.log.error(str(error))
        return REPORTED
    except (Exception, SystemExit) as error:
        pulumi.log.error(_report(error, Path(options.root_directory)))
        return REPORTED
    return 0


def _report(error: BaseException, root: Path) -> str:
    """The traceback's frames that are the project's own, and the exception; all frames where none is."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if _own(Path(frame.filename), root)]
    lines = traceback.format_list(own or frames) + traceback.format_exception_only(error)
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None and not own:
        return _report(cause, root)
    return "".join(lines).rstrip()


def _own(path: Path, root: Path) -> bool:
    if str(path).startswith("<"):  # <frozen runpy>
        return False
    try:
        inside = path.resolve().relative_to(root.resolve())
    except ValueError:
        return False
    return not any(part in ("site-packages", "dist-packages") or part.startswith(".venv") for part in inside.parts)


def _end_with(descriptor: int) -> None:
    os.read(descriptor, 1)
    os._exit(1)


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    # Threads of gRPC may still wait for an engine that has gone.
    os._exit(code)
