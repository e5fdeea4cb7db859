"""What a cloud does for the components. Nothing specific to a cloud is outside of its folder here."""

from providers.contract import Provider, ProviderError
from providers.local import LocalProvider


def select(name: str) -> Provider:
    if name == "local":
        return LocalProvider()
    raise ProviderError(f"footplate:provider: there is no provider {name!r}; this version has: local")
