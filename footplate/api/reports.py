"""What pods report to the collector, over HTTP with their own token: one body a kind, told apart by `kind`.

All times are spans that the pod measured on its monotonic clock, so that clocks need not agree.
"""

from typing import Annotated

from msgspec import Meta

from footplate.api.meta import Wire

PATH = "/v1/report"
#: Of a body, in bytes.
LARGEST = 8192

Seconds = Annotated[float, Meta(ge=0, le=1e9)]
Texts = Annotated[tuple[Annotated[str, Meta(max_length=200)], ...], Meta(max_length=8)]


class ActivityReport(Wire, frozen=True, tag_field="kind", tag="Activity"):
    """A workspace: whether it is in use."""

    agent: Annotated[str, Meta(min_length=1, max_length=32, description="Another after each start of the agent.")]
    sequence: Annotated[int, Meta(ge=0)]
    age: Annotated[Seconds, Meta(description="Since the agent began to look.")]
    idle: Annotated[Seconds, Meta(description="Since the last activity; left out where it saw none.")] | None = None
    reasons: Annotated[Texts, Meta(description="What makes it active; none: it is not.")] = ()
    passive: Annotated[Texts, Meta(description="What is there and is no activity.")] = ()
    blind: Annotated[str, Meta(max_length=200, description="Why it cannot tell; empty: it can.")] = ""


#: Grows by the heartbeats of jobs.
Report = ActivityReport


class Answer(Wire, frozen=True, omit_defaults=False):
    """How the pod goes on, in seconds: between reports, between looks, and for how long a sighting is a reason."""

    every: float
    sample: float
    recent: float
