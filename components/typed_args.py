"""The config's types as argument types of a component plugin, from which Pulumi makes the schema for every language."""

from __future__ import annotations

import types
from datetime import date
from functools import cache
from typing import Annotated, Any, Literal, NotRequired, TypedDict, Union, cast, get_args, get_origin, get_type_hints

import msgspec


@cache
def typed_args(struct: type[msgspec.Struct]) -> Any:
    """A TypedDict `<name>Args` with the wire names of the struct's fields; a field with a default need not be given."""
    return typed_dict(f"{struct.__name__}Args", struct.__doc__, fields(struct))


def fields(struct: type[msgspec.Struct]) -> dict[str, Any]:
    hints = get_type_hints(struct, include_extras=True)
    found: dict[str, Any] = {}
    for field in msgspec.structs.fields(struct):
        kind = _plain(hints[field.name])
        found[field.encode_name] = kind if field.required else NotRequired[kind]
    return found


def typed_dict(name: str, doc: str | None, fields: dict[str, Any]) -> Any:
    make: Any = TypedDict
    made: Any = make(name, fields)
    made.__doc__, made.__module__ = doc, __name__
    return made


def _plain(hint: Any) -> Any:
    """In the kinds that a schema knows: tuples are lists, dates and choices are text, what may be None is left out."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _plain(args[0])
    if origin in (Union, types.UnionType):
        return _plain(next(arg for arg in args if arg is not type(None)))
    if origin is Literal or hint is date:
        return str
    if origin in (tuple, list):
        return list[_plain(args[0])]
    if origin is dict:
        return dict[str, _plain(args[1])]
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return typed_args(hint)
    return cast(Any, hint)


def plain_values(value: Any) -> Any:
    """Numbers as the config has them: over the wire every number is a float."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: plain_values(item) for key, item in value.items()}  # pyright: ignore
    if isinstance(value, list):
        return [plain_values(item) for item in value]  # pyright: ignore
    return value
