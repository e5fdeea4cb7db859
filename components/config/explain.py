"""msgspec's refusals as sentences that name path, value and remedy."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, cast, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct

_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "str": "text (in quotes where YAML takes it for something else)",
    "bool": "true or false",
    "array": "a list",
    "object": "a mapping of fields to values",
}


def explain(message: str, raw: Mapping[str, Any], root: type[Struct]) -> str:
    """`message`: as msgspec words it, `… - at `$.teams[0].quota``."""
    text, _, place = message.partition(" - at ")
    path = place.partition("$")[2].strip("`.")
    steps = _named(raw, root, re.findall(r"[A-Za-z]\w*|\[\d+\]|\[\.\.\.\]", path))
    where = (
        f"footplate:{''.join(step if step[0] == '[' else f'.{step}' for step in steps)[1:]}" if path else "footplate"
    )
    hints, value = _hints_at(root, steps), _value_at(raw, steps)
    if place.startswith("`key`"):
        hints, value = [_key(hints[-1])], _misfit(value, _key(hints[-1]))
    if found := re.search(r"unknown field `(?P<name>[^`]+)`", text):
        known = _fields(_struct_in(hints[-1]))
        return f"{where}: there is no field {found['name']!r}; {suggestion(found['name'], known)}"
    if found := re.search(r"missing required field `(?P<name>[^`]+)`", text):
        return f"{where}: {found['name']!r} is missing: add it"
    if text.startswith("Invalid enum value"):
        known = [str(option) for option in _options(hints[-1])]
        return f"{where}: there is no {value!r}; {suggestion(str(value), known)}"
    return f"{where}: expected {_expected(text, hints[-1])}, not {_shown(value)}"


def suggestion(given: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(given, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"


def _expected(text: str, hint: Any) -> str:
    if found := re.match(r"Expected `(?P<types>[^`]+)`, got", text):
        return " or ".join(_TYPES.get(name, name) for name in found["types"].split(" | ") if name != "null")
    if described := _description(hint):
        return described
    if text.startswith("Invalid"):
        return "a date such as 2027-06-30"
    return text.removeprefix("Expected ").replace("`", "")


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return "a mapping"
    if value is None:
        return "nothing"
    return "a list" if isinstance(value, list) else repr(value)


def _named(raw: Mapping[str, Any], root: type[Struct], steps: Sequence[str]) -> list[str]:
    """msgspec's `[...]`, which stands for some key of a mapping, as that key."""
    found: list[str] = []
    for step in steps:
        if step != "[...]":
            found.append(step)
            continue
        item = _item(_hints_at(root, found)[-1])
        values: Mapping[str, Any] = _value_at(raw, found)
        found.append(next((key for key, value in values.items() if _misfit([value], item) is not None), step))
    return found


def _misfit(values: Iterable[Any], hint: Any) -> Any:
    """The first that is not of the type; of a mapping, the first such key."""
    for value in values:
        try:
            msgspec.convert(value, hint)
        except msgspec.ValidationError:
            return value
    return None


def _key(hint: Any) -> Any:
    return next((get_args(part)[0] for part in _parts(hint) if get_origin(part) is dict), str)


def _hints_at(root: type[Struct], steps: Sequence[str]) -> list[Any]:
    """The type at each step of the path, the root's first."""
    hints: list[Any] = [root]
    for step in steps:
        hint = hints[-1]
        if step.startswith("[") or _key_of_mapping(hint):
            hints.append(_item(hint))
            continue
        owner = _struct_in(hint)
        fields = {field.encode_name: field.name for field in msgspec.structs.fields(owner)} if owner else {}
        if owner is None or step not in fields:
            return hints
        hints.append(get_type_hints(owner, include_extras=True)[fields[step]])
    return hints


def _key_of_mapping(hint: Any) -> bool:
    return any(get_origin(part) is dict for part in _parts(hint))


def _item(hint: Any) -> Any:
    """Of a tuple, or of a dict's values."""
    for part in _parts(hint):
        origin, args = get_origin(part), get_args(part)
        if origin is tuple:
            return args[0]
        if origin is dict:
            return args[1]
    return hint


def _parts(hint: Any) -> list[Any]:
    """The alternatives of a union, without annotations."""
    if get_origin(hint) is Annotated:
        return _parts(get_args(hint)[0])
    if get_origin(hint) in (tuple, dict, Literal) or isinstance(hint, type):
        return [hint]
    return [part for alternative in get_args(hint) for part in _parts(alternative)]


def _struct_in(hint: Any) -> type[Struct] | None:
    return next((part for part in _parts(hint) if isinstance(part, type) and issubclass(part, Struct)), None)


def _fields(owner: type[Struct] | None) -> list[str]:
    return [field.encode_name for field in msgspec.structs.fields(owner)] if owner is not None else []


def _options(hint: Any) -> list[Any]:
    return [option for part in _parts(hint) if get_origin(part) is Literal for option in get_args(part)]


def _description(hint: Any) -> str:
    """The innermost annotation's that has one."""
    if get_origin(hint) is Annotated:
        inner, *metas = get_args(hint)
        own = [meta.description for meta in metas if isinstance(meta, Meta) and meta.description]
        return own[-1] if own else _description(inner)
    found = [described for part in get_args(hint) if (described := _description(part))]
    return found[0] if found and get_origin(hint) not in (tuple, dict) else ""


def _value_at(raw: Any, steps: Sequence[str]) -> Any:
    value = raw
    for step in steps:
        if isinstance(value, Mapping):
            value = cast(Mapping[str, Any], value).get(step)
        elif isinstance(value, list | tuple) and step.startswith("[") and step != "[...]":
            value = cast(Sequence[Any], value)[int(step[1:-1])]
        else:
            return None
    return value
