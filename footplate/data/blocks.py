"""Blocks brought from their place, and the samples in them."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from footplate.data.cache import await_block
from footplate.data.errors import CorruptData
from footplate.data.layout import Files, Index, Range
from footplate.data.places import Place, gone, other_size
from footplate.data.samples import grouped, members_of_block, split

Sample = dict[str, "str | bytes"]
"""``__key__``, a str, and the content of each member under its extension, bytes."""


def fetch(place: Place, block: Range | Files) -> memoryview:
    """Raises CorruptData where it is not what the index says, DataError where the store stays away."""
    if isinstance(block, Files):
        parts = [place.read_range(name, size, 0, size) for name, size in block.files if size]
        return memoryview(b"".join(parts))
    for last in (False, True):
        content = place.read_range(block.shard, block.shard_size, block.start, block.end)
        try:
            check(content, block, place.uri)
            return content
        except CorruptData:
            if last:  # twice the same: not damaged on its way
                raise
    raise AssertionError


def check(content: memoryview, block: Range, where: str) -> None:
    if zlib.crc32(content) != block.crc:
        raise CorruptData(
            f"{where}/{block.shard} is damaged between bytes {block.start} and {block.end}: they are not what the index "
            "says. Bring the shard back, or index the data set again."
        )


class Opened(Protocol):
    def sample(self, number: int) -> Sample: ...

    def close(self) -> None: ...


class Disk(Protocol):
    """Opens the blocks that are on this machine."""

    def open(self, number: int) -> Opened: ...


class Cached:
    """Those that are, or will be, in the cache."""

    def __init__(self, index: Index, path: Callable[[int, int], Path], where: str, check: Callable[[], None]) -> None:
        self._index = index
        self._path = path
        self._where = where
        self._check = check

    def open(self, number: int) -> Opened:
        block = self._index.blocks[number]
        descriptor = await_block(self._path(number, block.size), block.size, self._check)
        if isinstance(block, Files):
            return _packed_files(descriptor, block)
        try:
            return _packed(descriptor, 0, block, memoryview(os.pread(descriptor, block.size, 0)), self._where)
        except BaseException:
            os.close(descriptor)
            raise


class Local:
    """Those of a data set that lies on this machine."""

    def __init__(self, index: Index, root: Path) -> None:
        self._index = index
        self._root = root

    def open(self, number: int) -> Opened:
        block = self._index.blocks[number]
        if isinstance(block, Files):
            return _Loose(self._root, block)
        path = self._root / block.shard
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise gone(str(path)) from error
        try:
            there = os.fstat(descriptor).st_size
            if there != block.shard_size:
                raise other_size(str(path), there, block.shard_size)
            content = memoryview(os.pread(descriptor, block.size, block.start))
            check(content, block, str(self._root))
            return _packed(descriptor, block.start, block, content, str(self._root))
        except BaseException:
            os.close(descriptor)
            raise


class _Packed:
    def __init__(self, descriptor: int, table: list[tuple[str, tuple[tuple[str, int, int], ...]]]) -> None:
        self._descriptor = descriptor
        self._table = table

    def sample(self, number: int) -> Sample:
        key, fields = self._table[number]
        found: Sample = {"__key__": key}
        for extension, start, size in fields:
            found[extension] = os.pread(self._descriptor, size, start)
        return found

    def close(self) -> None:
        os.close(self._descriptor)


def _packed(descriptor: int, base: int, block: Range, content: memoryview, where: str) -> _Packed:
    table = [
        (found.key, tuple((extension, base + start, size) for extension, start, size in found.fields))
        for found in grouped(members_of_block(content), f"{where}/{block.shard}")
    ]
    if len(table) != block.samples:
        raise CorruptData(
            f"{where}/{block.shard} has {len(table)} samples between bytes {block.start} and {block.end}, and the index "
            f"says {block.samples}: index the data set again."
        )
    return _Packed(descriptor, table)


def _packed_files(descriptor: int, block: Files) -> _Packed:
    table: list[tuple[str, tuple[tuple[str, int, int], ...]]] = []
    start = 0
    for name, size in block.files:
        table.append((name, ((_field(name), start, size),)))
        start += size
    return _Packed(descriptor, table)


class _Loose:
    def __init__(self, root: Path, block: Files) -> None:
        self._root = root
        self._block = block

    def sample(self, number: int) -> Sample:
        name, size = self._block.files[number]
        path = self._root / name
        try:
            content = path.read_bytes()
        except FileNotFoundError as error:
            raise gone(str(path)) from error
        if len(content) != size:
            raise other_size(str(path), len(content), size)
        return {"__key__": name, _field(name): content}

    def close(self) -> None:
        pass


def _field(name: str) -> str:
    return split(name)[1] or "bin"
