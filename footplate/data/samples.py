"""Finds the samples of tar shards in WebDataset's layout: members in a row whose names are the same up to the first dot.

Layout: https://github.com/webdataset/webdataset#the-webdataset-format
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Iterator
from typing import IO, NamedTuple

from footplate.data.errors import CorruptData

_HEADER = 512
#: Regular files of POSIX and of older tars; everything else is left to tarfile.
_PLAIN = (b"0", b"\0")


class Member(NamedTuple):
    name: str
    header: int
    start: int
    size: int


class Found(NamedTuple):
    """``fields``: extension, start, size; ``header``: where the first of them begins."""

    key: str
    header: int
    fields: tuple[tuple[str, int, int], ...]


def split(name: str) -> tuple[str, str]:
    """Key and extension: `a/b.seg.png` → `a/b`, `seg.png`."""
    folder, slash, base = name.rpartition("/")
    stem, _, extension = base.partition(".")
    return f"{folder}{slash}{stem}", extension


def grouped(members: Iterable[Member], shard: str) -> Iterator[Found]:
    """Raises CorruptData where a sample has two members of one extension."""
    key, header, fields = "", 0, list[tuple[str, int, int]]()
    for member in members:
        its_key, extension = split(member.name)
        if its_key.rpartition("/")[2].startswith("__"):  # WebDataset's own notes
            continue
        if fields and its_key != key:
            yield Found(key, header, tuple(fields))
            fields = []
        if not fields:
            key, header = its_key, member.header
        if any(extension == other for other, _, _ in fields):
            raise CorruptData(f"{shard} has two members {member.name} in a row: each sample needs a name of its own.")
        fields.append((extension, member.start, member.size))
    if fields:
        yield Found(key, header, tuple(fields))


def members_of_block(content: memoryview) -> Iterator[Member]:
    """Of bytes that were found to be whole. The common headers are read here, at a tenth of tarfile's time."""
    at = 0
    while at + _HEADER <= len(content):
        header = bytes(content[at : at + _HEADER])
        if header[156:157] not in _PLAIN or not header[124:135].strip(b" \0").isdigit():
            if header.count(0) == _HEADER:
                return
            # Before it some may have been told; tarfile starts where this one stands.
            yield from _by_tarfile(io.BytesIO(content[at:]), at)
            return
        size = int(header[124:136].strip(b" \0"), 8)
        name = header[:100].split(b"\0", 1)[0]
        if header[257:263] == b"ustar\0" and header[345]:
            name = header[345:500].split(b"\0", 1)[0] + b"/" + name
        yield Member(name.decode(errors="surrogateescape"), at, at + _HEADER, size)
        at += _HEADER + -(-size // 512) * 512


def members_of_shard(file: IO[bytes], size: int, shard: str) -> Iterator[Member]:
    """Reads headers only. Raises CorruptData where the file is no tar, is damaged, or ends too early."""
    try:
        end = 0
        with tarfile.open(fileobj=file, mode="r:") as tar:
            while (entry := tar.next()) is not None:
                if entry.isfile():
                    yield Member(entry.name, entry.offset, entry.offset_data, entry.size)
                elif not entry.isdir():
                    raise CorruptData(f"{shard} has a member that is no file: {entry.name}.")
                end = entry.offset_data + (-(-entry.size // 512) * 512 if entry.isfile() else 0)
                tar.members.clear()  # type: ignore[attr-defined]
    except (tarfile.TarError, EOFError) as error:
        raise CorruptData(f"{shard} cannot be read as a tar: {error}.") from error
    # What tarfile takes for the end may be a damaged header.
    file.seek(end)
    if end > size or file.read(_HEADER).strip(b"\0"):
        raise CorruptData(f"{shard} is damaged at byte {end} of {size}: no member of a tar begins there.")


def _by_tarfile(file: IO[bytes], base: int) -> Iterator[Member]:
    with tarfile.open(fileobj=file, mode="r:") as tar:
        for entry in tar:
            if entry.isfile():
                yield Member(entry.name, base + entry.offset, base + entry.offset_data, entry.size)
