"""Names that Google Cloud takes: short enough, and of the letters that each kind allows."""

from __future__ import annotations

import hashlib


def fit(name: str, most: int) -> str:
    """The name where it is short enough, else its beginning and a digest of all of it."""
    if len(name) <= most:
        return name
    return f"{name[: most - 7].rstrip('-')}-{digest(name)}"


def digest(text: str, length: int = 6) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def account_id(site: str, part: str) -> str:
    """Of a service account: 6 to 30 characters."""
    return fit(f"{site}-{part}", 30)


def role_id(site: str, part: str) -> str:
    """Of a custom role: 64 characters at most, no hyphens."""
    return fit(f"{site}-{part}", 64).replace("-", "_")


def bucket(prefix: str, part: str) -> str:
    """63 characters at most."""
    return fit(f"{prefix}-{part}", 63)
