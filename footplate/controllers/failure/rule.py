"""The form of the classifier's tables: what is recognised → whose fault it is, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from footplate.api.trainingjob import CauseClass


class Weight(IntEnum):
    """How much a finding says of the first cause, where several pods failed at about the same time."""

    CAUSE = 0
    SIGNAL = 1
    """A process was killed, and nothing says why."""
    CONSEQUENCE = 2
    """A rank notices that another one is gone."""


@dataclass(frozen=True)
class Rule:
    reason: str
    """CamelCase, for scripts: `OutOfMemory`."""
    class_: CauseClass
    says: str
    """A clause without a full stop; `{node}` is the pod's node."""
    retry: bool = True
    """False: another try ends the same way."""
    suspect: bool = False
    """The node may be at fault: the next attempts avoid it."""
    weight: Weight = Weight.CAUSE


@dataclass(frozen=True)
class Ending:
    class_: CauseClass
    evidence: str
    """A clause without a full stop: `it ran out of memory`."""
    at: datetime | None = None
    hopeless: bool = False
    """The request itself is at fault: another try ends the same way."""
    reason: str = ""
    suspects: tuple[str, ...] = ()
    """Names of nodes."""
    weight: Weight = Weight.CAUSE
    preempted_by: str = ""
    """`namespace/name` of the job for which it made room."""


def by(rule: Rule, evidence: str, at: datetime | None, node: str) -> Ending:
    suspects = (node,) if rule.suspect and node else ()
    return Ending(rule.class_, evidence, at, not rule.retry, rule.reason, suspects, rule.weight)
