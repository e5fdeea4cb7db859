"""Property values: plain Python data plus `Unknown` and `Secret`; their protobuf and their state-file forms.

Assets, archives and resource references stay dicts that carry Pulumi's signature key: nothing here looks into them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

import msgspec
from google.protobuf import struct_pb2

SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"
OUTPUT_VALUE: Final = "d0e6a833031e9bbcd3f4e8bde6ca49a4"

UNKNOWN: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""The sentinel for an unknown string, which stands for an unknown value of any type."""
_UNKNOWNS = frozenset(
    {
        UNKNOWN,
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",  # bool
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",  # number
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",  # array
        "030794c1-ac77-496b-92df-f27374a8bd58",  # asset
        "e48ece36-62e2-4504-bad9-02848725956a",  # archive
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",  # object
    }
)


class _Unknown:
    """Known only after the update."""

    _instance: _Unknown | None = None

    def __new__(cls) -> _Unknown:
        if cls._instance is None:
            cls._instance = super().__new__(cls)
        return cls._instance

    def __repr__(self) -> str:
        return "Unknown"


Unknown: Final = _Unknown()


@dataclass(frozen=True)
class Secret:
    value: Any

    def __repr__(self) -> str:
        return "Secret(…)"


Value: TypeAlias = Any
"""None, bool, int, float, str, list[Value], dict[str, Value], Unknown or Secret."""
Properties: TypeAlias = dict[str, Any]


def from_struct(struct: struct_pb2.Struct) -> Properties:
    return {key: _from_value(value) for key, value in struct.fields.items()}


def _from_value(value: struct_pb2.Value) -> Value:
    match value.WhichOneof("kind"):
        case "string_value":
            text = value.string_value
            return Unknown if text in _UNKNOWNS else text
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() and abs(number) < 2**53 else number
        case "bool_value":
            return value.bool_value
        case "list_value":
            return [_from_value(item) for item in value.list_value.values]
        case "struct_value":
            return _from_signed(from_struct(value.struct_value))
        case _:
            return None


def _from_signed(fields: Properties) -> Value:
    match fields.get(SIGNATURE):
        case str(sig) if sig == SECRET:
            return Secret(fields.get("value"))
        case str(sig) if sig == OUTPUT_VALUE:
            inner = fields.get("value", Unknown)
            return Secret(inner) if fields.get("secret") is True else inner
        case _:
            return fields


def to_struct(properties: Mapping[str, Value]) -> struct_pb2.Struct:
    struct = struct_pb2.Struct()
    for key, value in properties.items():
        _fill(struct.fields[key], value)
    return struct


def _fill(target: struct_pb2.Value, value: Value) -> None:
    if value is None:
        target.null_value = struct_pb2.NULL_VALUE
    elif value is Unknown:
        target.string_value = UNKNOWN
    elif isinstance(value, bool):
        target.bool_value = value
    elif isinstance(value, int | float):
        target.number_value = value
    elif isinstance(value, str):
        target.string_value = value
    elif isinstance(value, Secret):
        fields = target.struct_value.fields
        fields[SIGNATURE].string_value = SECRET
        _fill(fields["value"], value.value)
    elif isinstance(value, Mapping):
        target.struct_value.SetInParent()
        for key, item in cast(Mapping[str, Value], value).items():
            _fill(target.struct_value.fields[key], item)
    else:
        target.list_value.SetInParent()
        for item in cast(Iterable[Value], value):
            _fill(target.list_value.values.add(), item)


def to_state(value: Value, encrypt: Callable[[str], str]) -> Any:
    """As Pulumi writes it: a secret is the JSON text of its value, encrypted."""
    if value is Unknown:
        return UNKNOWN
    if isinstance(value, Secret):
        plain = to_state(value.value, lambda text: text)
        return {SIGNATURE: SECRET, "ciphertext": encrypt(msgspec.json.encode(plain).decode())}
    if isinstance(value, Mapping):
        return {key: to_state(item, encrypt) for key, item in cast(Mapping[str, Value], value).items()}
    if isinstance(value, list | tuple):
        return [to_state(item, encrypt) for item in cast(Iterable[Value], value)]
    return value


def from_state(value: Any, decrypt: Callable[[str], str]) -> Value:
    if isinstance(value, dict):
        fields = cast(dict[str, Any], value)
        if fields.get(SIGNATURE) == SECRET:
            if "plaintext" in fields:
                return Secret(from_state(msgspec.json.decode(fields["plaintext"]), decrypt))
            return Secret(from_state(msgspec.json.decode(decrypt(fields["ciphertext"])), lambda text: text))
        return {key: from_state(item, decrypt) for key, item in fields.items()}
    if isinstance(value, list):
        return [from_state(item, decrypt) for item in cast(list[Any], value)]
    if isinstance(value, str) and value in _UNKNOWNS:
        return Unknown
    return value


def plain(value: Value) -> Value:
    """Without secret marks. Unknowns stay."""
    if isinstance(value, Secret):
        return plain(value.value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in cast(Properties, value).items()}
    if isinstance(value, list):
        return [plain(item) for item in cast(list[Value], value)]
    return value


def masked(value: Value, *, reveal: bool = False) -> Any:
    """What may be shown: `[secret]` and `[unknown]` in their places."""
    if value is Unknown:
        return "[unknown]"
    if isinstance(value, Secret):
        return masked(value.value, reveal=reveal) if reveal else "[secret]"
    if isinstance(value, dict):
        return {key: masked(item, reveal=reveal) for key, item in cast(Properties, value).items()}
    if isinstance(value, list):
        return [masked(item, reveal=reveal) for item in cast(list[Value], value)]
    return value


def has_unknown(value: Value) -> bool:
    return _any(value, lambda leaf: leaf is Unknown)


def has_secret(value: Value) -> bool:
    return _any(value, lambda leaf: isinstance(leaf, Secret))


def _any(value: Value, test: Callable[[Value], bool]) -> bool:
    if test(value):
        return True
    if isinstance(value, Secret):
        return _any(value.value, test)
    if isinstance(value, dict):
        return any(_any(item, test) for item in cast(Properties, value).values())
    if isinstance(value, list):
        return any(_any(item, test) for item in cast(list[Value], value))
    return False


def mark_like(value: Value, marked: Value) -> Value:
    """`value` with secret marks in the places where `marked` (of about the same shape) has them."""
    if isinstance(value, Secret):
        return value
    if isinstance(marked, Secret):
        return Secret(value)
    if isinstance(value, dict) and isinstance(marked, dict):
        marks = cast(Properties, marked)
        return {
            key: mark_like(item, marks[key]) if key in marks else item for key, item in cast(Properties, value).items()
        }
    if isinstance(value, list) and isinstance(marked, list):
        items, marks = cast(list[Value], value), cast(list[Value], marked)
        if len(items) == len(marks):
            return [mark_like(item, mark) for item, mark in zip(items, marks, strict=True)]
        # Which item moved where is not known: all of it is secret.
        return Secret(items) if has_secret(marks) else items
    return cast(Any, value)
