"""Workspace: one person's interactive environment."""

import hashlib
import re
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from msgspec import Meta

from footplate.api.home import Home, HomeStatus
from footplate.api.meta import API_VERSION, Condition, ObjectMeta, Wire
from footplate.api.resources import Datasets, Duration, Env, Owner, Resources, TeamName, rules

PORT = 8888
HOME = "/home/footplate"
DEFAULT_OWNER = "default"
TOKEN_KEY = "token"
#: By IDE: in the environment of its server.
TOKEN_VARIABLES = {"jupyterlab": "JUPYTER_TOKEN", "vscode": "PASSWORD"}


def owner_slug(owner: str | None) -> str:
    """The owner as a label's value and in names: `alice`; `alice@example.com` → `alice-example-com-4f2a90`."""
    owner = owner or DEFAULT_OWNER
    slug = re.sub(r"[^a-z0-9]+", "-", owner.lower()).strip("-")[:40].strip("-")
    if slug == owner:
        return slug
    return f"{slug}-{hashlib.sha256(owner.encode()).hexdigest()[:6]}".lstrip("-")


def token_secret(owner: str | None) -> str:
    """The Secret in the team's namespace whose key ``token`` opens the owner's workspaces."""
    return f"workspace-token-{owner_slug(owner)}"


class WorkspacePhase(StrEnum):
    QUEUED = "Queued"
    STARTING = "Starting"
    RUNNING = "Running"
    STOPPING = "Stopping"
    STOPPED = "Stopped"
    FAILED = "Failed"


class Idle(Wire, frozen=True):
    """What is left out is as the platform's administrator says, who also bounds what is set."""

    timeout: Annotated[Duration, Meta(description="Idle for so long it is stopped.")] | None = None
    warn_before: Annotated[Duration, Meta(description="Its owner hears of the stop so long before.")] | None = None
    max_extension: Annotated[Duration, Meta(description="How far keepUntil can put the stop off.")] | None = None
    keep_until: (
        Annotated[
            datetime, Meta(description="Not stopped for idleness before then; at most maxExtension later than due.")
        ]
        | None
    ) = None
    stop_when_finished: Annotated[
        bool, Meta(description="Stop it as soon as nothing runs in it; the platform clears this when it does.")
    ] = False


class WorkspaceSpec(Wire, frozen=True):
    environment: Annotated[str, Meta(min_length=1, max_length=253, description="Name of an Environment.")] | None = None
    image: (
        Annotated[
            str,
            Meta(
                min_length=1, max_length=512, description="An image allowed by the platform, instead of an Environment."
            ),
        ]
        | None
    ) = None
    desired_state: Literal["Running", "Stopped"] = "Running"
    resources: Resources = Resources()
    home: Annotated[
        Home,
        rules(
            (
                "self.size == oldSelf.size || quantity(self.size).compareTo(quantity(oldSelf.size)) > 0",
                "home.size can grow but not shrink",
            ),
            (
                "(has(self.storageClass) ? self.storageClass : '') == (has(oldSelf.storageClass) ? oldSelf.storageClass : '')",
                "home.storageClass cannot be changed",
            ),
            (
                "(has(self.restoreFrom) ? self.restoreFrom : '') == (has(oldSelf.restoreFrom) ? oldSelf.restoreFrom : '')",
                "home.restoreFrom cannot be changed: it is what a new home begins with. Restore with home.request",
            ),
        ),
    ] = Home()
    datasets: Datasets = ()
    idle: Idle | None = None
    ide: Literal["jupyterlab", "vscode"] = "jupyterlab"
    team: Annotated[TeamName, Meta(description="Set by the platform from the namespace when left out.")] | None = None
    owner: Annotated[Owner, Meta(description="The user it belongs to; default: `default`.")] | None = None
    priority: Literal["interactive", "training", "batch"] = "interactive"
    env: Env = {}


class Activity(Wire, frozen=True):
    state: Literal["Active", "Idle", "Unknown"] = "Unknown"
    last_active: (
        Annotated[
            datetime, Meta(description="Of an active one: when its reasons were written; else the last activity.")
        ]
        | None
    ) = None
    reasons: Annotated[tuple[str, ...], Meta(description="What runs; of an idle one, what does not count.")] = ()
    unknown_since: datetime | None = None
    warned_at: Annotated[datetime, Meta(description="Since when its owner can know of the coming stop.")] | None = None
    claimed_by: (
        Annotated[str, Meta(description="Who waits for its GPU: `job team/name` or `workspace team/name`.")] | None
    ) = None
    claimed_at: datetime | None = None


class WorkspaceStatus(Wire, frozen=True):
    phase: WorkspacePhase | None = None
    conditions: tuple[Condition, ...] = ()
    url: (
        Annotated[
            str, Meta(description="Address within the cluster; `footplate workspace open` makes one for the host.")
        ]
        | None
    ) = None
    pod_name: str | None = None
    node_name: str | None = None
    started_at: datetime | None = None
    activity: Activity | None = None
    stops_at: datetime | None = None
    restarts: Annotated[
        int, Meta(description="Starts in a row that ended early; each doubles the wait before the next.")
    ] = 0
    lost_pod: Annotated[str | None, Meta(description="UID of the last pod whose end is counted.")] = None
    home_uid: Annotated[str | None, Meta(description="UID of its home's volume claim.")] = None
    home: HomeStatus | None = None
    retry_at: Annotated[datetime | None, Meta(description="No new start before this time.")] = None
    message: Annotated[str, Meta(description="One sentence: what it waits for, or why it stopped.")] | None = None
    observed_generation: int = 0


class Workspace(Wire, frozen=True, omit_defaults=False):
    metadata: ObjectMeta
    spec: WorkspaceSpec
    status: WorkspaceStatus = WorkspaceStatus()
    api_version: str = API_VERSION
    kind: str = "Workspace"
