"""Durations in specs: ``90s``, ``30m``, ``1h30m``, ``2d``."""

import re
from datetime import timedelta

#: So many digits that no sum of them takes a date out of the calendar: a part is at most some 30 years.
PATTERN = r"^([0-9]{1,4}d|[0-9]{1,5}h|[0-9]{1,7}m|[0-9]{1,9}s){1,4}$"

_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_PART = re.compile(r"([0-9]+)([dhms])")
_DURATION = re.compile(PATTERN)
_OF_ANY_LENGTH = re.compile(r"([0-9]+[dhms])+")


def parse(text: str) -> timedelta:
    """ValueError names what is wrong."""
    if _DURATION.match(text):
        return timedelta(seconds=sum(int(number) * _UNITS[unit] for number, unit in _PART.findall(text)))
    if _OF_ANY_LENGTH.fullmatch(text):
        raise ValueError(f"{text!r} is too long a duration: at most 9999d, 99999h, 9999999m or 999999999s")
    raise ValueError(f"{text!r} is not a duration: write a number with a unit such as 90s, 30m, 1h30m, 2d")


def human(span: timedelta) -> str:
    """The two largest units: ``3h12m``, ``45s``."""
    seconds = max(0, int(span.total_seconds()))
    parts: list[str] = []
    for unit, size in _UNITS.items():
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts[:2]) or "0s"
