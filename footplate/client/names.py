"""Names: generated ones, close ones, and what may be in one."""

from __future__ import annotations

import difflib
import hashlib
import random
import re
from collections.abc import Iterable
from pathlib import PurePath

#: Without vowels (no words by accident) and without characters that look alike.
_ALPHABET = "23456789bcdfghjkmnpqrstvwxz"
_SUFFIX = 4
#: A script of such a name says nothing: its directory does.
_GENERIC = frozenset({"train", "main", "run", "job", "script", "app", "start", "launch"})


def slug(text: str, limit: int) -> str:
    """A DNS label that starts with a letter; what does not fit is cut off and told apart by a hash."""
    base = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
    if base and not base[0].isalpha():
        base = f"x{base}"
    if len(base) > limit:
        digest = hashlib.sha256(text.encode()).hexdigest()[:6]
        base = f"{base[: limit - 7].rstrip('-')}-{digest}"
    return base


def for_script(script: PurePath, directory: str) -> str:
    """`train.py` in `digits/` → `digits`; `finetune.py` → `finetune`."""
    stem = script.stem
    return (directory if stem.lower() in _GENERIC else stem) or stem


def generate(base: str, limit: int, choose: random.Random | None = None) -> str:
    """`digits` → `digits-7f3k`."""
    source = choose or random.SystemRandom()
    suffix = "".join(source.choice(_ALPHABET) for _ in range(_SUFFIX))
    return f"{slug(base, limit - _SUFFIX - 1) or 'job'}-{suffix}"


def close(name: str, known: Iterable[str]) -> list[str]:
    """Up to three of `known` that a person may have meant, the likeliest first."""
    options = sorted(known)
    likeness = {option: difflib.SequenceMatcher(None, name, option).ratio() for option in options}
    best = max(likeness.values(), default=0.0)
    near = [option for option in options if likeness[option] >= max(0.6, best - 0.1)]
    near.sort(key=lambda option: -likeness[option])
    near += [option for option in options if option not in near and (option.startswith(name) or name in option)]
    return near[:3]


def did_you_mean(name: str, known: Iterable[str]) -> str | None:
    """`did you mean a, b?`"""
    near = close(name, known)
    return f"did you mean {' or '.join(near)}?" if near else None


def listing(names: Iterable[str], most: int = 20) -> str:
    shown = sorted(names)
    rest = len(shown) - most
    return ", ".join(shown[:most]) + (f" and {rest} more" if rest > 0 else "") if shown else "none"
