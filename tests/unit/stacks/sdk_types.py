"""Checks a resource's inputs against the types of the installed SDK: names, types, what is required, enums.

The SDK's own runtime does not: it sends what it is given, and the provider refuses it in the middle of an update.
"""

from __future__ import annotations

import enum
import functools
import importlib
import inspect
import json
import re
import typing
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from inspect import Parameter, signature
from pathlib import Path
from typing import Any, ForwardRef, Union, get_args, get_origin

import pulumi
from pulumi import _types

from footplate.engine.values import Secret, Unknown

SDKS = {"aws": "pulumi_aws", "gcp": "pulumi_gcp", "kubernetes": "pulumi_kubernetes"}
#: What the SDKs and the engine add to inputs by themselves.
_ADDED = {"kubernetes": {"apiVersion", "kind", "compat"}}
PROVIDER_ADDED = {"version", "__internal"}


@functools.cache
def _classes(package: str) -> dict[str, tuple[str, str]]:
    """Type token → module and class, as the SDK registers them."""
    module = importlib.import_module(SDKS[package])
    assert module.__file__ is not None
    registered = re.search(r'resource_modules="""\s*(\[.*?\])\s*"""', Path(module.__file__).read_text(), re.DOTALL)
    assert registered is not None
    rows = json.loads(registered[1])
    return {token: (row["fqn"], name) for row in rows for token, name in row["classes"].items()}


@functools.cache
def args_of(token: str) -> type[Any] | None:
    """The class of a resource's arguments; None for types that no SDK has, such as custom resources."""
    if token.startswith("pulumi:providers:"):
        return vars(importlib.import_module(f"{SDKS[token.rpartition(':')[2]]}.provider"))["ProviderArgs"]
    package = token.split(":")[0]
    if package not in SDKS or token not in _classes(package):
        return None
    module, name = _classes(package)[token]
    found = importlib.import_module(module)
    return getattr(found, f"{name}InitArgs", None) or getattr(found, f"{name}Args")


def problems(token: str, inputs: Mapping[str, Any]) -> list[str]:
    """Sentences that begin with the property's path."""
    kind = args_of(token)
    if kind is None:
        return []
    if token.startswith("pulumi:"):
        return list(_struct(_provider_inputs(inputs, kind), kind, ""))
    added = _ADDED.get(token.split(":")[0], set())
    return list(_struct({k: v for k, v in inputs.items() if k not in added}, kind, ""))


def _provider_inputs(inputs: Mapping[str, Any], kind: type[Any]) -> dict[str, Any]:
    """A provider's inputs are sent as JSON where they are no text."""
    fields = _fields(kind)
    return {
        name: json.loads(value)
        if isinstance(value, str) and name in fields and str not in _options(fields[name])
        else value
        for name, value in inputs.items()
        if name not in PROVIDER_ADDED
    }


@functools.cache
def _fields(kind: type[Any]) -> dict[str, Any]:
    """Property → its type."""
    names = _types.input_type_py_to_pulumi_names(kind)
    scope = {"Output": pulumi.Output, "T": typing.TypeVar("T")}
    found: dict[str, Any] = {}
    for python_name, name in names.items():
        getter = next(vars(base)[python_name] for base in kind.__mro__ if python_name in vars(base))
        found[name] = typing.get_type_hints(getter.fget, localns=scope)["return"]
    return found


@functools.cache
def _required(kind: type[Any]) -> set[str]:
    names = _types.input_type_py_to_pulumi_names(kind)
    parameters = list(signature(kind.__init__).parameters.values())[1:]
    return {names[p.name] for p in parameters if p.default is Parameter.empty and p.name in names}


