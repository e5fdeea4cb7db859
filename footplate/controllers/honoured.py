"""Spec fields that this version accepts and does not act on (docs/decisions/0002): one row a field.

The part that brings a field's behaviour deletes its row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from footplate.api.trainingjob import Placement, TrainingJobSpec
from footplate.api.workspace import WorkspaceSpec

S = TypeVar("S")
Row = tuple[str, Callable[[S], bool]]

REASON = "FieldsNotActedOn"

WORKSPACE: tuple[Row[WorkspaceSpec], ...] = ()
TRAINING_JOB: tuple[Row[TrainingJobSpec], ...] = (
    ("placement.targets", lambda spec: spec.placement.targets != Placement().targets),
    ("placement.offloadAfter", lambda spec: spec.placement.offload_after is not None),
    ("placement.capacity", lambda spec: bool(spec.placement.capacity)),
)


def ignored(spec: S, rows: tuple[Row[S], ...]) -> str | None:
    """A sentence that names the fields of `spec` that have no effect; None where all have."""
    names = [name for name, is_set in rows if is_set(spec)]
    return f"This version does not act on {', '.join(names)}." if names else None
