"""A resource's properties as plain data, in which a value that is known only after the update is a sentinel text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

from pulumi_policy import proxy

UNKNOWN: Final = proxy.UNKNOWN_STRING_VALUE
_UNKNOWN: Final = frozenset(
    {
        proxy.UNKNOWN_ARCHIVE_VALUE,
        proxy.UNKNOWN_ARRAY_VALUE,
        proxy.UNKNOWN_ASSET_VALUE,
        proxy.UNKNOWN_BOOLEAN_VALUE,
        proxy.UNKNOWN_NUMBER_VALUE,
        proxy.UNKNOWN_OBJECT_VALUE,
        proxy.UNKNOWN_STRING_VALUE,
    }
)


def plain(value: Any) -> Any:
    """Without the SDK's proxies, which refuse to be read where something is unknown. Whole numbers are ints."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in raw(cast(Mapping[Any, Any], value)).items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        sequence = cast(Any, value)
        return [plain(item) for item in (sequence if isinstance(value, list | tuple) else sequence["__target"])]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def raw(properties: Mapping[Any, Any]) -> dict[Any, Any]:
    """Without the outermost of the SDK's proxies: what is unknown or secret stays as it came."""
    inner: Any = properties if isinstance(properties, dict) else properties["__target"]
    return dict(inner)


def is_unknown(value: object) -> bool:
    return isinstance(value, str) and value in _UNKNOWN


def at(value: Any, path: str) -> Any:
    """What is at `a.b.c`; None where nothing is, unknown where something on the way is. A list is entered at its only item."""
    for step in path.split("."):
        if is_unknown(value):
            return UNKNOWN
        if isinstance(value, list):
            several = cast(list[Any], value)
            value = several[0] if len(several) == 1 else None
        value = mapping(value).get(step)
    return value


def may_be(value: Any, *wanted: Any) -> bool:
    """Whether it is one of those, or not known yet: what is judged is judged again when it is."""
    return is_unknown(value) or any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in wanted)


def listed(value: Any) -> list[Any]:
    """The known items of a list; a single value counts as a list of it."""
    if value is None or is_unknown(value):
        return []
    items = cast(list[Any], value) if isinstance(value, list) else [value]
    return [item for item in items if not is_unknown(item)]


def mappings(value: Any) -> Iterator[dict[str, Any]]:
    """The objects of a list of them."""
    for item in listed(value):
        if isinstance(item, dict):
            yield mapping(item)


def mapping(value: Any) -> dict[str, Any]:
    """The object, or an empty one where there is none, or none that is known."""
    return cast(dict[str, Any], value) if isinstance(value, dict) else {}


def texts(value: Any) -> list[str]:
    return [item for item in listed(value) if isinstance(item, str)]


def number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def every(value: Any, path: str) -> Iterator[Any]:
    """All known values at `a.b.c`, where any of them may be lists."""
    head, _, rest = path.partition(".")
    for item in mappings(value):
        for found in listed(item.get(head)):
            if rest:
                yield from every(found, rest)
            else:
                yield found
