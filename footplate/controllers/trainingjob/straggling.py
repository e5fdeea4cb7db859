"""Ranks that have been slower than the others for some time, in the status; and the nodes that are to blame for it."""

from __future__ import annotations

from datetime import datetime

import msgspec

from footplate.api import TrainingJob
from footplate.api.stragglers import stragglers
from footplate.api.trainingjob import Attempt, JobPhase, Progress, Straggler
from footplate.controllers.bounds import Bounds
from footplate.controllers.trainingjob.pulse import Pulse

MOST = 16
"""Ranks in the status, the slowest first."""


def seen(job: TrainingJob, pulse: Pulse, phase: JobPhase, far: Progress | None, now: datetime) -> tuple[Straggler, ...]:
    """Looked at whenever progress is written: nothing is written for it alone."""
    if phase is not JobPhase.RUNNING or not pulse.nodes:
        return ()
    before = job.status.stragglers
    return before if far == job.status.progress else slow_ranks(before, pulse, now)


def slow_ranks(before: tuple[Straggler, ...], pulse: Pulse, now: datetime) -> tuple[Straggler, ...]:
    """Those of now, each since when it was first seen among them."""
    since = {(one.rank, one.node): one.since for one in before}
    nodes = {beat.rank: node for node, beat in pulse.beats()}
    found = [
        Straggler(rank, nodes[rank], round(slow.times, 1), since.get((rank, nodes[rank]), now.replace(microsecond=0)))
        for rank, slow in stragglers(pulse.beats()).ranks.items()
    ]
    return tuple(sorted(found, key=lambda one: (-one.times, one.rank))[:MOST])


def blamed(attempt: Attempt, slow: tuple[Straggler, ...], bounds: Bounds, now: datetime) -> Attempt:
    """With the nodes whose ranks have been slow for long enough."""
    nodes = [one.node for one in slow if now - one.since >= bounds.straggling]
    names = tuple(dict.fromkeys((*attempt.slow_nodes, *nodes)))
    return attempt if names == attempt.slow_nodes else msgspec.structs.replace(attempt, slow_nodes=names)
