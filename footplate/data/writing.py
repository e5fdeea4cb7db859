"""Writes a data set: tar shards in WebDataset's layout and their index."""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from footplate.data.errors import DataError
from footplate.data.indexing import ranges
from footplate.data.layout import BLOCK_SIZE, INDEX, Index, Range, decode, encode
from footplate.data.places import Place, place

SHARD_SIZE = 128 << 20

Value = bytes | bytearray | memoryview | str | int


def write(
    uri: str | os.PathLike[str],
    samples: Iterable[Mapping[str, Value]],
    *,
    shard_size: int = SHARD_SIZE,
    block_size: int = BLOCK_SIZE,
    overwrite: bool = False,
) -> Index:
    """``samples``: extension → content, such as ``{"jpg": b"…", "cls": 3}``; ``__key__`` names it, by default its number.

    The index is written last: a data set that has one is whole. ``shard_size``, ``block_size``: bytes, roughly.
    Raises DataError where there is a data set and ``overwrite`` is not given.
    """
    if min(shard_size, block_size) < 1:
        raise ValueError(f"shard_size is {shard_size} and block_size {block_size}: at least 1 is needed")
    where = place(uri, os.environ)
    there = where.read(INDEX)
    if there is not None and not overwrite:
        raise DataError(f"{where.uri} has a data set: write somewhere else, or with overwrite=True.")
    where.delete(INDEX)
    blocks: list[Range] = []
    with tempfile.TemporaryDirectory(prefix="footplate-write-") as folder:
        shard = _Shard(Path(folder), 0)
        for number, sample in enumerate(samples):
            if shard.size >= shard_size:
                blocks += shard.finish(where, block_size)
                shard = _Shard(Path(folder), shard.number + 1)
            shard.add(str(sample.get("__key__", f"{number:09d}")), sample)
        if shard.size:
            blocks += shard.finish(where, block_size)
    if not blocks:
        raise DataError(f"No samples were given for {where.uri}.")
    for name in _shards(there, where.uri) - {block.shard for block in blocks}:
        where.delete(name)
    content = encode(tuple(blocks))
    where.write(INDEX, content)
    return decode(content, INDEX)


def _shards(index: bytes | None, where: str) -> set[str]:
    found = decode(index, where).blocks if index is not None else ()
    return {block.shard for block in found if isinstance(block, Range)}


class _Shard:
    def __init__(self, folder: Path, number: int) -> None:
        self.number = number
        self._path = folder / f"{number:06d}.tar"
        self._last = ""
        self._tar = tarfile.open(self._path, "w", format=tarfile.PAX_FORMAT)  # noqa: SIM115 (closed in finish)

    @property
    def size(self) -> int:
        return self._tar.offset

    def add(self, key: str, sample: Mapping[str, Value]) -> None:
        """Raises DataError, ValueError."""
        base = key.rpartition("/")[2]
        if not base or "." in base or base.startswith("__") or key.startswith("/"):
            raise ValueError(f"__key__ is {key!r}: a name without a dot in its last part is needed")
        if key == self._last:
            raise ValueError(f"two samples in a row have the __key__ {key!r}")
        fields = {name: value for name, value in sample.items() if name != "__key__"}
        if not fields:
            raise ValueError(f"sample {key} has nothing beside its __key__")
        for extension, value in fields.items():
            content = value if isinstance(value, (bytes, bytearray, memoryview)) else str(value).encode()
            entry = tarfile.TarInfo(f"{key}.{extension}")
            entry.size = len(content)
            self._tar.addfile(entry, io.BytesIO(content))
        self._last = key

    def finish(self, where: Place, block_size: int) -> list[Range]:
        self._tar.close()
        found = list(ranges(self._path, f"{where.uri}/{self._path.name}", self._path.name, block_size))
        where.upload(self._path.name, self._path)
        self._path.unlink()
        return found
