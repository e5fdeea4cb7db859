"""Where a data set lies: an object store or a directory."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Protocol, TypeVar

from footplate.data.errors import CorruptData, DataError

if TYPE_CHECKING:
    from footplate.agent.store import Patience, Store

T = TypeVar("T")

#: Seconds.
PATIENCE = 300.0


class Place(Protocol):
    uri: str

    def list(self) -> list[tuple[str, int]]:
        """Names, in their order, and sizes of all files."""
        ...

    def read(self, name: str) -> bytes | None:
        """None where it is not there."""
        ...

    def read_range(self, name: str, size: int, start: int, end: int) -> memoryview:
        """Raises CorruptData where the file does not have ``size`` bytes."""
        ...

    def write(self, name: str, content: bytes) -> None: ...

    def upload(self, name: str, source: Path) -> None: ...

    def delete(self, name: str) -> None: ...

    def path(self, name: str) -> Path | None:
        """None where it is not on this machine."""
        ...


def place(
    uri: str | os.PathLike[str],
    environment: Mapping[str, str],
    patience: float = PATIENCE,
    interrupt: Event | None = None,
) -> Place:
    """``patience``: seconds without any answer from the store before an operation fails, or until ``interrupt``.

    Raises DataError.
    """
    text = os.fspath(uri)
    scheme, separator, rest = text.partition("://")
    if not separator or scheme == "file":
        return Directory(Path(rest if separator else text))
    if scheme not in ("s3", "gs"):
        raise DataError(f"{text!r} is no place for data: s3://bucket/path, gs://bucket/path or a directory is.")
    try:
        from footplate.agent.store import Patience, Store
    except ModuleNotFoundError as error:
        raise DataError(
            f"Reading {scheme}:// needs the package {error.name}, which this Python does not have: pip install obstore."
        ) from error
    # Each operation has patience of its own: between two of them a reader may have had nothing to ask for long.
    return Bucket(Store(text, environment), lambda: Patience(patience, interrupt))


class Directory:
    def __init__(self, root: Path) -> None:
        self._root = root
        self.uri = str(root)

    def list(self) -> list[tuple[str, int]]:
        if not self._root.is_dir():
            raise DataError(f"{self._root} is no directory.")
        found = (path for path in self._root.rglob("*") if path.is_file())
        return sorted((path.relative_to(self._root).as_posix(), path.stat().st_size) for path in found)

    def read(self, name: str) -> bytes | None:
        try:
            return (self._root / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def read_range(self, name: str, size: int, start: int, end: int) -> memoryview:
        path = self._root / name
        try:
            with path.open("rb", buffering=0) as file:
                there = os.fstat(file.fileno()).st_size
                if there != size:
                    raise other_size(str(path), there, size)
                content = os.pread(file.fileno(), end - start, start)
        except FileNotFoundError as error:
            raise gone(str(path)) from error
        return memoryview(content)

    def write(self, name: str, content: bytes) -> None:
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh = path.with_name(f".{path.name}.writing")
        fresh.write_bytes(content)
        fresh.replace(path)

    def upload(self, name: str, source: Path) -> None:
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, path)

    def delete(self, name: str) -> None:
        (self._root / name).unlink(missing_ok=True)

    def path(self, name: str) -> Path | None:
        return self._root / name


class Bucket:
    """Waits while the store is away."""

    def __init__(self, store: Store, patience: Callable[[], Patience]) -> None:
        self._store = store
        self._patience = patience
        self.uri = store.uri

    def list(self) -> list[tuple[str, int]]:
        found = self._do(self._store.list)
        return sorted((item.path, item.size) for item in found if not item.path.endswith("/"))

    def read(self, name: str) -> bytes | None:
        from footplate.agent.store import Missing

        try:
            return self._do(lambda: self._store.read(name))
        except Missing:
            return None

    def read_range(self, name: str, size: int, start: int, end: int) -> memoryview:
        from footplate.agent.ending import AgentError
        from footplate.agent.store import Missing, Object

        item = Object(name, size, None)

        def read() -> memoryview:
            try:
                return self._store.read_range(item, start, end)
            except AgentError:
                # A shard that is too short looks like a store that breaks off, or like a wrong request.
                there = self._store.head(name).size
                if there != size:
                    raise other_size(f"{self.uri}/{name}", there, size) from None
                raise

        try:
            return self._do(read)
        except Missing as error:
            raise gone(f"{self.uri}/{name}") from error

    def write(self, name: str, content: bytes) -> None:
        self._do(lambda: self._store.write(name, content))

    def upload(self, name: str, source: Path) -> None:
        self._do(lambda: self._store.upload(name, source, source.stat().st_size))

    def delete(self, name: str) -> None:
        self._do(lambda: self._store.delete([name]))

    def path(self, name: str) -> Path | None:
        del name
        return None

    def _do(self, operation: Callable[[], T]) -> T:
        from footplate.agent.ending import AgentError

        try:
            return self._patience().call(operation)
        except AgentError as error:
            raise DataError(str(error)) from error


def other_size(name: str, there: int, expected: int) -> CorruptData:
    return CorruptData(
        f"{name} has {there} bytes, and the index of its data set says {expected}: it was cut short or changed. "
        "Bring it back, or index the data set again."
    )


def gone(name: str) -> CorruptData:
    return CorruptData(f"{name} is not there, and the index of its data set names it.")
