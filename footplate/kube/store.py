"""What an informer holds: objects by key, and keys by index value."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Generic, NamedTuple, TypeVar, cast

T = TypeVar("T")

Indexer = Callable[[T], Iterable[str]]
"""The values under which an object is found."""


class Key(NamedTuple):
    namespace: str
    """Empty for cluster-scoped kinds."""
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


def key_of(obj: Any) -> Key:
    """From the metadata of a dict or a Struct."""
    if isinstance(obj, dict):
        metadata = cast(dict[str, str], obj["metadata"])
        return Key(metadata.get("namespace") or "", metadata["name"])
    return Key(getattr(obj.metadata, "namespace", None) or "", obj.metadata.name)


class Store(Generic[T]):
    def __init__(self, indexers: Mapping[str, Indexer[T]] | None = None) -> None:
        self._objects: dict[Key, T] = {}
        self._indexers = dict(indexers or {})
        self._indices: dict[str, dict[str, dict[Key, None]]] = {name: {} for name in self._indexers}

    def get(self, key: Key) -> T | None:
        return self._objects.get(key)

    def all_keys(self) -> list[Key]:
        return list(self._objects)

    def by_index(self, index: str, value: str) -> list[T]:
        """In the order in which the objects came."""
        return [self._objects[key] for key in self._indices[index].get(value, ())]

    def __len__(self) -> int:
        return len(self._objects)

    def __iter__(self) -> Iterator[T]:
        return iter(list(self._objects.values()))

    def __contains__(self, key: Key) -> bool:
        return key in self._objects

    def put(self, key: Key, obj: T) -> T | None:
        """The object that was there before."""
        old = self._objects.get(key)
        for name, indexer in self._indexers.items():
            before = set(indexer(old)) if old is not None else set[str]()
            after = set(indexer(obj))
            if before != after:
                self._reindex(name, key, before - after, after - before)
        self._objects[key] = obj
        return old

    def remove(self, key: Key) -> T | None:
        old = self._objects.pop(key, None)
        if old is not None:
            for name, indexer in self._indexers.items():
                self._reindex(name, key, set(indexer(old)), set())
        return old

    def _reindex(self, name: str, key: Key, left: set[str], entered: set[str]) -> None:
        index = self._indices[name]
        for value in left:
            keys = index[value]
            del keys[key]
            if not keys:
                del index[value]
        for value in entered:
            index.setdefault(value, {})[key] = None
