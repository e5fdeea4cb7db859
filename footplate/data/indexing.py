"""Makes the index of a data set that others have written: tar shards in WebDataset's layout, or a file for each sample."""

from __future__ import annotations

import os
import tempfile
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from footplate.data.errors import DataError
from footplate.data.layout import BLOCK_SIZE, INDEX, Files, Index, Range, decode, encode
from footplate.data.places import Place, place
from footplate.data.samples import Found, grouped, members_of_shard

#: Shards read at once, each to a temporary file.
THREADS = 4
#: Of a block of plain files: each is a request of its own.
MOST_FILES = 1000
_READ = 8 << 20


def index(
    uri: str | os.PathLike[str],
    *,
    block_size: int = BLOCK_SIZE,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Index:
    """Reads every shard once, and writes the index beside them. Where there are tars, other files are not looked at.

    ``block_size``: bytes that are read in one piece. ``progress`` is told shards done and shards in all.
    Raises DataError, and CorruptData with the name of a shard that is no whole tar.
    """
    if block_size < 1:
        raise ValueError(f"block_size is {block_size}, and at least 1 is needed")
    where = place(uri, os.environ)
    listed = [(name, size) for name, size in where.list() if not _hidden(name)]
    shards = [(name, size) for name, size in listed if name.endswith(".tar")]
    blocks: tuple[Range, ...] | tuple[Files, ...]
    blocks = _of_tars(where, shards, block_size, progress) if shards else tuple(_of_files(listed, block_size))
    if not blocks:
        raise DataError(f"{where.uri} has no tar shards and no files to index.")
    content = encode(blocks)
    where.write(INDEX, content)
    return decode(content, INDEX)


def ranges(path: Path, shard: str, name: str, block_size: int) -> Iterator[Range]:
    """The blocks of a tar at ``path``: as many samples in each, so that the ranks can share them evenly."""
    size = path.stat().st_size
    with path.open("rb") as file:
        found: list[Found] = list(grouped(members_of_shard(file, size, shard), shard))
        if not found:
            return
        starts = [sample.header for sample in found]
        end = -(-max(start + size for _, start, size in found[-1].fields) // 512) * 512
        count = min(len(starts), max(1, round((end - starts[0]) / block_size)))
        bounds = [len(starts) * number // count for number in range(count + 1)]
        for first, last in zip(bounds, bounds[1:]):  # noqa: B905, RUF007 (Python 3.9)
            start, stop = starts[first], starts[last] if last < len(starts) else end
            yield Range(name, size, start, stop, last - first, _crc(file.fileno(), start, stop))


def _of_tars(
    where: Place, shards: list[tuple[str, int]], block_size: int, progress: Callable[[int, int], None]
) -> tuple[Range, ...]:
    found: list[Range] = []

    def one(shard: tuple[str, int]) -> list[Range]:
        name, size = shard
        label = f"{where.uri}/{name}"
        path = where.path(name)
        if path is not None:
            return list(ranges(path, label, name, block_size))
        with tempfile.NamedTemporaryFile(prefix="footplate-index-") as file:
            for start in range(0, size, _READ):
                file.write(where.read_range(name, size, start, min(start + _READ, size)))
            file.flush()
            return list(ranges(Path(file.name), label, name, block_size))

    with ThreadPoolExecutor(THREADS) as pool:
        try:
            for done, blocks in enumerate(pool.map(one, shards), start=1):
                found += blocks
                progress(done, len(shards))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return tuple(found)


def _of_files(listed: list[tuple[str, int]], block_size: int) -> Iterator[Files]:
    block: list[tuple[str, int]] = []
    filled = 0
    for name, size in listed:
        if block and (filled + size > block_size or len(block) >= MOST_FILES):
            yield Files(tuple(block))
            block, filled = [], 0
        block.append((name, size))
        filled += size
    if block:
        yield Files(tuple(block))


def _hidden(name: str) -> bool:
    return name == INDEX or any(part.startswith(".") for part in name.split("/"))


def _crc(descriptor: int, start: int, end: int) -> int:
    crc = 0
    while start < end:
        content = os.pread(descriptor, min(_READ, end - start), start)
        crc, start = zlib.crc32(content, crc), start + len(content)
    return crc
