"""What happens in a run, as an observer sees it: the same events from this engine and from the Pulumi CLI."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, TypeAlias

from footplate.costs.estimate import Estimate
from footplate.engine.changes import Change


class Op(StrEnum):
    SAME = "same"
    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"
    READ = "read"
    IMPORT = "import"
    FORGET = "forget"
    """Out of the state, left in the cluster (retainOnDelete), or found gone."""
    REFRESH = "refresh"


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Step:
    """What is done, or would be done, with one resource. `urn`, `type`, `name`, `parent` say which.

    `reason`: why, where the diff does not say (a protected resource, drift, a replacement that another one forces).
    """

    urn: str
    op: Op
    type: str
    name: str
    parent: str = ""
    changes: Sequence[Change] = ()
    reason: str = ""
    custom: bool = True
    delete_first: bool = False
    """A replacement that deletes the old one before it creates the new one."""
    inputs: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """As they will be, of all but what is deleted; they hold `values`."""
    old_inputs: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """As they were, of what is replaced or deleted."""
    provider: str = ""
    """URN of the provider resource."""
    dependencies: Mapping[str, Sequence[str]] = field(default_factory=dict[str, Sequence[str]])
    """Input → URNs of what it comes from; the Pulumi CLI does not tell them."""
    declared: str = ""
    """`components/teams.py:12`, where that is known."""
    takes_along: str = ""
    """What a deletion takes with it that the stack did not make, such as the workspaces of a namespace."""
    leftover: bool = False
    """The deletion of what was replaced: part of the replacement, which was counted."""


@dataclass(frozen=True)
class StepStarted:
    step: Step


@dataclass(frozen=True)
class StepWaiting:
    """What the step waits for, as a sentence."""

    step: Step
    message: str


@dataclass(frozen=True)
class StepDone:
    """`seconds` it took; `error` is empty where it succeeded."""

    step: Step
    seconds: float
    error: str = ""


@dataclass(frozen=True)
class Said:
    """A line of the program, the engine or a provider. `urn`: of the resource it is about."""

    severity: Severity
    message: str
    urn: str = ""


@dataclass(frozen=True)
class Violation:
    policy: str
    pack: str
    mandatory: bool
    message: str
    description: str = ""
    urn: str = ""


@dataclass(frozen=True)
class Totals:
    counts: Mapping[Op, int]
    seconds: float

    @property
    def changed(self) -> int:
        """Resources that are not as they were, or would not be."""
        still = (Op.SAME, Op.READ)
        return sum(count for op, count in self.counts.items() if op not in still)


@dataclass(frozen=True)
class Phase:
    """A new run starts: `preview`, `update`, `refresh` or `destroy`, of the stack `<project>/<stack>`."""

    name: str
    stack: str


@dataclass(frozen=True)
class Finished:
    """The last event of a run that was not cut short. `outputs` of the stack hold `values`."""

    totals: Totals
    outputs: Mapping[str, Any] = field(default_factory=dict[str, Any])
    output_changes: Sequence[Change] = ()


@dataclass(frozen=True)
class Priced:
    """After a preview: what the stack costs. Not told of a stack that has nothing of a cloud."""

    estimate: Estimate


Event: TypeAlias = Phase | StepStarted | StepWaiting | StepDone | Said | Violation | Finished | Priced


class Observer(Protocol):
    def __call__(self, event: Event) -> None: ...


def silent(event: Event) -> None:
    pass
