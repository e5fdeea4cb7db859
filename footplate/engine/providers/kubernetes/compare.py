"""What differs between an object in the cluster and what is remembered, or wanted; and who changed it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

from footplate.engine import paths
from footplate.engine.changes import Change, compare
from footplate.engine.paths import Path
from footplate.engine.values import Properties, Secret, mark_like, plain

_BOOKKEEPING = frozenset({"managedFields", "resourceVersion", "generation", "creationTimestamp", "uid", "selfLink"})


def content(live: dict[str, Any]) -> dict[str, Any]:
    """Without status and without what the server notes of every write."""
    metadata = cast(dict[str, Any], live.get("metadata") or {})
    kept = {key: value for key, value in metadata.items() if key not in _BOOKKEEPING}
    return {**{key: value for key, value in live.items() if key != "status"}, "metadata": kept}


def same(live: dict[str, Any], remembered: dict[str, Any]) -> bool:
    return content(live) == content(remembered)


def changes_between(
    live: dict[str, Any], wanted: dict[str, Any], *, old_inputs: Properties, new_inputs: Properties, manager: str
) -> list[Change]:
    """What applying would change. Changes that the program did not make carry a note on who did."""
    asked = [change.path for change in compare(plain(old_inputs), plain(new_inputs))]
    found: list[Change] = []
    for change in compare(content(live), content(wanted)):
        by_program = any(paths.touches(path, change.path) for path in asked)
        found.append(change if by_program else replace(change, note=drift_note(live, change.path, manager)))
    return found


def drift_note(live: dict[str, Any], path: Path, manager: str) -> str:
    owner = other_owner(live, path, manager)
    return f"changed in the cluster by {owner}" if owner else "changed in the cluster"


def other_owner(live: dict[str, Any], path: Path, manager: str) -> str:
    """The manager, other than ours, that wrote the field last; empty where none is recorded."""
    entries = [e for e in _managed(live) if e.get("manager") != manager and _has(e.get("fieldsV1"), path, live)]
    entries.sort(key=lambda entry: str(entry.get("time") or ""))
    return str(entries[-1].get("manager") or "") if entries else ""


def owns(live: dict[str, Any], path: Path, manager: str) -> bool:
    return any(e.get("manager") == manager and _has(e.get("fieldsV1"), path, live) for e in _managed(live))


def applied_by(live: dict[str, Any], manager: str) -> bool:
    return any(e.get("manager") == manager and e.get("operation") == "Apply" for e in _managed(live))


def managers(live: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys(str(e.get("manager") or "?") for e in _managed(live)))


def _managed(live: dict[str, Any]) -> list[dict[str, Any]]:
    return cast(dict[str, Any], live.get("metadata") or {}).get("managedFields") or []


def _has(fields: Any, path: Path, live: Any) -> bool:
    """Whether a fieldsV1 tree (KEP-555) has a path, or something within it."""
    for part in path:
        if not isinstance(fields, dict):
            return False
        tree = cast(dict[str, Any], fields)
        if isinstance(part, str):
            fields, live = tree.get(f"f:{part}"), paths.get(live, (part,))
        else:
            item = paths.get(live, (part,))
            fields, live = _item(tree, item), item
        if fields is None:
            # A list or map that is owned as a whole has no entries of its own.
            return tree == {} or tree == {".": {}}
    return True


def _item(tree: dict[str, Any], item: Any) -> Any:
    for key, inner in tree.items():
        if key.startswith("k:"):
            wanted = cast(dict[str, Any], json.loads(key[2:]))
            if isinstance(item, dict) and all(cast(dict[str, Any], item).get(k) == v for k, v in wanted.items()):
                return inner
        elif key.startswith("v:") and json.loads(key[2:]) == item:
            return inner
    return None


def keep_ignored(wanted: dict[str, Any], live: dict[str, Any], ignored: Sequence[Path], manager: str) -> dict[str, Any]:
    """With the fields of `ignoreChanges` as they are in the cluster, and left to whoever else owns them."""
    for pattern in ignored:
        for path in {*paths.expand(pattern, live), *paths.expand(pattern, wanted)}:
            present = paths.get(live, path, _ABSENT)
            if present is _ABSENT:
                continue
            if not owns(live, path, manager) and other_owner(live, path, manager):
                wanted = paths.drop(wanted, path)
            else:
                wanted = paths.put(wanted, path, present)
    return wanted


_ABSENT = object()


def masked_changes(changes: Sequence[Change], is_secret: bool, old: Properties, new: Properties) -> list[Change]:
    """With the values marked that are not for showing: all data of a Secret, and what the inputs mark."""
    found: list[Change] = []
    for change in changes:
        before, after = _marked(change.old, old, change.path), _marked(change.new, new, change.path)
        if is_secret and change.path[:1] in (("data",), ("stringData",)):
            before, after = _hidden(change.old), _hidden(change.new)
        found.append(replace(change, old=before, new=after))
    return found


def _marked(value: Any, inputs: Any, path: Path) -> Any:
    for part in path:
        if isinstance(inputs, Secret):
            return _hidden(value)
        inputs = paths.get(inputs, (part,))
    return mark_like(value, inputs)


def _hidden(value: Any) -> Any:
    return value if value is None or isinstance(value, Secret) else Secret(value)
