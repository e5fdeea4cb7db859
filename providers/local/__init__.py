"""A cluster that is there already: the embedded one, or that of a kubeconfig's context."""

from providers.local.provider import LocalProvider

__all__ = ["LocalProvider"]
