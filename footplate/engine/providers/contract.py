"""What manages resources of one package: the engine's side of Pulumi's provider protocol, in Python.

A provider decides on values and calls its API; URNs, ordering, state and policies are the deployment's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from footplate.engine.changes import Change
from footplate.engine.paths import Path
from footplate.engine.state.model import Resource
from footplate.engine.values import Properties

Say = Callable[[str], None]
"""Takes a sentence on what an operation is waiting for."""


@dataclass(frozen=True)
class Check:
    urn: str
    type: str
    name: str
    inputs: Properties
    old: Resource | None = None
    preview: bool = False


@dataclass(frozen=True)
class Diff:
    """`gone`: the resource no longer exists and is to be created again."""

    changes: Sequence[Change] = ()
    delete_before_replace: bool = False
    """In case it is replaced, for whatever reason: two of them cannot be side by side."""
    gone: bool = False
    outputs: Properties | None = None
    """The present outputs, where they were read on the way."""

    @property
    def replaces(self) -> bool:
        return any(change.forces_replacement for change in self.changes)


NO_DIFF = Diff()


@dataclass(frozen=True)
class Request:
    """A change to make. `new.inputs` are checked; `old` is the state before (None: there is none)."""

    new: Resource
    old: Resource | None = None
    ignore_changes: Sequence[Path] = ()
    changes: Sequence[Change] = ()
    preview: bool = False
    unsure: bool = False
    """`old` does not say how it came to be as it is: the inputs are compared with the thing itself."""
    occupied: bool = False
    """The old one still has its place in this preview, and will have left it when the new one is created."""
    claimed: Callable[[str], str | None] = field(default=lambda id: None)
    """The URN of this stack's resource of the same type and provider that has an id, if another one has it."""


@dataclass(frozen=True)
class Outcome:
    """`problems`: it exists, but something did not come about (it never became ready); kept in the state."""

    id: str
    outputs: Properties
    problems: Sequence[str] = ()
    notes: Sequence[str] = ()
    """For the person: what was done besides (an object adopted, a field taken over)."""


class Provider(Protocol):
    @property
    def plans_only(self) -> str:
        """Why this provider cannot change anything; empty where it can."""
        ...

    async def check(self, check: Check) -> Properties:
        """The inputs with names and defaults filled in. Raises ResourceFailed where they cannot be right."""
        ...

    async def diff(self, request: Request) -> Diff: ...

    async def create(self, request: Request, say: Say) -> Outcome: ...

    async def update(self, request: Request, say: Say) -> Outcome: ...

    async def delete(self, resource: Resource, say: Say) -> None:
        """Returns when it is gone."""
        ...

    async def read(self, resource: Resource) -> Outcome | None:
        """As it is now, found by its id; None where it does not exist."""
        ...

    async def find_created(self, resource: Resource) -> Outcome | None:
        """What an interrupted creation of `resource` left; None where it left nothing that is ours."""
        ...

    def identity(self, resource: Resource) -> str:
        """Of the thing itself, whatever it is called: equal for two resources that are one thing. Empty: not known."""
        ...

    def holds(self, container: Resource, other: Resource) -> bool:
        """Whether deleting `container` deletes `other` too."""
        ...

    async def contents(self, resource: Resource) -> str:
        """What people have in it and would lose with it, such as `2 Workspaces, 1 volume of 10Gi`; empty: nothing."""
        ...

    async def close(self) -> None: ...
