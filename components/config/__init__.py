"""The stack's config as one typed value: read from Pulumi's config, checked, each error naming its key and field."""

from components.config.reading import ConfigError, parse, read, secret
from components.config.schema import Environment, PlatformConfig, Quota, Team

__all__ = ["ConfigError", "Environment", "PlatformConfig", "Quota", "Team", "parse", "read", "secret"]
