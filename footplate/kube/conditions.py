"""Conditions by Kubernetes convention (KEP-1623), as pure functions over any Struct that has their fields."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar, cast

import msgspec


class Condition(Protocol):
    @property
    def type(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def reason(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def last_transition_time(self) -> datetime: ...
    @property
    def observed_generation(self) -> int: ...


C = TypeVar("C", bound=Condition)


def find_condition(conditions: Sequence[C], type: str) -> C | None:
    return next((c for c in conditions if c.type == type), None)


def is_true(conditions: Sequence[Condition], type: str) -> bool:
    found = find_condition(conditions, type)
    return found is not None and found.status == "True"


def set_condition(conditions: Sequence[C], new: C) -> tuple[C, ...]:
    """With `new` in the place of its type. `lastTransitionTime` stays unless the status changed.

    Equal to `conditions` when nothing changed, so that a status is written only when it differs.
    """
    if not new.reason:
        raise ValueError(f"condition {new.type} needs a reason")
    old = find_condition(conditions, new.type)
    if old is None:
        return (*conditions, new)
    if old.status == new.status:
        replaced: Any = msgspec.structs.replace(cast(Any, new), last_transition_time=old.last_transition_time)
        new = cast(C, replaced)
    return tuple(new if c.type == new.type else c for c in conditions)


def remove_condition(conditions: Sequence[C], type: str) -> tuple[C, ...]:
    return tuple(c for c in conditions if c.type != type)
