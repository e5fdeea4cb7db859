"""What a cloud does for the components. Nothing specific to a cloud is outside of its folder here."""

from __future__ import annotations

from importlib import import_module

from providers.contract import Provider, ProviderError, Site

#: Name → module and class. A cloud's SDK is imported with its provider, so a stack pays for its own cloud's alone.
PROVIDERS = {
    "local": ("providers.local", "LocalProvider"),
    "aws": ("providers.aws", "AwsProvider"),
    "gcp": ("providers.gcp", "GcpProvider"),
}


def select(name: str, site: Site) -> Provider:
    """Raises ProviderError where there is no such provider, or where `site` is none of its places."""
    if name not in PROVIDERS:
        raise ProviderError(
            f"footplate:provider: there is no provider {name!r}; this version has: {', '.join(PROVIDERS)}"
        )
    module, kind = PROVIDERS[name]
    return getattr(import_module(module), kind)(site)
