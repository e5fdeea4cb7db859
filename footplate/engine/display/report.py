"""A run as data, for `--output json`: the same shape whichever engine ran it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from footplate.engine import paths
from footplate.engine.changes import Change
from footplate.engine.events import Event, Finished, Op, Phase, Priced, Said, Step, StepDone, Violation
from footplate.engine.values import masked
from footplate.errors import FootplateError


class Report:
    """Collects the events of the last phase of a command."""

    def __init__(self, engine: str) -> None:
        self._engine = engine
        self._stack = ""
        self._phase = ""
        self._steps: list[dict[str, Any]] = []
        self._counts: Counter[str] = Counter()
        self._messages: list[dict[str, Any]] = []
        self._violations: dict[tuple[str, str, str], dict[str, Any]] = {}
        self._declared: dict[str, str] = {}
        self._outputs: dict[str, Any] = {}
        self._seconds = 0.0
        self._error = ""
        self._cost: dict[str, Any] | None = None

    def __call__(self, event: Event) -> None:
        match event:
            case Phase(name, stack):
                self._phase, self._stack = name, stack
                self._steps, self._counts = [], Counter()
            case StepDone(step, seconds, error):
                self._counts[step.op.value] += not error
                self._declared[step.urn] = step.declared
                if step.op is not Op.SAME or error:
                    self._steps.append(_step(step, seconds, error))
            case Said(severity, message, urn):
                self._messages.append({"severity": severity.value, "urn": urn, "message": message})
            case Violation():
                self._violations[event.policy, event.urn, event.message] = {
                    "policy": event.policy,
                    "pack": event.pack,
                    "mandatory": event.mandatory,
                    "urn": event.urn,
                    "message": event.message,
                }
            case Finished(totals, outputs):
                self._outputs = masked(dict(outputs))
                self._seconds = totals.seconds
            case Priced(estimate):
                self._cost = estimate.data()
            case _:
                pass

    @contextmanager
    def failing(self) -> Generator[None]:
        """An error that passes is why the run came to no end."""
        try:
            yield
        except FootplateError as error:
            self._error = error.message
            raise

    def _placed(self, violation: dict[str, Any]) -> dict[str, Any]:
        """With the place in the program that declares the resource, which is known only once its step is done."""
        declared = self._declared.get(violation["urn"])
        return {**violation, "declared": declared} if declared else violation

    def data(self) -> dict[str, Any]:
        return {
            "stack": self._stack,
            "engine": self._engine,
            "phase": self._phase,
            "changes": {op.value: self._counts[op.value] for op in Op if self._counts[op.value]},
            "steps": self._steps,
            "policies": [self._placed(found) for found in self._violations.values()],
            "messages": self._messages,
            "outputs": self._outputs,
            "cost": self._cost,
            "seconds": round(self._seconds, 3),
            "error": self._error,
        }


def _step(step: Step, seconds: float, error: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "op": step.op.value,
        "urn": step.urn,
        "type": step.type,
        "name": step.name,
        "fields": [_field(change) for change in step.changes],
    }
    if step.reason:
        found["reason"] = step.reason
    if step.takes_along:
        found["takesAlong"] = step.takes_along
    if step.op is Op.REPLACE:
        found["deleteFirst"] = step.delete_first
    if error:
        found["error"] = error
    return {**found, "seconds": round(seconds, 3)}


def _field(change: Change) -> dict[str, Any]:
    found: dict[str, Any] = {"path": paths.text(change.path), "kind": change.kind.value}
    if change.kind != "add":
        found["old"] = masked(change.old)
    if change.kind != "delete":
        found["new"] = masked(change.new)
    if change.forces_replacement:
        found["replaces"] = True
    if change.note:
        found["note"] = change.note
    return found
