"""`python -m benchmarks`: on a cluster of its own (profile api, simulated nodes), or on that of --kubeconfig.

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
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import fleet, jobs, steady, workspaces
from benchmarks.workspaces import Result, as_json
from devcluster import cluster
from footplate.kube.connection import load_connection

NODES = 50
#: Seconds; a thousand simulated nodes take their time.
START = 600.0
NODES_OF = {"jobs": 1000}
COUNTS = {"workspaces": 500, "steady": 100, "fleet": 10_000, "jobs": 1_000}
RECORDS: dict[str, Any] = {"fleet": fleet, "jobs": jobs}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("what", nargs="?", choices=tuple(COUNTS), default="workspaces")
    parser.add_argument("--count", type=int, help="of objects (default: that of README.md)")
    parser.add_argument("--kubeconfig", type=Path, help="of a cluster made by `footplate cluster start --profile api`")
    given = parser.parse_args()
    console = Console(stderr=True, width=None if sys.stderr.isatty() else 110)
    count = given.count or COUNTS[given.what]
    with _kubeconfig(given.kubeconfig, NODES_OF.get(given.what, NODES)) as kubeconfig:
        connection = load_connection(kubeconfig)
        if given.what == "steady":
            found = asyncio.run(steady.measure(connection, kubeconfig, count))
            console.print(
                f"writes in {steady.WINDOW:g} s with {count} workspaces and {count} finished jobs: {found or 'none'}"
            )
            print(json.dumps(found))
            return
        if given.what in RECORDS:
            record = asyncio.run(RECORDS[given.what].measure(connection, kubeconfig, count))
            console.print(_record(record))
            print(json.dumps(asdict(record), indent=2))
            return
        results = asyncio.run(workspaces.measure(connection, kubeconfig, count))
    console.print(_table(results))
    print(json.dumps(as_json(results), indent=2))


@contextmanager
def _kubeconfig(given: Path | None, nodes: int) -> Generator[Path]:
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="footplate-bench-") as folder:
        environment = {**os.environ, "FOOTPLATE_DATA": folder}
        changes = {"profile": "api", "kwok_nodes": nodes, "client_qps": 1000}
        started = cluster.start("bench", changes, environment=environment, timeout=START)
        try:
            yield started.kubeconfig
        finally:
            cluster.delete("bench", environment=environment)


def _record(found: Any) -> Table:
    table = Table(show_header=False)
    for name, value in asdict(found).items():
        table.add_row(name.replace("_", " "), f"{value:.1f}" if isinstance(value, float) else str(value))
    return table


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
