"""Runs the components against Pulumi's own mocks: what they register is what the engine would get."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pytest


@dataclass
class Registered:
    """Inputs of every resource, by (type, name)."""

    resources: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    def of(self, type_: str) -> dict[str, dict[str, Any]]:
        return {name: inputs for (found, name), inputs in self.resources.items() if found.endswith(type_)}


class _Mocks(pulumi.runtime.Mocks):
    def __init__(self, registered: Registered) -> None:
        self._registered = registered

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self._registered.resources[args.typ, args.name] = args.inputs
        return args.name, args.inputs

    def call(self, args: pulumi.runtime.MockCallArgs) -> dict[str, Any]:
        raise AssertionError(f"the program calls {args.token}")


@pytest.fixture
def pulumi_loop() -> Iterator[None]:
    """The thread's event loop, which Pulumi's outputs take; other tests leave it unset."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    loop.run_until_complete(asyncio.gather(*asyncio.all_tasks(loop), return_exceptions=True))
    asyncio.set_event_loop(None)
    loop.close()


@pytest.fixture
def register(pulumi_loop: None) -> Callable[[Callable[[], object]], Registered]:
    def run(program: Callable[[], object]) -> Registered:
        registered = Registered()
        pulumi.runtime.set_mocks(_Mocks(registered), project="footplate", stack="local")
        pulumi.runtime.test(program)()
        return registered

    return run
