"""Durations in specs: ``90s``, ``30m``, ``1h30m``, ``2d``."""

import re
from datetime import timedelta

PATTERN = r"^([0-9]+(d|h|m|s))+$"

_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_PART = re.compile(r"([0-9]+)([dhms])")


def parse(text: str) -> timedelta:
    """ValueError names what is wrong."""
    if not re.match(PATTERN, text):
        raise ValueError(f"{text!r} is not a duration: write a number with a unit such as 90s, 30m, 1h30m, 2d")
    return timedelta(seconds=sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(text)))


def human(span: timedelta) -> str:
    """The two largest units: ``3h12m``, ``45s``."""
    seconds = max(0, int(span.total_seconds()))
    parts: list[str] = []
    for unit, size in _UNITS.items():
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts[:2]) or "0s"
