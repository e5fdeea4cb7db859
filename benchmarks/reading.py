"""`python -m benchmarks.reading`: a data set read by footplate.data, by webdataset, and its shards read from end to end.

From a directory and from the embedded cluster's object store on loopback. Every row reads every byte once, in one process,
without decoding. A table on standard error, the same as JSON on standard output.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import webdataset
from rich.console import Console
from rich.table import Table

from devcluster import artifacts, build, paths
from devcluster.progress import ConsoleProgress
from footplate import data
from footplate.agent.store import CHUNK, Object, Store
from tests.unit.agent.s3_gateway import Gateway

BATCH = 32


@dataclass(frozen=True)
class Row:
    name: str
    samples: int
    seconds: float
    mib_per_second: float
    samples_per_second: float


def samples(count: int, size: int) -> Iterator[dict[str, bytes | int]]:
    content = random.Random(1).randbytes(size)
    for number in range(count):
        yield {"jpg": number.to_bytes(4, "big") + content[4:], "cls": number % 1000}


def timed(name: str, count: int, size: int, read: Callable[[], int]) -> Row:
    began = time.perf_counter()
    found = read()
    seconds = time.perf_counter() - began
    if found != count:
        raise RuntimeError(f"{name}: {found} samples of {count}")
    return Row(name, found, round(seconds, 2), round(count * size / 2**20 / seconds, 1), round(count / seconds))


def sequentially(root: Path, count: int) -> int:
    for shard in sorted(root.glob("*.tar")):
        with shard.open("rb") as file:
            while file.read(CHUNK):
                pass
    return count


def sequentially_from_store(uri: str, count: int) -> int:
    store = Store(uri, os.environ)
    for item in store.list():
        for start in range(0, item.size, CHUNK):
            store.read_range(Object(item.path, item.size, None), start, min(start + CHUNK, item.size))
    return count


def with_webdataset(root: Path) -> int:
    shards = [str(shard) for shard in sorted(root.glob("*.tar"))]
    pipeline: Any = webdataset.WebDataset(shards, shardshuffle=len(shards)).shuffle(1000)  # pyright: ignore
    return sum(1 for _ in pipeline)


def with_footplate(uri: str | Path, **options: Any) -> int:
    return sum(len(batch) for batch in data.Reader(uri, batch_size=BATCH, **options))


def measure(folder: Path, count: int, size: int, gateway: Gateway) -> list[Row]:
    (gateway.root / "buckets" / "bench").mkdir(parents=True)
    os.environ.update(gateway.environment)
    root, uri = folder / "local", "s3://bench/set"
    index = data.write(root, samples(count, size))
    data.write(uri, samples(count, size))
    limit = index.size // 2
    window = max(1, len(index.blocks) // 8)
    cold = {"cache": folder / "cold", "cache_limit": limit, "window": window}
    warm = {"cache": folder / "warm", "cache_limit": 2 * index.size, "window": window}
    with_footplate(uri, **warm)
    return [
        timed("directory: shards from end to end", count, size, lambda: sequentially(root, count)),
        timed("directory: webdataset", count, size, lambda: with_webdataset(root)),
        timed("directory: footplate.data", count, size, lambda: with_footplate(root, window=window)),
        timed("store: shards from end to end", count, size, lambda: sequentially_from_store(uri, count)),
        timed("store: footplate.data, a cache of half the data", count, size, lambda: with_footplate(uri, **cold)),
        timed("store: footplate.data, all of it in the cache", count, size, lambda: with_footplate(uri, **warm)),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reading", description=__doc__)
    parser.add_argument("--count", type=int, default=8000, help="samples (default: %(default)s)")
    parser.add_argument("--size", type=int, default=100_000, help="bytes of each (default: %(default)s)")
    given = parser.parse_args()
    console = Console(stderr=True, width=None if sys.stderr.isatty() else 110)
    tool = next(tool for tool in artifacts.TOOLS if tool.name == "versitygw")
    program = build.ensure([tool], paths.cache_directory(), ConsoleProgress(console))["versitygw"]
    with tempfile.TemporaryDirectory(prefix="footplate-bench-") as folder:
        gateway = Gateway(program, Path(folder) / "s3")
        gateway.root.mkdir()
        gateway.start()
        try:
            rows = measure(Path(folder), given.count, given.size, gateway)
        finally:
            gateway.kill()
    table = Table("", "seconds", "MiB/s", "samples/s")
    for row in rows:
        table.add_row(row.name, f"{row.seconds:g}", f"{row.mib_per_second:g}", f"{row.samples_per_second:g}")
    console.print(table)
    print(json.dumps([asdict(row) for row in rows], indent=2))


if __name__ == "__main__":
    main()
