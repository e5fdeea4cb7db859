"""What a Workspace's state and children were when it was looked at."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from footplate.api import TrainingJob, Workspace, quantity
from footplate.api.workspace import WorkspacePhase
from footplate.controllers.bounds import Bounds
from footplate.controllers.caches import Facts
from footplate.controllers.cluster import Claim, Node, Pod
from footplate.controllers.refusal import Refusal
from footplate.controllers.workspace.activity import Heard
from footplate.kube.conditions import find_condition

#: Reasons of Ready=False that only a change of the spec mends.
KEEPS_ENDING = "KeepsEnding"
AT_FAULT = "RequestAtFault"
INVALID = "Invalid"
_FINAL = frozenset({KEEPS_ENDING, AT_FAULT, INVALID})


@dataclass(frozen=True)
class Observed:
    facts: Facts
    pod: Pod | None = None
    """Whatever pod has its name, its own or not; likewise `home`."""
    home: Claim | None = None
    tasks: tuple[Pod, ...] = ()
    """Its own that work on its home."""
    node: Node | None = None
    """Of its pod."""
    service: bool = False
    new_token: str = ""
    """For the owner's Secret, where it is not known to be there."""
    new_password: str = ""
    """For the team's snapshots, where the Secret of it is not known to be there."""
    settle: timedelta = timedelta(seconds=2)
    """For which a start is not spoken of; longer while the API server is busy."""
    vanished: str | None = None
    """UID of a pod that was made and is gone before any status spoke of it."""
    refused: Refusal | None = None
    """The API server did not take a child, and the next try is not yet due."""
    heard: Heard | None = None
    """Of its pod's agent."""
    claimed_by: TrainingJob | Workspace | None = None
    """Who waits for the GPU that it holds and does not use."""
    listening: timedelta = timedelta(0)
    """For how long this replica could be reported to."""
    bounds: Bounds = field(default_factory=Bounds)


def pod_name(ws: Workspace) -> str:
    return ws.metadata.name


def home_name(ws: Workspace) -> str:
    return f"{ws.metadata.name}-home"


def has_home(ws: Workspace) -> bool:
    return quantity.parse(ws.spec.home.size) > 0


def failed_for_good(ws: Workspace) -> bool:
    """It failed in a way that looking again does not mend; it stays so until its spec changes."""
    status = ws.status
    if status.phase is not WorkspacePhase.FAILED or status.observed_generation != ws.metadata.generation:
        return False
    ready = find_condition(status.conditions, "Ready")
    return ready is not None and ready.reason in _FINAL
