"""Prints a run as it goes: a live tree on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from footplate.engine import urn as urns
from footplate.engine.display import cost, wording
from footplate.engine.display.tree import Tree
from footplate.engine.events import (
    Event,
    Finished,
    Op,
    Phase,
    Priced,
    Said,
    Severity,
    Step,
    StepDone,
    StepStarted,
    StepWaiting,
    Violation,
)

PATIENCE: Final = 10.0
"""Seconds before a line says what a step waits for, where there is no terminal."""
_TITLES: Final = {"preview": "Preview of", "update": "Updating", "destroy": "Destroying", "refresh": "Refreshing"}


class Display:
    """The events of one command, phase by phase. A preview is drawn when it is complete, what changes things as it
    happens."""

    def __init__(self, console: Console, *, clock: Callable[[], float] = time.monotonic, diff: bool = False) -> None:
        self._console = console
        self._clock = clock
        self._all_fields = diff
        self._tree = Tree()
        self._phase = ""
        self._live: Live | None = None
        self._violations: list[Violation] = []
        self._warned_at: dict[str, float] = {}

    def __call__(self, event: Event) -> None:
        match event:
            case Phase():
                self._begin(event)
            case StepStarted(step) if self._phase != "preview":
                self._tree.start(step, self._clock())
                self._warned_at[step.urn] = self._clock()
            case StepWaiting(step, message):
                self._tree.wait(step, message)
                self._patiently(step, message)
            case StepDone(step, seconds, error):
                if self._phase == "preview" and not error:
                    self._tree.plan(step)
                else:
                    self._tree.finish(step, seconds, error)
                    self._done(step, seconds, error)
            case Said():
                self._say(event)
            case Violation():
                self._violations.append(event)
            case Finished():
                self._end(event)
            case Priced(estimate):
                self._print(list(cost.lines(estimate)))
            case _:
                pass

    def close(self) -> None:
        """Also after a run that was cut short: what it had come to stays on the screen."""
        if self._live is not None:
            self._stop()
        elif self._phase == "preview":
            self._print(self._tree.lines(self._clock(), diff=True, full=self._all_fields))
        self._show_violations()
        self._phase = ""

    def _begin(self, event: Phase) -> None:
        foreseen = self._tree if event.name != "preview" else Tree()
        self._tree = Tree()
        # What the preview foresaw, so that it is seen how much is still to come.
        for node in foreseen.nodes.values():
            if node.matters:
                self._tree.plan(node.step)
        self._phase = event.name
        self._warned_at = {}
        heading = f"{_TITLES[event.name]} {event.stack}"
        if self._console.is_terminal:
            self._live = Live(
                get_renderable=lambda: self._frame(heading),
                console=self._console,
                refresh_per_second=8,
                transient=True,
            )
            self._live.start()
        elif event.name != "preview":
            self._print([Text(heading)])

    def _frame(self, heading: str) -> Group | Text:
        if self._phase == "preview":
            seen = len(self._tree.nodes)
            return Text(f"{heading}: {seen} resources", style="dim")
        height = max(self._console.size.height - 3, 5)
        return Group(Text(heading, style="bold"), *self._tree.lines(self._clock(), diff=False, height=height))

    def _end(self, event: Finished) -> None:
        planned = self._phase == "preview"
        shown = planned or self._phase == "refresh"
        lines = self._tree.lines(self._clock(), diff=shown, full=planned and self._all_fields)
        self._stop_live()
        if planned or self._console.is_terminal or self._phase == "refresh":
            self._print(lines)
        if planned and event.output_changes:
            self._print([Text("outputs", style="bold"), *(Text("  ") + line for line in _outputs(event))])
        self._print([wording.totals(event.totals, planned=planned)])
        self._show_violations()
        self._phase = ""

    def _stop(self) -> None:
        lines = self._tree.lines(self._clock(), diff=self._phase == "preview")
        self._stop_live()
        self._print(lines)

    def _stop_live(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _done(self, step: Step, seconds: float, error: str) -> None:
        if self._console.is_terminal or self._phase == "preview" or (step.op is Op.SAME and not error):
            return
        line = wording.title(step)
        if error:
            line.append(f"  failed: {error.replace(chr(10), ' ')}", style="red")
        elif seconds >= 0.05:
            line.append(f"  {wording.seconds(seconds)}", style="dim")
        self._print([line])

    def _patiently(self, step: Step, message: str) -> None:
        now = self._clock()
        if self._console.is_terminal or now - self._warned_at.get(step.urn, now) < PATIENCE:
            return
        self._warned_at[step.urn] = now
        self._print([wording.title(step).append(f" {message}", style="yellow")])

    def _say(self, event: Said) -> None:
        style = {Severity.INFO: "dim", Severity.WARNING: "yellow", Severity.ERROR: "red"}[event.severity]
        about = f"{wording.kind(urns.parse(event.urn).type)} {urns.parse(event.urn).name}: " if event.urn else ""
        self._print([Text(f"{about}{event.message}", style=style)])

    def _show_violations(self) -> None:
        if self._violations:
            self._print([Text("policies", style="bold"), *(wording.violation(v) for v in self._violations)])
        self._violations = []

    def _print(self, lines: Sequence[Text]) -> None:
        for line in lines:
            self._console.print(line, highlight=False, soft_wrap=True)


def _outputs(event: Finished) -> list[Text]:
    return list(wording.fields(event.output_changes))
