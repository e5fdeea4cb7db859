"""The estimate of what a previewed stack costs: takes the events of the preview, of either engine, to `footplate.costs`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast

from footplate.costs.estimate import Estimate, estimate
from footplate.costs.planned import UNKNOWN, Plan, Planned
from footplate.costs.prices import load
from footplate.engine.events import Event, Op, Phase, Step, StepDone
from footplate.engine.values import Secret, Unknown

_GONE: Final = (Op.DELETE, Op.FORGET)


class Costing:
    """An observer. `own`: price files that win over the table of the package. `regions`: cloud → the stack's region."""

    def __init__(self, regions: Mapping[str, str], own: Sequence[Path] = ()) -> None:
        self._regions = regions
        self._own = own
        self._steps: dict[str, Step] = {}
        self._previewing = False

    def __call__(self, event: Event) -> None:
        match event:
            case Phase(name):
                self._previewing = name == "preview"
                if self._previewing:
                    self._steps = {}
            case StepDone(step, _, error) if self._previewing and not error and step.op not in _GONE:
                self._steps[step.urn] = step
            case _:
                pass

    def plan(self) -> Plan:
        return Plan([_planned(step) for step in self._steps.values() if step.custom], self._regions)

    def estimate(self) -> Estimate | None:
        """None where the stack has nothing of a cloud. Raises PricesInvalid."""
        plan = self.plan()
        return estimate(plan, load(self._own)) if plan.clouds() else None


def _planned(step: Step) -> Planned:
    inputs: dict[str, Any] = _known(dict(step.inputs))
    return Planned(step.urn, step.type, step.name, inputs, step.provider, step.dependencies)


def _known(value: Any) -> Any:
    if value is Unknown or isinstance(value, Secret):
        return UNKNOWN
    if isinstance(value, dict):
        return {key: _known(item) for key, item in cast(dict[str, Any], value).items()}
    if isinstance(value, list):
        return [_known(item) for item in cast(list[Any], value)]
    return value
