"""A policy pack's configuration from a file (`--policy-pack-config`), in Pulumi's form:

    {"all": "mandatory", "gpu-types": {"enforcementLevel": "advisory", "allowed": ["L4"]}}

Source: https://www.pulumi.com/docs/insights/policy/policy-packs/configuration/
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from pulumi.runtime.proto import analyzer_pb2

from footplate.engine.errors import ConfigInvalid
from footplate.engine.values import to_struct

ALL = "all"
_LEVEL = "enforcementLevel"


def paired(packs: Sequence[Path], configs: Sequence[Path]) -> list[tuple[Path, Path | None]]:
    """Each pack with its file, in the order given, as the Pulumi CLI pairs them."""
    if configs and len(configs) != len(packs):
        raise ConfigInvalid(
            f"--policy-pack-config is given {len(configs)} times and --policy-pack {len(packs)} times",
            "give one file for each pack, in the same order",
        )
    return list(zip(packs, configs or [None] * len(packs), strict=True))


def read(path: Path) -> dict[str, dict[str, Any]]:
    """By policy, `all` among them. Raises ConfigInvalid."""
    try:
        document: Any = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise ConfigInvalid(f"--policy-pack-config: there is no file {path}") from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ConfigInvalid(f"--policy-pack-config: {path} cannot be read as JSON: {error}") from error
    if not isinstance(document, dict):
        raise ConfigInvalid(f"--policy-pack-config: {path} is no object of policies")
    return {name: _one(path, name, value) for name, value in cast(dict[str, Any], document).items()}


def _one(path: Path, name: str, value: Any) -> dict[str, Any]:
    fields: Any = {_LEVEL: value} if isinstance(value, str) else value
    if not isinstance(fields, dict):
        raise ConfigInvalid(f"{path}: {name} is neither a level nor an object")
    known = [name.lower() for name, _ in analyzer_pb2.EnforcementLevel.items()]
    found = cast(dict[str, Any], fields)
    if _LEVEL in found and found[_LEVEL] not in known:
        raise ConfigInvalid(f"{path}: {name}.{_LEVEL} is {found[_LEVEL]!r}", f"the levels are: {', '.join(known)}")
    return found


def reconciled(path: Path, given: Mapping[str, Mapping[str, Any]], info: Any) -> dict[str, Any]:
    """What the pack is configured with: its own initial configuration, and over it what is given. `info`: AnalyzerInfo."""
    policies = {policy.name: policy for policy in info.policies}
    for name in given:
        if name != ALL and name not in policies:
            near = difflib.get_close_matches(name, list(policies), 1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has: {', '.join(sorted(policies))}"
            raise ConfigInvalid(f"{path}: pack {info.name} has no policy {name!r}", hint)
    found: dict[str, Any] = {}
    for name, policy in policies.items():
        config = analyzer_pb2.PolicyConfig(enforcementLevel=policy.enforcementLevel)
        for known in (ALL, name):
            if known in info.initialConfig:
                config.MergeFrom(info.initialConfig[known])
                config.enforcementLevel = info.initialConfig[known].enforcementLevel
        for part in (given.get(ALL, {}), given.get(name, {})):
            _apply(path, config, part, policy)
        found[name] = config
    return found


def _apply(path: Path, config: Any, given: Mapping[str, Any], policy: Any) -> None:
    if _LEVEL in given:
        config.enforcementLevel = analyzer_pb2.EnforcementLevel.Value(given[_LEVEL].upper())
    own = {name: value for name, value in given.items() if name != _LEVEL}
    known = list(policy.configSchema.properties)
    for name in own:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"it has: {', '.join([_LEVEL, *known])}"
            raise ConfigInvalid(f"{path}: policy {policy.name} has no setting {name!r}", hint)
    for name, value in to_struct(own).fields.items():
        config.properties.fields[name].CopyFrom(value)
