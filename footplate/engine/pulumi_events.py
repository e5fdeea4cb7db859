"""Events of the Pulumi CLI's engine as this project's own (`pulumi.automation.events`)."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from pulumi.automation.events import (
    DiagnosticEvent,
    EngineEvent,
    OpType,
    PolicyEvent,
    StepEventMetadata,
    SummaryEvent,
)

from footplate.engine import paths
from footplate.engine import urn as urns
from footplate.engine.changes import Change, ChangeKind, compare
from footplate.engine.events import Event, Op, Said, Severity, Step, StepDone, StepStarted, Violation
from footplate.engine.values import Properties, from_state

_OPS: Final[Mapping[str, Op]] = {
    OpType.SAME.value: Op.SAME,
    OpType.CREATE.value: Op.CREATE,
    OpType.UPDATE.value: Op.UPDATE,
    OpType.CREATE_REPLACEMENT.value: Op.REPLACE,
    OpType.IMPORT_REPLACEMENT.value: Op.REPLACE,
    OpType.DELETE.value: Op.DELETE,
    OpType.READ.value: Op.READ,
    OpType.READ_REPLACEMENT.value: Op.READ,
    OpType.IMPORT.value: Op.IMPORT,
    OpType.REFRESH.value: Op.REFRESH,
}
"""Others are parts of a replacement that `create-replacement` stands for, or housekeeping."""
_SUMMARY: Final[Mapping[str, Op]] = {**_OPS, OpType.REPLACE.value: Op.REPLACE, "discard": Op.FORGET}
_SEVERITIES: Final = {
    "info": Severity.INFO,
    "info#err": Severity.INFO,
    "warning": Severity.WARNING,
    "error": Severity.ERROR,
}


class Translator:
    """`planned`: nothing is done, so that a step is complete when it is announced. `root`: URN of the stack."""

    def __init__(self, *, planned: bool, root: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._planned = planned
        self._root = root
        self._clock = clock
        self._since: dict[str, float] = {}
        self.counts: Counter[Op] = Counter()
        self.output_changes: list[Change] = []
        self.cancelled = False

    def translate(self, event: EngineEvent) -> Iterator[Event]:
        if event.resource_pre_event is not None:
            yield from self._begin(event.resource_pre_event.metadata)
        elif event.res_outputs_event is not None:
            yield from self._end(event.res_outputs_event.metadata)
        elif event.res_op_failed_event is not None:
            yield from self._failed(event.res_op_failed_event.metadata)
        elif event.policy_event is not None:
            yield _violation(event.policy_event)
        elif event.diagnostic_event is not None:
            yield from _said(event.diagnostic_event)
        elif event.summary_event is not None:
            self._summarize(event.summary_event)

    def _begin(self, metadata: StepEventMetadata) -> Iterator[Event]:
        step = _step(metadata)
        if step is None:
            return
        self._since[step.urn] = self._clock()
        if self._planned:
            yield StepDone(step, 0.0)
        elif step.op is not Op.SAME:
            yield StepStarted(step)

    def _end(self, metadata: StepEventMetadata) -> Iterator[Event]:
        if metadata.urn == self._root:
            old, new = _state(metadata.old, "outputs"), _state(metadata.new, "outputs")
            self.output_changes = compare(old, new)
        step = _step(metadata)
        if step is not None and not self._planned:
            yield StepDone(step, self._clock() - self._since.get(step.urn, self._clock()))

    def _failed(self, metadata: StepEventMetadata) -> Iterator[Event]:
        step = _step(metadata)
        if step is not None:
            yield StepDone(step, self._clock() - self._since.get(step.urn, self._clock()), "see the messages")

    def _summarize(self, summary: SummaryEvent) -> None:
        for name, count in summary.resource_changes.items():
            op = _SUMMARY.get(_text(name))
            if op is not None:
                self.counts[op] += int(count)


def _step(metadata: StepEventMetadata) -> Step | None:
    op = _OPS.get(_text(metadata.op))
    if op is None:
        return None
    state = metadata.new or metadata.old
    return Step(
        metadata.urn,
        op,
        metadata.type,
        urns.parse(metadata.urn).name,
        state.parent if state is not None else "",
        _changes(metadata),
        custom=bool(state.custom) if state is not None else True,
        inputs=_state(metadata.new, "inputs"),
        old_inputs=_state(metadata.old, "inputs") if op in (Op.REPLACE, Op.DELETE) else {},
        provider=urns.parse_ref(metadata.provider or "").urn,
    )


def _changes(metadata: StepEventMetadata) -> list[Change]:
    """By the provider's detailed diff where there is one; values from the states that the event brings."""
    if metadata.old is None or metadata.new is None:
        return []
    before, old_inputs, new_inputs = (
        _state(metadata.old, "outputs"),
        _state(metadata.old, "inputs"),
        _state(metadata.new, "inputs"),
    )
    found: list[Change] = []
    for text, diff in (metadata.detailed_diff or {}).items():
        path = paths.parse(text)
        kind = _text(diff.diff_kind)
        old = paths.get(old_inputs, path) if diff.input_diff else paths.get(before, path)
        replaces = kind.endswith("-replace")
        found.append(
            Change(path, ChangeKind(kind.removesuffix("-replace")), old, paths.get(new_inputs, path), replaces)
        )
    return found or (compare(old_inputs, new_inputs) if metadata.diffs else [])


def _state(state: Any, part: str) -> Properties:
    values: Any = getattr(state, part, None) or {}
    return from_state(dict(values), lambda ciphertext: '"[secret]"')


def _violation(event: PolicyEvent) -> Violation:
    return Violation(
        event.policy_name,
        event.policy_pack_name,
        event.enforcement_level == "mandatory",
        event.message.strip(),
        urn=event.resource_urn or "",
    )


def _said(event: DiagnosticEvent) -> Iterator[Event]:
    message = event.message.strip()
    if message and not event.ephemeral and event.severity in _SEVERITIES:
        yield Said(_SEVERITIES[event.severity], message, event.urn or "")


def _text(name: Any) -> str:
    return str(getattr(name, "value", name))
