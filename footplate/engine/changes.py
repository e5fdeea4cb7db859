"""Field-by-field differences between two property values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, cast

from footplate.engine import paths
from footplate.engine.paths import Path
from footplate.engine.values import Properties, Secret, Unknown, Value, plain


class ChangeKind(StrEnum):
    ADD = "add"
    DELETE = "delete"
    UPDATE = "update"


@dataclass(frozen=True)
class Change:
    """`forces_replacement`: the field cannot be changed in place. `note`: why, where it is not the program's doing."""

    path: Path
    kind: ChangeKind
    old: Value = None
    new: Value = None
    forces_replacement: bool = False
    note: str = ""


def compare(old: Value, new: Value) -> list[Change]:
    return list(_compare((), old, new))


def _compare(path: Path, old: Any, new: Any) -> Iterator[Change]:
    if isinstance(old, Secret) or isinstance(new, Secret):
        before, after = cast(Any, old), cast(Any, new)
        if plain(before) != plain(after):
            yield Change(path, ChangeKind.UPDATE, _secret(before), _secret(after))
    elif new is Unknown or old is Unknown:
        if new is not old:
            yield Change(path, ChangeKind.UPDATE, old, new)
    elif isinstance(old, dict) and isinstance(new, dict):
        yield from _compare_objects(path, cast(Properties, old), cast(Properties, new))
    elif isinstance(old, list) and isinstance(new, list):
        yield from _compare_lists(path, cast(list[Any], old), cast(list[Any], new))
    elif not _equal(old, new):
        yield Change(path, ChangeKind.UPDATE, old, new)


def _equal(old: Any, new: Any) -> bool:
    """`True` is not 1, though Python says so; 1.0 is."""
    return old == new and isinstance(old, bool) == isinstance(new, bool)


def _secret(value: Any) -> Any:
    return value if isinstance(value, Secret) or value is Unknown else Secret(value)


def _compare_objects(path: Path, old: Properties, new: Properties) -> Iterator[Change]:
    for key in old:
        if key not in new:
            yield Change((*path, key), ChangeKind.DELETE, old=old[key])
        else:
            yield from _compare((*path, key), old[key], new[key])
    for key in new:
        if key not in old:
            yield Change((*path, key), ChangeKind.ADD, new=new[key])


def _compare_lists(path: Path, old: list[Any], new: list[Any]) -> Iterator[Change]:
    old_names, new_names = _names(old), _names(new)
    if old_names is None or new_names is None:
        pairs: Sequence[tuple[int | None, int | None]] = [
            (i if i < len(old) else None, i if i < len(new) else None) for i in range(max(len(old), len(new)))
        ]
    else:
        # Containers, ports and so on are told apart by name, so that one inserted does not change all that follow.
        pairs = [(i, new_names.get(name)) for name, i in old_names.items()]
        pairs += [(None, i) for name, i in new_names.items() if name not in old_names]
    for before, after in pairs:
        if after is None:
            assert before is not None
            yield Change((*path, before), ChangeKind.DELETE, old=old[before])
        elif before is None:
            yield Change((*path, after), ChangeKind.ADD, new=new[after])
        else:
            yield from _compare((*path, after), old[before], new[after])


def _names(items: list[Any]) -> dict[str, int] | None:
    """name → index, where every item is an object with a name of its own."""
    names: dict[str, int] = {}
    for index, item in enumerate(items):
        name = cast(Properties, item).get("name") if isinstance(item, dict) else None
        if not isinstance(name, str) or name in names:
            return None
        names[name] = index
    return names


def without(changes: Sequence[Change], ignored: Sequence[Path]) -> list[Change]:
    return [change for change in changes if not any(paths.covers(pattern, change.path) for pattern in ignored)]


def forcing(changes: Sequence[Change], fixed: Sequence[Path]) -> list[Change]:
    """With those marked that touch a field of `fixed`, which cannot be changed in place."""
    return [
        replace(change, forces_replacement=True)
        if change.forces_replacement or any(paths.touches(pattern, change.path) for pattern in fixed)
        else change
        for change in changes
    ]
