"""The stack's config as one typed value: read from Pulumi's config, checked, each error naming its key and field."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args, get_type_hints

import msgspec
import pulumi
from msgspec import Meta, Struct

from footplate.api import quantity

Quantity = Annotated[str, Meta(pattern=quantity.PATTERN)]
TeamName = Annotated[str, Meta(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=40)]


class _Config(Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    pass


class Quota(_Config, frozen=True):
    """Sums over the team's namespace; what is left out is not limited."""

    cpu: Quantity | None = None
    memory: Quantity | None = None
    gpu: Annotated[int, Meta(ge=0)] | None = None
    storage: Quantity | None = None
    pods: Annotated[int, Meta(ge=0)] | None = None


class Team(_Config, frozen=True):
    name: TeamName
    #: User names of the cluster; ``group:<name>`` admits a group.
    members: tuple[Annotated[str, Meta(min_length=1)], ...] = ()
    quota: Quota = Quota()


class Environment(_Config, frozen=True):
    name: Annotated[str, Meta(pattern=r"^[a-z]([-a-z0-9]*[a-z0-9])?$", max_length=63)]
    image: Annotated[str, Meta(min_length=1)]
    display_name: str = ""
    description: str = ""
    gpu: bool = False
    packages: dict[str, str] = {}


class ObjectStore(_Config, frozen=True):
    #: ``s3://bucket/prefix`` or ``gs://bucket/prefix``; empty: what the provider has.
    uri: Annotated[str, Meta(pattern=r"^((s3|gs)://[^/]+(/.*)?)?$")] = ""
    endpoint: str = ""
    region: str = "us-east-1"
    #: Of the store that is made in the cluster where there is no other: its volume, and the gateway's image.
    size: Quantity = "100Gi"
    image: Annotated[str, Meta(min_length=1)] = "docker.io/versity/versitygw:v1.8.0"


class Controllers(_Config, frozen=True):
    replicas: Annotated[int, Meta(ge=1, le=5)] = 2
    cpu: Quantity = "100m"
    memory: Quantity = "512Mi"


class PlatformConfig(_Config, frozen=True):
    provider: Literal["local"] = "local"
    cluster: Annotated[str, Meta(min_length=1)] = "default"
    context: str = ""
    kubeconfig: str = ""
    teams: tuple[Team, ...] = ()
    environments: tuple[Environment, ...] = ()
    standard_environments: tuple[str, ...] = ()
    allowed_images: tuple[str, ...] = ()
    platform_image: str = ""
    image_registry: str = ""
    queueing: Literal["auto", "kueue", "native", "none"] = "auto"
    object_store: ObjectStore = ObjectStore()
    controllers: Controllers = Controllers()


class ConfigError(pulumi.RunError):
    """The stack's config is wrong; the message names the key, the field and what would be right."""


def read(config: pulumi.Config) -> PlatformConfig:
    """From the stack's config; secrets are read where they are used, as outputs."""
    raw: dict[str, Any] = {}
    for field in msgspec.structs.fields(PlatformConfig):
        name = field.encode_name
        is_text = isinstance(field.default, str)  # everything else is stored as JSON
        value: Any = config.get(name) if is_text else config.get_object(name)
        if value is not None:
            raw[name] = value
    return parse(raw)


def secret(config: pulumi.Config, key: str) -> pulumi.Output[str] | None:
    """None where it is not set."""
    return config.require_secret(key) if config.get_secret(key) is not None and config.get(key) else None


def parse(raw: Mapping[str, Any]) -> PlatformConfig:
    try:
        parsed = msgspec.convert(raw, PlatformConfig)
    except msgspec.ValidationError as error:
        raise ConfigError(_explain(str(error))) from error
    names = [team.name for team in parsed.teams]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ConfigError(f"footplate:teams: two teams are named {', '.join(sorted(twice))}")
    return parsed


def _explain(message: str) -> str:
    """msgspec's `… - at `$.teams[0].quota`` as `footplate:teams[0].quota: …`."""
    text, _, path = message.partition(" - at `$.")
    where = f"footplate:{path.rstrip('`')}" if path else "footplate"
    unknown = re.search(r"unknown field `(?P<name>[^`]+)`", text)
    if unknown is None:
        return f"{where}: {text[:1].lower()}{text[1:]}"
    known = _fields_at(path.rstrip("`"))
    near = difflib.get_close_matches(unknown["name"], known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}"
    return f"{where}: there is no field {unknown['name']!r}; {hint}"


def _fields_at(path: str) -> list[str]:
    """Names of the fields that the struct at this path has."""
    current: type[Struct] = PlatformConfig
    for step in re.findall(r"[A-Za-z]+", path):
        for field in msgspec.structs.fields(current):
            if field.encode_name == step:
                current = _struct_in(get_type_hints(current, include_extras=False)[field.name]) or current
    return [field.encode_name for field in msgspec.structs.fields(current)]


def _struct_in(hint: Any) -> type[Struct] | None:
    if isinstance(hint, type) and issubclass(hint, Struct):
        return hint
    return next((found for part in get_args(hint) if (found := _struct_in(part)) is not None), None)
