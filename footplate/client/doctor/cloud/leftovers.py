"""What is still there of a cluster that was destroyed, and goes on costing money or keeps its network from being deleted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from footplate.client.doctor.finding import Finding, failed, ok
from footplate.errors import FootplateError


@dataclass(frozen=True)
class Left:
    """`remove`: the command that removes it."""

    kind: str
    id: str
    detail: str
    remove: str


def judged(kind: str, left: Sequence[Left], cluster: str) -> list[Finding]:
    """A finding for each thing; one that says so where there is none."""
    if not left:
        return [ok(kind, f"none of cluster {cluster!r}")]
    return [failed(kind, FootplateError(f"{one.id}: {one.detail}", one.remove)) for one in left]