def _struct(value: Mapping[str, Any], kind: type[Any], path: str) -> Iterator[str]:
    fields = _fields(kind)
    for name in sorted(_required(kind) - value.keys()):
        yield f"{path}.{name}: is required and missing"
    for given, item in value.items():
        # `x-kubernetes-…` of a CRD's schema has underscores in the SDK.
        name = given.replace("-", "_") if given.startswith("x-kubernetes-") else given
        if name not in fields:
            yield f"{path}.{name}: {kind.__name__} has no such property"
            continue
        yield from _value(item, fields[name], f"{path}.{name}")
        legal = documented(kind).get(name)
        if legal and isinstance(item, str) and item not in legal:
            yield f"{path}.{name}: {item!r} is none of the documented {', '.join(legal)}"


@functools.cache
def documented(kind: type[Any]) -> dict[str, list[str]]:
    """Property → its legal values, where the SDK has them in its documentation alone ("Possible values are: `A`, `B`")."""
    names = _types.input_type_py_to_pulumi_names(kind)
    found: dict[str, list[str]] = {}
    for entry in re.split(r"\n:param ", inspect.getdoc(kind.__init__) or "")[1:]:
        match = re.match(r"(?:pulumi\.Input\[.*?\]|\S+) (\w+): (?P<text>.*)", entry, re.DOTALL)
        listed = re.search(r"Possible values are: (`[^`]+`(?:,\s*`[^`]+`)*)\s*\.", match["text"]) if match else None
        if match and listed and match[1] in names:
            found[names[match[1]]] = re.findall(r"`([^`]+)`", listed[1])
    return found


def _value(value: Any, hint: Any, path: str) -> Iterator[str]:
    if isinstance(value, Secret):
        value = value.value
    if value is None or value is Unknown:
        return
    options = [option for option in _options(hint) if option is not type(None)]
    if Any in options or not options:
        return
    enums = [option for option in options if isinstance(option, type) and issubclass(option, enum.Enum)]
    if enums and isinstance(value, str | int | float):
        legal = [member.value for option in enums for member in option]
        if value not in legal:
            yield f"{path}: {value!r} is none of {legal}"
        return
    tried = [list(_one(value, option, path)) for option in options]
    if all(tried):
        yield from min(tried, key=len)


def _options(hint: Any) -> list[Any]:
    """Alternatives of a type, without what only says that the value may come later."""
    origin = get_origin(hint)
    if origin is Union or str(origin) == "<class 'types.UnionType'>":
        return [part for option in get_args(hint) for part in _options(option)]
    if origin in (Awaitable, pulumi.Output) or hint is pulumi.Output:
        return []
    return [] if isinstance(hint, ForwardRef | typing.TypeVar) or typing.is_typeddict(hint) else [hint]


def _one(value: Any, option: Any, path: str) -> Iterator[str]:
    origin = get_origin(option)
    if origin in (Sequence, list) or option in (Sequence, list):
        if not isinstance(value, list):
            yield f"{path}: is {_shown(value)}, not a list"
            return
        for index, item in enumerate(value):
            yield from _value(item, get_args(option)[0], f"{path}[{index}]")
    elif origin in (Mapping, dict) or option in (Mapping, dict):
        if not isinstance(value, dict):
            yield f"{path}: is {_shown(value)}, not a mapping"
            return
        for key, item in value.items():
            yield from _value(item, get_args(option)[1] if get_args(option) else Any, f"{path}.{key}")
    elif _types.is_input_type(option):
        if not isinstance(value, dict):
            yield f"{path}: is {_shown(value)}, not {option.__name__}"
        else:
            yield from _struct(value, option, path)
    elif isinstance(option, type) and issubclass(option, pulumi.Asset | pulumi.Archive):
        return
    elif not _scalar(value, option):
        yield f"{path}: is {_shown(value)}, not {getattr(option, '__name__', option)}"


def _scalar(value: Any, option: Any) -> bool:
    if option is bool:
        return isinstance(value, bool)
    if option is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if option is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(option, type) and isinstance(value, option)


def _shown(value: Any) -> str:
    return f"{type(value).__name__} {str(value)[:60]!r}"
