"""`python -m benchmarks`: on a cluster of its own (profile api, 50 simulated nodes), or on that of --kubeconfig.

A table on standard error, the same as JSON on standard output.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import steady, workspaces
from benchmarks.workspaces import Result, as_json
from devcluster import cluster
from footplate.kube.connection import load_connection

NODES = 50


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("what", nargs="?", choices=("workspaces", "steady"), default="workspaces")
    parser.add_argument("--count", type=int, default=500, help="workspaces (default: %(default)s)")
    parser.add_argument("--kubeconfig", type=Path, help="of a cluster made by `footplate cluster start --profile api`")
    given = parser.parse_args()
    console = Console(stderr=True, width=None if sys.stderr.isatty() else 110)
    with _kubeconfig(given.kubeconfig) as kubeconfig:
        connection = load_connection(kubeconfig)
        if given.what == "steady":
            found = asyncio.run(steady.measure(connection, kubeconfig))
            console.print(f"writes in {steady.WINDOW:g} s with 100 workspaces and 100 finished jobs: {found or 'none'}")
            print(json.dumps(found))
            return
        results = asyncio.run(workspaces.measure(connection, kubeconfig, given.count))
    console.print(_table(results))
    print(json.dumps(as_json(results), indent=2))


@contextmanager
def _kubeconfig(given: Path | None) -> Generator[Path]:
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="footplate-bench-") as folder:
        environment = {**os.environ, "FOOTPLATE_DATA": folder}
        changes = {"profile": "api", "kwok_nodes": NODES, "client_qps": 1000}
        started = cluster.start("bench", changes, environment=environment)
        try:
            yield started.kubeconfig
        finally:
            cluster.delete("bench", environment=environment)


def _table(results: list[Result]) -> Table:
    table = Table(title=f"{results[0].count} created at once on {NODES} simulated nodes, {os.cpu_count()} cores")
    for title in ("", "ready", "seconds", "rate/s", "CPU s", "RSS MiB", "own writes each", "all writes each"):
        table.add_column(title, justify="left" if not title else "right")
    for result in results:
        values = (result.seconds, result.rate, result.cpu, result.rss_mib, result.own_writes, result.all_writes)
        cells = ["-" if value is None else f"{value:.1f}" for value in values]
        table.add_row(result.name, str(result.ready), *cells)
    return table


if __name__ == "__main__":
    sys.exit(main())
