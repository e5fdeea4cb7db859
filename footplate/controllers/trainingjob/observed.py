"""What a TrainingJob's state and children were when it was looked at, attempt by attempt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from footplate.api import TrainingJob, labels
from footplate.api.trainingjob import Attempt
from footplate.controllers.bounds import Bounds
from footplate.controllers.caches import Facts
from footplate.controllers.cluster import Admission, Bare, Job, Metadata, Node, Pod, PodGroup
from footplate.controllers.refusal import Refusal
from footplate.controllers.trainingjob.pulse import SILENT, Pulse


@dataclass(frozen=True)
class Observed:
    facts: Facts
    jobs: Mapping[int, Job] = field(default_factory=dict[int, Job])
    """By attempt; likewise the others."""
    pods: Mapping[int, tuple[Pod, ...]] = field(default_factory=dict[int, tuple[Pod, ...]])
    groups: Mapping[int, PodGroup] = field(default_factory=dict[int, PodGroup])
    services: Mapping[int, Bare] = field(default_factory=dict[int, Bare])
    nodes: Mapping[str, Node | None] = field(default_factory=dict[str, Node | None])
    """Those of the current attempt's pods; None where there is none of the name any more."""
    admission: Admission | None = None
    """What Kueue says of the current attempt."""
    claimed_by: TrainingJob | None = None
    """A job of higher priority for which it should make room now."""
    holds_for: str | None = None
    """The job for which it made room and which has not taken it yet."""
    pods_refused: str | None = None
    """Why the Job's controller cannot make its pods, where that has been asked."""
    unseen: str | None = None
    """A clause on ranks that run and are not among `pods`."""
    refused: Refusal | None = None
    """The API server did not take a child, and the next try is not yet due."""
    bounds: Bounds = field(default_factory=Bounds)
    pulse: Pulse = SILENT
    """What the current attempt's agents say."""
    reporting: int = 0
    """How many attempts report, on the whole platform."""


def current(job: TrainingJob) -> int:
    """The number of the attempt that runs or is to come; its objects' names derive from it."""
    last = last_attempt(job)
    if last is None:
        return 1
    return last.number if last.end is None else last.number + 1


def last_attempt(job: TrainingJob) -> Attempt | None:
    return job.status.attempts[-1] if job.status.attempts else None


def attempt_name(job: TrainingJob, number: int) -> str:
    return f"{job.metadata.name}-{number}"


def number_of(metadata: Metadata) -> int:
    """The attempt to which a child belongs; 0 where its label is none of ours."""
    text = metadata.labels.get(labels.ATTEMPT, "")
    return int(text) if text.isdecimal() else 0
