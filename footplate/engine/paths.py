"""Property paths: `spec.ports[0].name`, `metadata.annotations["a.b/c"]`, with `*` for any key or index."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias, cast

from footplate.engine.errors import Unsupported

Path: TypeAlias = tuple[str | int, ...]

_PLAIN = re.compile(r"[A-Za-z_$][A-Za-z0-9_$-]*")
_TOKEN = re.compile(r'\["((?:[^"\\]|\\.)*)"\]|\[(\d+|\*)\]|\.?([^.\[\]]+)')


def parse(text: str) -> Path:
    found: list[str | int] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise Unsupported(f"{text!r} is no property path (it stops making sense at {text[position:]!r})")
        quoted, index, name = match.groups()
        if quoted is not None:
            found.append(re.sub(r"\\(.)", r"\1", quoted))
        elif index is not None:
            found.append("*" if index == "*" else int(index))
        else:
            found.append(name)
        position = match.end()
    return tuple(found)


def text(path: Path) -> str:
    out = ""
    for part in path:
        if isinstance(part, int):
            out += f"[{part}]"
        elif _PLAIN.fullmatch(part):
            out += f".{part}" if out else part
        else:
            escaped = part.replace("\\", "\\\\").replace('"', '\\"')
            out += f'["{escaped}"]'
    return out


def covers(pattern: Path, path: Path) -> bool:
    """True where `path` is the place `pattern` names, or within it."""
    return len(pattern) <= len(path) and _match(pattern, path[: len(pattern)])


def touches(pattern: Path, path: Path) -> bool:
    """True where a change at `path` changes what `pattern` names: within it, it itself, or a part that holds it."""
    shared = min(len(pattern), len(path))
    return _match(pattern[:shared], path[:shared])


def _match(pattern: Path, path: Path) -> bool:
    return all(wanted in ("*", part) for wanted, part in zip(pattern, path, strict=True))


def get(value: Any, path: Sequence[str | int], default: Any = None) -> Any:
    for part in path:
        if isinstance(value, dict) and part in cast(dict[Any, Any], value):
            value = cast(dict[Any, Any], value)[part]
        elif isinstance(value, list) and isinstance(part, int) and part < len(cast(list[Any], value)):
            value = cast(list[Any], value)[part]
        else:
            return default
    return value


def expand(pattern: Path, value: Any) -> Iterator[Path]:
    """The concrete paths of `value` that a pattern with `*` names."""
    if not pattern:
        yield ()
        return
    head, rest = pattern[0], pattern[1:]
    keys: Sequence[str | int] = (head,)
    if head == "*":
        if isinstance(value, dict):
            keys = list(cast(dict[str, Any], value))
        else:
            keys = range(len(cast(list[Any], value))) if isinstance(value, list) else ()
    for key in keys:
        inner = get(value, (key,), _MISSING)
        if inner is not _MISSING:
            for path in expand(rest, inner):
                yield (key, *path)


_MISSING = object()


def put(value: Any, path: Path, new: Any) -> Any:
    """A copy of `value` with `new` at `path`; objects on the way are made, lists are not."""
    if not path:
        return new
    head, rest = path[0], path[1:]
    if isinstance(value, list) and isinstance(head, int):
        items = list(cast(list[Any], value))
        if head < len(items):
            items[head] = put(items[head], rest, new)
        return items
    fields: dict[Any, Any] = dict(cast(dict[Any, Any], value)) if isinstance(value, dict) else {}
    fields[head] = put(fields.get(head), rest, new)
    return fields


def drop(value: Any, path: Path) -> Any:
    """A copy of `value` without what is at `path`."""
    if not path:
        return value
    head, rest = path[0], path[1:]
    if isinstance(value, dict) and head in cast(dict[Any, Any], value):
        fields = dict(cast(dict[Any, Any], value))
        if rest:
            fields[head] = drop(fields[head], rest)
        else:
            del fields[head]
        return fields
    if isinstance(value, list) and isinstance(head, int) and head < len(cast(list[Any], value)):
        items = list(cast(list[Any], value))
        if rest:
            items[head] = drop(items[head], rest)
        else:
            del items[head]
        return items
    return cast(Any, value)
