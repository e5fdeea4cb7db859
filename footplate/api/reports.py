"""What pods report to the collector, over HTTP with their own token: one body a kind, told apart by `kind`.

All times are spans that the pod measured on its monotonic clock, so that clocks need not agree.
"""

from typing import Annotated

from msgspec import Meta

from footplate.api.meta import Wire

PATH = "/v1/report"
#: Of a body, in bytes: a node of 256 ranks with their stacks.
LARGEST = 256 * 1024
#: Characters of a rank's stack in a report; all of it is in the object store.
EXCERPT = 500

Seconds = Annotated[float, Meta(ge=0, le=1e9)]
Step = Annotated[int, Meta(ge=0, lt=10**12)]
Texts = Annotated[tuple[Annotated[str, Meta(max_length=200)], ...], Meta(max_length=8)]
Agent = Annotated[str, Meta(min_length=1, max_length=32, description="Another after each start of the agent.")]


class ActivityReport(Wire, frozen=True, tag_field="kind", tag="Activity"):
    """A workspace: whether it is in use."""

    agent: Agent
    sequence: Annotated[int, Meta(ge=0)]
    age: Annotated[Seconds, Meta(description="Since the agent began to look.")]
    idle: Annotated[Seconds, Meta(description="Since the last activity; left out where it saw none.")] | None = None
    reasons: Annotated[Texts, Meta(description="What makes it active; none: it is not.")] = ()
    passive: Annotated[Texts, Meta(description="What is there and is no activity.")] = ()
    blind: Annotated[str, Meta(max_length=200, description="Why it cannot tell; empty: it can.")] = ""
    home: Annotated[float, Meta(ge=0, le=1, description="How full the volume of home is.")] | None = None


class RankBeat(Wire, frozen=True):
    """One process of a job."""

    rank: Annotated[int, Meta(ge=0, le=10**7)]
    state: Annotated[str, Meta(max_length=1, description="As in /proc/<pid>/stat; empty: it has ended.")] = ""
    waits: Annotated[str, Meta(max_length=64, description="/proc/<pid>/wchan.")] = ""
    age: Annotated[Seconds, Meta(description="Since its process began.")] = 0.0
    cpu: Annotated[Seconds, Meta(description="Used so far, with its descendants.")] = 0.0
    cores: Annotated[float, Meta(ge=0, le=10**5, description="Used between the last two looks.")] = 0.0
    memory: Annotated[int, Meta(ge=0, description="Resident bytes, with its descendants.")] = 0
    quiet: Annotated[Seconds, Meta(description="Since it last used the CPU or printed.")] = 0.0
    step: Step | None = None
    calls: Annotated[int, Meta(ge=0, description="Reports of steps so far.")] = 0
    silent: Annotated[Seconds, Meta(description="Since its last report of a step.")] | None = None
    step_seconds: Annotated[Seconds, Meta(description="Of one step, lately.")] | None = None
    own_seconds: (
        Annotated[Seconds, Meta(description="Of one step, without waiting for others; where it says so.")] | None
    ) = None


class RankStack(Wire, frozen=True):
    rank: Annotated[int, Meta(ge=0, le=10**7)]
    text: Annotated[str, Meta(max_length=EXCERPT)]


class HeartbeatReport(Wire, frozen=True, tag_field="kind", tag="Heartbeat"):
    """One node of a job's attempt: how far its ranks are."""

    agent: Agent
    sequence: Annotated[int, Meta(ge=0)]
    ranks: Annotated[tuple[RankBeat, ...], Meta(max_length=256)] = ()
    total_steps: Step | None = None
    saving: Annotated[bool, Meta(description="A checkpoint is being written.")] = False
    written: Annotated[Seconds, Meta(description="Since its checkpoints' files last changed.")] | None = None
    checkpoint_step: Annotated[Step, Meta(description="The newest one that is in the store.")] | None = None
    checkpoint_age: Seconds | None = None
    stacks: Annotated[tuple[RankStack, ...], Meta(max_length=256)] = ()
    dumped: Annotated[str, Meta(max_length=64, description="The request that the stacks answer.")] = ""


#: In the run directory of a job's pod: what the agent saw at its last look.
LAST_BEAT = "beat.json"


class LastBeat(Wire, frozen=True):
    """`time`: Unix seconds, by the node's clock."""

    time: float
    ranks: tuple[RankBeat, ...] = ()
    total_steps: int | None = None


class Stack(Wire, frozen=True):
    """What a rank is doing: `excerpt` is its main thread, innermost first; `text` all that is known."""

    rank: int
    excerpt: str
    text: str


Report = ActivityReport | HeartbeatReport


class Answer(Wire, frozen=True):
    """How the pod goes on, in seconds: between reports, between looks, and for how long a sighting is a reason."""

    every: float
    sample: float
    recent: float = 0.0
    dump: str = ""
    """A job: dump the stacks of its ranks, once for each value that is not empty."""
