"""The schema that `config:` in Pulumi.yaml gives: each key's type, default and secrecy.

Short forms as Pulumi reads them: `size: 3` is a default for a key of the project, `aws:region: eu-west-1` a value.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from footplate.engine.errors import ProjectInvalid

TYPES: Final = ("string", "boolean", "integer", "number", "array", "object")


@dataclass(frozen=True)
class Items:
    """What an array holds."""

    type: str
    items: Items | None = None


@dataclass(frozen=True)
class Field:
    """`name` has its namespace: `<project>:<key>`, or `aws:region`."""

    name: str
    type: str | None = None
    items: Items | None = None
    description: str = ""
    secret: bool = False
    default: Any = None
    """The default, or the fixed value that Pulumi.yaml gives; None: there is none."""
    required: bool = True


def read_fields(path: Path, project: str, config: Any) -> tuple[Field, ...]:
    if config is None:
        return ()
    if not isinstance(config, dict):
        raise ProjectInvalid(f"{path}: config is no mapping of keys to types")
    return tuple(_field(path, project, str(key), value) for key, value in cast(dict[Any, Any], config).items())


def _field(path: Path, project: str, key: str, declared: Any) -> Field:
    name = key if ":" in key else f"{project}:{key}"
    if not isinstance(declared, dict):
        return Field(name, default=declared, required=False)
    fields = cast(dict[str, Any], declared)
    unknown = sorted(set(fields) - {"type", "items", "description", "secret", "default", "value"})
    if unknown:
        raise ProjectInvalid(f"{path}: config.{key} has {unknown[0]!r}, which Pulumi does not know")
    default = fields.get("default", fields.get("value"))
    kind = fields.get("type")
    if kind is not None and kind not in TYPES:
        raise ProjectInvalid(f"{path}: config.{key} is of type {kind!r}; the types are {', '.join(TYPES)}")
    field = Field(
        name,
        kind,
        _items(path, key, fields.get("items")),
        str(fields.get("description") or ""),
        bool(fields.get("secret")),
        default,
        # Pulumi asks a stack for a value of the project's own keys alone.
        required=default is None and name.startswith(f"{project}:"),
    )
    wrong = mismatch(field, default) if default is not None else None
    if wrong:
        raise ProjectInvalid(f"{path}: the default of config.{key} {wrong}")
    return field


def _items(path: Path, key: str, declared: Any) -> Items | None:
    if declared is None:
        return None
    fields: dict[str, Any] = cast(dict[str, Any], declared) if isinstance(declared, dict) else {}
    if fields.get("type") not in TYPES:
        raise ProjectInvalid(f"{path}: config.{key}.items has no type of {', '.join(TYPES)}")
    return Items(fields["type"], _items(path, key, fields.get("items")))


def type_name(type: str, items: Items | None) -> str:
    return f"array<{type_name(items.type, items.items)}>" if type == "array" and items else type


def mismatch(field: Field, value: Any) -> str | None:
    """Why `value` is not of the field's type, as the end of a sentence."""
    if field.type is None:
        return None
    return _mismatch(field.type, field.items, value, "")


def _mismatch(type: str, items: Items | None, value: Any, where: str) -> str | None:
    if not _fits(type, value):
        return f"must be of type {type_name(type, items)}{where}, not {_describe(value)}"
    if type == "array" and items is not None:
        for index, item in enumerate(cast(list[Any], value)):
            wrong = _mismatch(items.type, items.items, item, f" at [{index}]")
            if wrong:
                return wrong
    return None


def _fits(type: str, value: Any) -> bool:
    """Text that reads as the type counts too: stack files and `pulumi config set` quote."""
    match type:
        case "string":
            return isinstance(value, str | int | float)
        case "boolean":
            return isinstance(value, bool) or value in ("true", "false")
        case "integer":
            return _number(value, int)
        case "number":
            return _number(value, float)
        case "array":
            return isinstance(value, list)
        case _:
            return isinstance(value, dict)


def _number(value: Any, kind: type[int] | type[float]) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(value, str):
        try:
            kind(value)
        except ValueError:
            return False
        return True
    return isinstance(value, int) or (kind is float and isinstance(value, float))


def _describe(value: Any) -> str:
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    return repr(value)
