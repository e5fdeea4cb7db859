"""A stack of either engine whose previews say what it costs, and fail where they would lose something (`guarding`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol, cast

from footplate.engine.costing import Costing
from footplate.engine.errors import ConfigInvalid, PolicyViolated
from footplate.engine.events import Event, Observer, Priced
from footplate.engine.guarding import KEY, Guard
from footplate.engine.stack import Approve, Result
from footplate.engine.values import Properties

_REGIONS: Final = {"aws": ("aws:region",), "gcp": ("gcp:region", "gcp:zone")}
_VARIABLES: Final = {"aws": ("AWS_REGION", "AWS_DEFAULT_REGION"), "gcp": ("GOOGLE_REGION", "GOOGLE_ZONE")}


class AnyStack(Protocol):
    """What both engines do with a stack. `engine`: `embedded` or `pulumi`."""

    @property
    def engine(self) -> str: ...

    async def preview(self, observe: Observer) -> Result: ...
    async def up(self, observe: Observer, approve: Approve | None = None) -> Result: ...
    async def destroy(self, observe: Observer, approve: Approve | None = None) -> Result: ...
    async def refresh(self, observe: Observer, *, preview: bool = False) -> Result: ...
    def outputs(self) -> Properties: ...
    def forget(self) -> None: ...


class CheckedStack:
    """`config`: the stack's plain values by qualified key. `allow_replace`: URNs or names that this run may replace."""

    def __init__(
        self,
        stack: AnyStack,
        config: Mapping[str, Any],
        environ: Mapping[str, str],
        *,
        allow_replace: Sequence[str] = (),
        prices: Sequence[Path] = (),
    ) -> None:
        self._stack = stack
        self._guard = Guard(allow_replace, _configured(config))
        self._costing = Costing(regions(config, environ), prices)

    @property
    def engine(self) -> str:
        return self._stack.engine

    async def preview(self, observe: Observer) -> Result:
        try:
            result = await self._stack.preview(self._watched(observe))
        except PolicyViolated:
            self._price(observe)  # what policies refuse is complete, and its cost may be why
            raise
        self._conclude(observe)
        return result

    async def up(self, observe: Observer, approve: Approve | None = None) -> Result:
        def agreed(planned: Result) -> bool:
            self._conclude(observe)
            return approve is None or approve(planned)

        return await self._stack.up(self._watched(observe), agreed)

    async def destroy(self, observe: Observer, approve: Approve | None = None) -> Result:
        return await self._stack.destroy(observe, approve)

    async def refresh(self, observe: Observer, *, preview: bool = False) -> Result:
        return await self._stack.refresh(observe, preview=preview)

    def outputs(self) -> Properties:
        return self._stack.outputs()

    def forget(self) -> None:
        self._stack.forget()

    def _watched(self, observe: Observer) -> Observer:
        def watched(event: Event) -> None:
            self._guard(event)
            self._costing(event)
            observe(event)

        return watched

    def _conclude(self, observe: Observer) -> None:
        self._price(observe)
        self._guard.check(observe)

    def _price(self, observe: Observer) -> None:
        estimate = self._costing.estimate()
        if estimate is not None:
            observe(Priced(estimate))


def regions(config: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, str]:
    """Cloud → region of its default provider, as the provider itself would find it."""
    found: dict[str, str] = {}
    for cloud, keys in _REGIONS.items():
        named = [config.get(key) for key in keys] + [environ.get(name) for name in _VARIABLES[cloud]]
        found[cloud] = next((value for value in named if isinstance(value, str) and value), "")
    return found


def _configured(config: Mapping[str, Any]) -> list[str]:
    value: Any = config.get(KEY) or []
    if isinstance(value, str):
        return [name.strip() for name in value.split(",") if name.strip()]
    names = cast(list[Any], value) if isinstance(value, list) else []
    if not isinstance(value, list) or not all(isinstance(name, str) for name in names):
        raise ConfigInvalid(f"{KEY} is {value!r}", "it is a list of URNs, or of names of resources")
    return names
