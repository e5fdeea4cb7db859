"""The index of a data set: its shards, cut into blocks of consecutive samples that are read in one piece.

It lies beside the shards as ``footplate-index.json``. A block of a tar shard is a range of bytes that begins at a
member's header; one of plain files is a list of files. A block's samples are found in its own bytes, so that the index
stays small: about 30 bytes for each 8 MiB of data.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from footplate.data.errors import DataError

INDEX = "footplate-index.json"
BLOCK_SIZE = 8 << 20
_VERSION = 1


@dataclass(frozen=True)
class Range:
    """Bytes ``start`` … ``end`` - 1 of a tar shard of ``shard_size`` bytes."""

    shard: str
    shard_size: int
    start: int
    end: int
    samples: int
    crc: int
    """zlib.crc32 of the bytes."""

    @property
    def size(self) -> int:
        return self.end - self.start


@dataclass(frozen=True)
class Files:
    """Names and sizes, a sample each."""

    files: tuple[tuple[str, int], ...]

    @property
    def samples(self) -> int:
        return len(self.files)

    @property
    def size(self) -> int:
        return sum(size for _, size in self.files)


@dataclass(frozen=True)
class Index:
    blocks: tuple[Range, ...] | tuple[Files, ...]
    digest: str
    """Of the content of the index; two data sets with one digest have the same blocks."""

    @property
    def samples(self) -> int:
        return sum(block.samples for block in self.blocks)

    @property
    def size(self) -> int:
        return sum(block.size for block in self.blocks)


def encode(blocks: tuple[Range, ...] | tuple[Files, ...]) -> bytes:
    content: dict[str, Any] = {"version": _VERSION}
    if blocks and isinstance(blocks[0], Files):
        content |= {"format": "files", "blocks": [block.files for block in blocks if isinstance(block, Files)]}
    else:
        shards: dict[str, dict[str, Any]] = {}
        for block in blocks:
            if isinstance(block, Range):
                shard = shards.setdefault(block.shard, {"name": block.shard, "size": block.shard_size, "blocks": []})
                shard["blocks"].append((block.start, block.end, block.samples, block.crc))
        content |= {"format": "tar", "shards": list(shards.values())}
    return json.dumps(content, separators=(",", ":")).encode()


def decode(content: bytes, where: str) -> Index:
    """Raises DataError."""
    try:
        found: dict[str, Any] = json.loads(content)
        version = found["version"]
        if version != _VERSION:
            raise DataError(f"{where} is of version {version}, and this Footplate reads version {_VERSION}.")
        blocks = _files(found) if found["format"] == "files" else _ranges(found)
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{where} is no index of a data set ({type(error).__name__}: {error}).") from error
    if not blocks:
        raise DataError(f"{where} has no samples.")
    return Index(blocks, hashlib.sha256(content).hexdigest()[:16])


def _ranges(found: dict[str, Any]) -> tuple[Range, ...]:
    return tuple(
        Range(str(shard["name"]), int(shard["size"]), *(int(number) for number in block))
        for shard in found["shards"]
        for block in shard["blocks"]
    )


def _files(found: dict[str, Any]) -> tuple[Files, ...]:
    return tuple(Files(tuple((str(name), int(size)) for name, size in block)) for block in found["blocks"])
