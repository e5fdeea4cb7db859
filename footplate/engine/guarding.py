"""A preview fails that would replace or delete what holds something, unless it is allowed by name; of either engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from footplate.engine import urn as urns
from footplate.engine.display.wording import kind
from footplate.engine.errors import ReplacementRefused
from footplate.engine.events import Event, Observer, Op, Phase, Said, Severity, Step, StepDone
from footplate.guard.holdings import Holding, holding

FLAG = "--allow-replace"
KEY = "footplate:allowReplacement"


@dataclass(frozen=True)
class Loss:
    """`holding`: None for what is of no such type, and has people's work in it."""

    step: Step
    holding: Holding | None

    @property
    def sentence(self) -> str:
        verb = "replaced" if self.step.op is Op.REPLACE else "deleted"
        if self.holding is None:
            return f"{kind(self.step.type)} {self.step.name!r} would be {verb}, with {self.step.takes_along} in it"
        why = f": {self.step.reason}" if self.step.reason else ""
        return f"the {self.holding} {urns.parse(self.step.urn).name!r} would be {verb}{why}"


class Guard:
    """An observer. `given` (of this run) and `configured` (of the stack) name what may go: URNs, or names of resources."""

    def __init__(self, given: Sequence[str] = (), configured: Sequence[str] = ()) -> None:
        self._given = given
        self._configured = configured
        self._losses: list[Loss] = []
        self._previewing = False

    def __call__(self, event: Event) -> None:
        match event:
            case Phase(name):
                self._previewing = name == "preview"
                if self._previewing:
                    self._losses = []
            case StepDone(step) if self._previewing and step.op in (Op.REPLACE, Op.DELETE) and not step.leftover:
                found = holding(step.type, step.old_inputs)
                if found is not None or step.takes_along:
                    self._losses.append(Loss(step, found))
            case _:
                pass

    def check(self, observe: Observer) -> None:
        """Raises ReplacementRefused. A name in the configuration that allows nothing now is pointed out: it would later."""
        refused = [loss for loss in self._losses if not self._allowed(loss)]
        for name in self._idle():
            observe(Said(Severity.WARNING, f"{KEY} names {name!r}, which this preview does not replace: take it out"))
        for loss in refused:
            observe(Said(Severity.ERROR, loss.sentence, loss.step.urn))
        if refused:
            flags = " ".join(f"{FLAG} {urns.parse(loss.step.urn).name}" for loss in refused)
            raise ReplacementRefused(
                f"nothing was changed: {'; '.join(loss.sentence for loss in refused)}",
                f"undo the change; if it is meant, run again with {flags}, or name it in {KEY}",
            )

    def _allowed(self, loss: Loss) -> bool:
        return any(_names(name, loss) for name in (*self._given, *self._configured))

    def _idle(self) -> Iterator[str]:
        return (name for name in self._configured if not any(_names(name, loss) for loss in self._losses))


def _names(name: str, loss: Loss) -> bool:
    return name in (loss.step.urn, urns.parse(loss.step.urn).name)
