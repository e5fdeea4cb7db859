"""A workspace's home: the volume that outlives its pods, what is asked of it, and its snapshots in object storage."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta

from footplate.api.meta import Wire
from footplate.api.resources import Quantity, rules

#: Of a snapshot: `latest`, an id, or a time (the newest until then); of another workspace with its name before it.
REFERENCE = (
    r"^([a-z]([-a-z0-9]*[a-z0-9])?/)?"
    r"(latest|[0-9a-f]{8,64}|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2})?Z)$"
)
Reference = Annotated[str, Meta(max_length=128), Meta(extra_json_schema={"pattern": REFERENCE})]
#: Within home.
HomePath = Annotated[
    str,
    Meta(min_length=1, max_length=1024),
    rules(
        ("!self.startsWith('/') && !self.matches('(^|/)[.][.](/|$)')", "must be within home: no leading / and no ..")
    ),
]

#: In each team's namespace: the Secret that encrypts its snapshots, and its key.
PASSWORD_SECRET = "footplate-homes"
PASSWORD_KEY = "password"

#: Snapshots that a status lists.
LISTED = 16


class HomeRequest(Wire, frozen=True):
    """Done once: what has another `at` is another request."""

    at: Annotated[datetime, Meta(description="When it was asked for.")]
    restore: (
        Annotated[Reference, Meta(description="The snapshot to restore; left out: one is taken instead.")] | None
    ) = None
    paths: Annotated[
        tuple[HomePath, ...],
        Meta(max_length=64, description="What to restore; none: all of home, as soon as the workspace is stopped."),
    ] = ()
    to: (
        Annotated[HomePath, Meta(description="Where paths are restored to; left out: the directory restored-<id>.")]
        | None
    ) = None


class Home(Wire, frozen=True):
    size: Annotated[
        Quantity, Meta(description="Size of the home volume; 0 means no volume: what is written goes with the pod.")
    ] = "10Gi"
    storage_class: Annotated[str, Meta(max_length=253)] | None = None
    snapshot: (
        Annotated[
            Literal["OnStop", "Never"],
            Meta(description="Whether home is saved to object storage on stop; left out: as the platform has it."),
        ]
        | None
    ) = None
    restore_from: (
        Annotated[
            Reference,
            Meta(description="What a new home begins with: latest, an id, a time, or workspace/ and one of these."),
        ]
        | None
    ) = None
    request: Annotated[HomeRequest, Meta(description="A snapshot or a restore, now.")] | None = None


class HomeTask(Wire, frozen=True):
    """One pod's work on a home."""

    number: int
    kind: Literal["Snapshot", "Fill", "Restore", "Prune"]
    since: datetime
    asked: Annotated[datetime, Meta(description="The request's `at`, where there is one.")] | None = None


class HomeFailure(Wire, frozen=True):
    kind: str
    message: str
    times: int = 1
    asked: datetime | None = None
    retry_at: Annotated[datetime, Meta(description="Left out: another try would not help.")] | None = None
    generation: int = 0


class Snapshot(Wire, frozen=True):
    id: str
    at: datetime
    size: Annotated[int, Meta(description="Bytes of home.")] | None = None
    added: Annotated[int, Meta(description="Bytes that were new in it.")] | None = None


class Answer(Wire, frozen=True):
    """How the last request ended."""

    at: Annotated[datetime, Meta(description="The request's.")]
    done: bool
    message: str


class HomeStatus(Wire, frozen=True):
    tasks: Annotated[int, Meta(description="How many there were; they number the pods.")] = 0
    task: Annotated[HomeTask, Meta(description="Under way.")] | None = None
    failure: Annotated[HomeFailure, Meta(description="Of the last task, until one succeeds.")] | None = None
    unsaved: Annotated[bool, Meta(description="It may have been written to since the last snapshot.")] = False
    incomplete: Annotated[str, Meta(description="What the last snapshot lacks.")] | None = None
    answer: Answer | None = None
    filled: Annotated[str, Meta(description="UID of the claim that restoreFrom was restored to.")] | None = None
    saved_for: Annotated[str, Meta(description="UID of the pod that was saved before its node went.")] | None = None
    snapshots: Annotated[tuple[Snapshot, ...], Meta(description="Verified ones, the newest first.")] = ()
    total: Annotated[int, Meta(description="Snapshots that are kept in all.")] = 0
    unpruned: Annotated[int, Meta(description="Snapshots since old ones were last removed.")] = 0


class HomeReport(Wire, frozen=True):
    """What the pod of a task says as it ends, in its termination message."""

    snapshots: tuple[Snapshot, ...] = ()
    total: int = 0
    message: str = ""
