"""Configuration that is given for one run (`--config key=value`), as `pulumi config set --path` takes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import yaml

from footplate.engine import paths
from footplate.engine.errors import ConfigInvalid
from footplate.engine.project.manifest import Project
from footplate.engine.project.schema import Field

_STRUCTURED = ("array", "object")


def overriding(project: Project, overrides: Mapping[str, str], raw: Mapping[str, Any]) -> dict[str, Any]:
    """By qualified key. Text for a list or an object is JSON or YAML; `teams[0].name` changes a part of what `raw` has.

    Raises ConfigInvalid.
    """
    fields = {field.name: field for field in project.fields}
    found: dict[str, Any] = {}
    for key, text in overrides.items():
        name, path = _split(project.qualified(key), fields)
        field = fields.get(name)
        secret = field is not None and field.secret
        if path:
            found[name] = _put(key, found.get(name, raw.get(name)), path, _read(key, text, secret))
        elif field is not None and field.type in _STRUCTURED:
            found[name] = _read(key, text, secret)
        else:
            found[name] = text
    return found


def _split(name: str, fields: Mapping[str, Field]) -> tuple[str, paths.Path]:
    """A key that is declared, or not a path, is one as it is."""
    namespace, _, key = name.partition(":")
    if name in fields or not any(sign in key for sign in ".["):
        return name, ()
    head, *rest = paths.parse(key)
    whole = f"{namespace}:{head}"
    return (whole, tuple(rest)) if whole in fields else (name, ())


def _read(key: str, text: str, secret: bool) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        shown = "its value" if secret else repr(text)
        raise ConfigInvalid(
            f"--config {key}: {shown} is neither JSON nor YAML",
            f'quote it for the shell, such as --config \'{key}={{"name": "value"}}\'',
        ) from error


def _put(key: str, value: Any, path: paths.Path, new: Any) -> Any:
    """The index after a list's last adds to it."""
    for end, part in enumerate(path):
        if not isinstance(part, int):
            continue
        found = paths.get(value, path[:end])
        items: list[Any] = cast(list[Any], found) if isinstance(found, list) else []
        if part == len(items) and found in (None, items):
            return paths.put(value, path[:end], [*items, paths.put(None, path[end + 1 :], new)])
        if part >= len(items):
            raise ConfigInvalid(
                f"--config {key}: the list has no {paths.text((part,))}", "give an index that it has, or the whole list"
            )
    return paths.put(value, path, new)
