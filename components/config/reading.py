"""From Pulumi's config to `PlatformConfig`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import msgspec
import pulumi

from components.config import checks
from components.config.explain import explain
from components.config.schema import PlatformConfig


class ConfigError(pulumi.RunError):
    """The stack's config is wrong; the message names the key, the field and what would be right."""


def read(config: pulumi.Config) -> PlatformConfig:
    """From the stack's config; secrets are read where they are used, as outputs."""
    raw: dict[str, Any] = {}
    for field in msgspec.structs.fields(PlatformConfig):
        name = field.encode_name
        is_text = isinstance(field.default, str)  # everything else is stored as JSON
        value: Any = config.get(name) if is_text else config.get_object(name)
        # An empty object is what Pulumi.yaml declares as the default of a part that is not asked for.
        if value is not None and not (value == {} and field.default is None):
            raw[name] = value
    return parse(raw, datetime.now(UTC).date())


def secret(config: pulumi.Config, key: str) -> pulumi.Output[str] | None:
    """None where it is not set."""
    return config.require_secret(key) if config.get_secret(key) is not None and config.get(key) else None


def parse(raw: Mapping[str, Any], today: date) -> PlatformConfig:
    """`today`: what expiry dates are compared with."""
    try:
        parsed = msgspec.convert(raw, PlatformConfig)
    except msgspec.ValidationError as error:
        raise ConfigError(explain(str(error), raw, PlatformConfig)) from error
    wrong = [f"footplate:{path}: {message}" for path, message in checks.problems(parsed, today)]
    if wrong:
        raise ConfigError("\n".join(wrong))
    return parsed
