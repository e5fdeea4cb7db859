"""A tree as one gzipped tar: the same content gives the same bytes, whoever packs it and when."""

from __future__ import annotations

import errno
import gzip
import hashlib
import os
import tarfile
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedIOBase
from typing import IO, Any, cast

from footplate.api.quantity import human_bytes
from footplate.client.code.tree import Entry, Progress, Tree
from footplate.errors import BadUsage, MachineLacks

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Archive:
    sha256: str
    """Of the archive's bytes: it is the archive's name in the store."""
    size: int
    file: IO[bytes]
    """At its start. It has no name on disk, so that nothing is left whatever happens."""


@contextmanager
def pack(tree: Tree, progress: Progress) -> Generator[Archive]:
    try:
        with tempfile.TemporaryFile(prefix="footplate-code-") as file:
            sink = _Hashing(file)
            _write(tree, sink, progress)
            size = file.tell()
            file.seek(0)
            yield Archive(sink.digest.hexdigest(), size, file)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise MachineLacks(
                f"There is no space in {tempfile.gettempdir()} to pack the code in {tree.root} ({human_bytes(tree.bytes)}B).",
                "free some, or name another directory with TMPDIR",
            ) from error
        raise


def _write(tree: Tree, sink: _Hashing, progress: Progress) -> None:
    done = 0
    # Level 6 and a zero time; gzip's own header would carry the moment and a name.
    with (
        gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=cast(Any, sink), mtime=0) as compressed,
        tarfile.TarFile(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT, copybufsize=_CHUNK) as tar,
    ):
        for entry in tree.entries:
            _add(tar, tree, entry)
            done += entry.size
            progress(f"packing the code: {human_bytes(done)}B of {human_bytes(tree.bytes)}B")


def _add(tar: tarfile.TarFile, tree: Tree, entry: Entry) -> None:
    info = _header(entry)
    if not info.isreg():
        tar.addfile(info)
        return
    path = tree.root / entry.path
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except FileNotFoundError as error:
        raise _changed(path) from error
    except OSError as error:
        raise BadUsage(
            f"Cannot read {path}: {error.strerror}.", "name it in .footplateignore or make it readable"
        ) from error
    with os.fdopen(descriptor, "rb") as file:
        if os.fstat(descriptor).st_size != entry.size:
            raise _changed(path)
        try:
            tar.addfile(info, file)
        except OSError as error:
            if error.errno is None:  # tarfile's own "unexpected end of data"
                raise _changed(path) from error
            raise


def _changed(path: os.PathLike[str]) -> BadUsage:
    return BadUsage(
        f"{path} changed while it was being packed.",
        "try again; what is always written to belongs in .footplateignore",
    )


def _header(entry: Entry) -> tarfile.TarInfo:
    info = tarfile.TarInfo(entry.path)
    info.mtime = 0
    if entry.directory:
        info.type, info.mode = tarfile.DIRTYPE, 0o755
    elif entry.link is not None:
        info.type, info.mode, info.linkname = tarfile.SYMTYPE, 0o777, entry.link
    else:
        info.size, info.mode = entry.size, 0o755 if entry.executable else 0o644
    return info


class _Hashing(BufferedIOBase):
    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self.digest = hashlib.sha256()
        self._file = file

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self.digest.update(data)
        return self._file.write(data)
