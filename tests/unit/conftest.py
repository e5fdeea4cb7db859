"""Runs the components against Pulumi's own mocks: what they register is what the engine would get."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pytest

#: What look-ups in a cloud say.
ANSWERS: dict[str, dict[str, Any]] = {
    "gcp:organizations/getProject:getProject": {"number": "123456789012", "projectId": "acme-ml"},
}


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
        if args.token not in ANSWERS:
            raise AssertionError(f"the program calls {args.token}")
        return ANSWERS[args.token]


@contextmanager
def event_loop() -> Iterator[None]:
    """The thread's event loop, which Pulumi's outputs take; other tests leave it unset."""
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    yield
    loop.run_until_complete(asyncio.gather(*asyncio.all_tasks(loop), return_exceptions=True))
    asyncio.set_event_loop(None)
    loop.close()


def run_program(program: Callable[[], object], preview: bool = False) -> Registered:
    """`preview`: what only the cloud knows is unknown, as it is in a preview. Within an `event_loop`."""
    registered = Registered()
    pulumi.runtime.set_mocks(_Mocks(registered), project="footplate", stack="local", preview=preview)
    pulumi.runtime.test(program)()
    return registered


@pytest.fixture
def pulumi_loop() -> Iterator[None]:
    with event_loop():
        yield


@pytest.fixture
def register(pulumi_loop: None) -> Callable[[Callable[[], object]], Registered]:
    return run_program
