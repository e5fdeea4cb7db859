"""`python -m footplate.controllers`: the reconcilers of Workspaces and TrainingJobs.

Inside a cluster it needs no options; for development it takes a kubeconfig.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import os
import signal
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from footplate.api import duration
from footplate.controllers.bounds import Bounds
from footplate.controllers.process import Options, options_from_environment, run
from footplate.kube.connection import load_connection
from footplate.kube.errors import KubeConfigError, KubeError
from footplate.kube.lease import LeadershipLost

log = logging.getLogger("footplate.controllers")


def main(arguments: list[str] | None = None) -> int:
    parser = _parser()
    given = parser.parse_args(arguments)
    logging.basicConfig(
        level=given.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    # What the caches hold lives long: looking through it for garbage often is time lost.
    gc.set_threshold(50_000, 20, 100)
    try:
        return asyncio.run(_main(given))
    except KubeConfigError as error:
        print(f"footplate.controllers: {error}", file=sys.stderr)
        return 2
    except LeadershipLost as error:
        log.error("%s", error)
        return 3
    except KubeError as error:
        log.error("%s", error)
        return 1


async def _main(given: argparse.Namespace) -> int:
    connection = load_connection(given.kubeconfig, given.context)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    log.info("connecting to %s (context %s)", connection.server, connection.context)
    await run(connection, _options(given), stop, serves=_say_ports)
    return 0


def _say_ports(port: int, collector: int) -> None:
    log.info("collecting on port %d", collector)
    log.info("serving on port %d", port)


def _options(given: argparse.Namespace) -> Options:
    options = options_from_environment(dict(os.environ))
    bounds = Bounds(
        start=given.start_timeout,
        early=given.early,
        stop=given.stop_timeout,
        last_words=given.last_words,
        node_lost=given.node_lost,
        failed_starts=given.failed_starts,
        first_delay=given.first_delay,
        longest_delay=given.longest_delay,
        first_step=given.first_step,
        dump=given.dump,
        progress=given.progress,
        straggling=given.straggling,
        snapshot=given.snapshot_wait,
        home_task=given.home_task,
    )
    options = replace(
        options, port=given.port, collector_port=given.collector_port, workers=given.workers, bounds=bounds
    )
    return replace(options, system=given.namespace) if given.namespace else options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m footplate.controllers", description=__doc__)
    bounds, defaults = Bounds(), Options()
    add = parser.add_argument
    add("--kubeconfig", type=Path, help="default: KUBECONFIG, ~/.kube/config, or the pod's service account")
    add("--context", help="a context of the kubeconfig")
    add("--namespace", help=f"of the platform's settings and the Lease (default: POD_NAMESPACE or {defaults.system})")
    add(
        "--port",
        type=int,
        default=defaults.port,
        help="of /metrics, /healthz and /readyz; 0: any (default: %(default)s)",
    )
    add(
        "--collector-port",
        type=int,
        default=defaults.collector_port,
        help="to which pods report; 0: any (default: %(default)s)",
    )
    add(
        "--workers",
        type=int,
        default=defaults.workers,
        help="objects of a kind under work at once (default: %(default)s)",
    )
    add("--log-level", default="info", choices=("debug", "info", "warning", "error"))

    def span(name: str, default: timedelta, text: str) -> None:
        add(
            name,
            type=duration.parse,
            default=default,
            metavar="DURATION",
            help=f"{text} (default: {duration.human(default)})",
        )

    span("--start-timeout", bounds.start, "from getting a node to being ready")
    span("--stop-timeout", bounds.stop, "for the pods of a failed attempt to end, beside their grace")
    span("--last-words", bounds.last_words, "for a failed rank's pod to end, before the others are ended")
    span("--node-lost", bounds.node_lost, "from a node's silence until its ranks count as lost")
    span("--early", bounds.early, "what ends sooner after its start counts as a failed start")
    span("--first-delay", bounds.first_delay, "before the start after a failed one; doubles with each")
    span("--snapshot-wait", bounds.snapshot, "for which a stop waits for the home's snapshot, which goes on")
    span("--home-task", bounds.home_task, "for a snapshot or a restore in all")
    span("--longest-delay", bounds.longest_delay, "at most before a start")
    span("--first-step", bounds.first_step, "without a step while a job starts or saves, before it may be hung")
    span("--dump", bounds.dump, "for the stacks of a hung attempt, before it is ended")
    span("--progress", bounds.progress, "between two writes of a job's steps to its status")
    span("--straggling", bounds.straggling, "of a rank, before its node is taken to be at fault")
    add(
        "--failed-starts",
        type=int,
        default=bounds.failed_starts,
        help="in a row, then a workspace fails (default: %(default)s)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
