"""Kubernetes quantities: ``500m``, ``2``, ``4Gi``.

Source: k8s.io/apimachinery/pkg/api/resource (the suffix tables of Quantity).
"""

import re
from decimal import Decimal

PATTERN = r"^([0-9]+(\.[0-9]+)?|\.[0-9]+)(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$"

_SUFFIXES: dict[str, Decimal] = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate("kMGTPE", start=1)},
    **{f"{suffix}i": Decimal(1024) ** power for power, suffix in enumerate("KMGTPE", start=1)},
}
_QUANTITY = re.compile(PATTERN)


def parse(text: str) -> Decimal:
    """The quantity in its base unit (cores, bytes, a count). ValueError names what is wrong."""
    match = _QUANTITY.match(text)
    if not match:
        raise ValueError(f"{text!r} is not a quantity: write a number with a suffix such as 500m, 2, 4Gi")
    suffix = match[3] or ""
    return Decimal(match[1]) * _SUFFIXES[suffix]


def human_bytes(count: int | Decimal) -> str:
    """``1536`` → ``1.5Ki``; for people, rounded to one decimal."""
    value = Decimal(count)
    suffixes = ("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei")
    for suffix in suffixes:
        if value < 1024 or suffix == suffixes[-1]:
            return f"{value:.1f}".removesuffix(".0") + suffix
        value /= 1024
    raise AssertionError("the last suffix takes all")
