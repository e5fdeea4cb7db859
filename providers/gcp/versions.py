"""Kubernetes versions that GKE supports, and the release channel in which a cluster stays on one.

Source: https://cloud.google.com/kubernetes-engine/docs/release-schedule, by way of
https://endoflife.date/google-kubernetes-engine. For the newest one the ends are reckoned as GKE promises them in
https://cloud.google.com/kubernetes-engine/versioning: 14 months after the Regular channel has it, 24 in the Extended one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from providers.contract import ProviderError


@dataclass(frozen=True)
class Version:
    """`regular`: since when the Regular channel has it. `standard_end`: the Extended channel alone has it from then on."""

    minor: str
    regular: date
    standard_end: date
    extended_end: date


VERSIONS: Sequence[Version] = (
    Version("1.34", date(2025, 9, 30), date(2026, 10, 1), date(2027, 9, 30)),
    Version("1.35", date(2026, 2, 11), date(2027, 4, 11), date(2028, 2, 11)),
    Version("1.36", date(2026, 6, 24), date(2027, 8, 24), date(2028, 6, 24)),
)


def channel(minor: str, today: date, path: str = "footplate:kubernetes.version") -> str:
    """REGULAR while GKE's standard support lasts, then EXTENDED, which costs more per cluster and hour."""
    known = {version.minor: version for version in VERSIONS if version.regular <= today < version.extended_end}
    if minor not in known:
        raise ProviderError(f"{path}: GKE does not support {minor!r}; it supports {', '.join(known)}")
    return "REGULAR" if today < known[minor].standard_end else "EXTENDED"
