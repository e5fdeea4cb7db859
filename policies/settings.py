"""What counts in which stack: one YAML file an environment, and one with the exemptions, in one directory.

    stacks: ["dev-*"]            # names of stacks, * stands for any text
    rules:
      gpu-types: {level: mandatory, allowed: [T4, L4]}
      image-digest-pinned: {level: disabled}

A stack that no file names has that of `default.yaml`, or the rules' own defaults.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import msgspec
import yaml

from policies.exemptions import Exemption, Exemptions
from policies.rule import Level, ResourceRule, Rule, Settings

EXEMPTIONS = "exemptions.yaml"
DEFAULT = "default.yaml"


class SettingsError(Exception):
    """The message names the file, the field and the remedy."""


@dataclass(frozen=True)
class Configured:
    """A rule as it counts in a stack."""

    rule: Rule
    level: Level
    settings: Settings


class _Environment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    stacks: tuple[str, ...] = ()
    rules: dict[str, dict[str, Any]] = {}


class _Exemptions(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    exemptions: tuple[Exemption, ...] = ()
    max_days: int = 180


def load(directory: Path, stack: str, rules: Mapping[str, Rule]) -> list[Configured]:
    """Raises SettingsError, also for what is wrong in the files of other stacks."""
    found: dict[str, list[Configured]] = {}
    for path in sorted(directory.glob("*.yaml")):
        if path.name == EXEMPTIONS:
            continue
        environment = _read(path, _Environment)
        configured = _configure(path, environment.rules, rules)
        named = any(fnmatchcase(stack, pattern) for pattern in environment.stacks)
        if named or (path.name == DEFAULT and not environment.stacks):
            found[path.name] = configured
        elif not environment.stacks:
            raise SettingsError(f"{path}: stacks is missing: name the stacks it is for, such as {path.stem}-*")
    named_by = [name for name in found if name != DEFAULT]
    if len(named_by) > 1:
        raise SettingsError(
            f"{directory}: stack {stack!r} is named by {' and '.join(named_by)}: leave it in one of them"
        )
    return found.get(named_by[0] if named_by else DEFAULT) or _configure(directory, {}, rules)


def load_exemptions(directory: Path, rules: Iterable[str], today: date) -> Exemptions:
    path = directory / EXEMPTIONS
    if not path.is_file():
        return Exemptions((), today)
    document = _read(path, _Exemptions)
    known = list(rules)
    for index, exemption in enumerate(document.exemptions):
        where = f"{path}: exemptions[{index}]"
        if exemption.rule not in known:
            raise SettingsError(f"{where}.rule: {_unknown(exemption.rule, known)}")
        days = (exemption.expires - today).days
        if days > document.max_days:
            raise SettingsError(
                f"{where}.expires: {exemption.expires} is {days} days away, at most {document.max_days} are allowed "
                "(maxDays): choose an earlier day, and renew it then"
            )
    return Exemptions(document.exemptions, today)


def _configure(path: Path, given: Mapping[str, dict[str, Any]], rules: Mapping[str, Rule]) -> list[Configured]:
    for name in given:
        if name not in rules:
            raise SettingsError(f"{path}: rules: {_unknown(name, list(rules))}")
    return [_one(path, rule, given.get(name) or {}) for name, rule in rules.items()]


def _one(path: Path, rule: Rule, given: Mapping[str, Any]) -> Configured:
    where = f"{path}: rules.{rule.name}"
    fields = {key: value for key, value in given.items() if key != "level"}
    named = given.get("level", rule.level.value)
    if named not in list(Level):
        raise SettingsError(f"{where}.level: {named!r} is none of {', '.join(Level)}")
    level = Level(named)
    try:
        settings = msgspec.convert(fields, rule.settings)
    except msgspec.ValidationError as error:
        raise SettingsError(f"{where}: {_explained(error)}{_fields(rule)}") from error
    if level is Level.REMEDIATE and not (isinstance(rule, ResourceRule) and rule.mend):
        raise SettingsError(f"{where}.level: it has no remediation; say mandatory or advisory")
    return Configured(rule, level, settings)


def _fields(rule: Rule) -> str:
    known = ["level", *(field.encode_name for field in msgspec.structs.fields(rule.settings))]
    return f"; it takes {', '.join(known)}"


def _unknown(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"the rules are: {', '.join(sorted(known))}"
    return f"there is no rule {name!r}; {hint}"


def _read(path: Path, kind: type[Any]) -> Any:
    try:
        document: Any = yaml.safe_load(path.read_text()) or {}
        return msgspec.convert(document, kind)
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise SettingsError(f"{path} is no YAML: {' '.join(str(error).split())}") from error
    except msgspec.ValidationError as error:
        raise SettingsError(f"{path}: {_explained(error)}") from error


def _explained(error: msgspec.ValidationError) -> str:
    """msgspec's `… - at `$.exemptions[0].owner`` with the path first."""
    text, _, where = str(error).partition(" - at `$")
    return f"{where.strip('.`')}: {text}" if where else text
