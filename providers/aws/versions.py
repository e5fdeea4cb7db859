"""Kubernetes versions of EKS. Source: EKS User Guide, "Amazon EKS Kubernetes release calendar", and Karpenter's
compatibility matrix, which the pinned chart must cover.
"""

from __future__ import annotations

from datetime import date

from providers.contract import ProviderError

#: Version → the last day of standard support; after it the hour of a control plane costs six times as much.
STANDARD_SUPPORT = {
    "1.33": date(2026, 7, 29),
    "1.34": date(2026, 12, 2),
    "1.35": date(2027, 3, 27),
}


def check(version: str) -> None:
    if version not in STANDARD_SUPPORT:
        raise ProviderError(
            f"footplate:kubernetes.version: EKS {version!r} is not in this version's table; "
            f"tried are {', '.join(STANDARD_SUPPORT)}"
        )
