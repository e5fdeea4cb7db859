"""Whether an attempt hangs, from what the agents of its pods say: a pure decision that errs on the side of going on.

- An attempt hangs when **none** of its ranks has reported a step for `spec.hangTimeout`. While one advances it does not:
  what waits for the others in a collective stops soon enough.
- What is not known is not a hang: each node must have told of itself lately, and silences are those that its agent
  measured, which do not grow while nobody hears of it. So a collector that was away makes nothing hang.
- Until a rank has reported `WARM` times (the first step loads and compiles), and while a checkpoint is being written, the
  bound is `Bounds.first_step` where that is longer. Growing checkpoint files are progress.
- A job that reports no steps hangs when all of its ranks neither use the CPU nor print for `spec.hangTimeout`, once
  `Bounds.first_step` has passed since they began. A collective that spins is not found in this way.
- Before it is ended the stacks of all ranks are asked for, and waited for, for `Bounds.dump`; a rank that advances
  meanwhile calls it off.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from footplate.api import TrainingJob
from footplate.api.duration import human, parse
from footplate.api.reports import RankBeat
from footplate.api.trainingjob import Attempt, CauseClass
from footplate.controllers.bounds import Bounds
from footplate.controllers.failure.rule import Ending
from footplate.controllers.trainingjob.pulse import Pulse

WARM = 3
FRESH = timedelta(seconds=30)
"""A node that has not told of itself for longer is not known; longer where reports are made to come more seldom."""
LATE = 2.5
"""Times the pace, from which a report is late."""
NAMED = 3
"""Ranks that a sentence names."""


class Vital(StrEnum):
    OFF = "Off"
    """No hangTimeout."""
    UNKNOWN = "Unknown"
    ALIVE = "Alive"
    HUNG = "Hung"


@dataclass(frozen=True)
class Finding:
    vital: Vital
    silent: timedelta = timedelta(0)
    """For how long nothing has advanced."""
    steps: bool = False
    """The ranks report steps; else their CPU and output were looked at."""


OFF, UNKNOWN = Finding(Vital.OFF), Finding(Vital.UNKNOWN)


def examine(pulse: Pulse, nodes: int, timeout: timedelta | None, bounds: Bounds) -> Finding:
    """`nodes`: how many the attempt has."""
    if timeout is None:
        return OFF
    fresh = max(FRESH, timeout / 2, timedelta(seconds=LATE * pulse.every))
    heard = [node for node in pulse.nodes if node.age <= fresh.total_seconds() and node.report.ranks]
    if len({node.rank for node in heard}) < nodes:
        return UNKNOWN
    living = [beat for _, beat in pulse.beats() if beat.state]
    if not living:
        return UNKNOWN  # all have ended, and their pods will
    said = [beat for beat in living if beat.silent is not None]
    quiet = [beat.silent or 0.0 for beat in said] if said else [beat.quiet for beat in living]
    written = [node.report.written for node in pulse.nodes if node.report.written is not None]
    silent = timedelta(seconds=min([*quiet, *written]))
    saving = any(node.report.saving for node in pulse.nodes)
    cold = all(beat.calls < WARM for beat in said) if said else _youngest(living) < bounds.first_step
    limit = max(timeout, bounds.first_step) if saving or cold else timeout
    return Finding(Vital.HUNG if silent >= limit else Vital.ALIVE, silent, bool(said))


def _youngest(living: list[RankBeat]) -> timedelta:
    return timedelta(seconds=min(beat.age for beat in living))


def timeout_of(job: TrainingJob) -> timedelta | None:
    span = parse(job.spec.hang_timeout) if job.spec.hang_timeout else None
    return span or None


def hang(job: TrainingJob, attempt: Attempt, pulse: Pulse, bounds: Bounds, now: datetime) -> Ending | None:
    """Why the attempt is to be ended, once its stacks are there or have been waited for."""
    found = examine(pulse, attempt.nodes, timeout_of(job), bounds)
    if found.vital is not Vital.HUNG or pulse.asked is None:
        return None
    if not pulse.dumped and pulse.asked < _patience(pulse, bounds).total_seconds():
        return None
    suspects = tuple(dict.fromkeys(node for node, beat in pulse.beats() if beat.state == "D"))
    reason = "NoProgress" if found.steps else "NoActivity"
    return Ending(CauseClass.HANG, evidence(pulse, found), now, reason=reason, suspects=suspects)


def _patience(pulse: Pulse, bounds: Bounds) -> timedelta:
    """An agent hears with the answer to its next report that stacks are wanted."""
    return bounds.dump + timedelta(seconds=pulse.every)


def due(pulse: Pulse, bounds: Bounds) -> timedelta | None:
    """Until the stacks have been waited for long enough."""
    return _patience(pulse, bounds) - timedelta(seconds=pulse.asked) if pulse.asked is not None else None


def evidence(pulse: Pulse, found: Finding) -> str:
    """A clause: for how long nothing went on, who differs from the others, and where they all are."""
    span = human(timedelta(seconds=round(found.silent.total_seconds())))
    what = f"no rank reported a step for {span}" if found.steps else f"no rank used the CPU or printed for {span}"
    living = [(node, beat) for node, beat in pulse.beats() if beat.state]
    steps = {beat.step for _, beat in living if beat.step is not None}
    at = f" (after step {max(steps)})" if steps else ""
    odd = _odd(living, pulse.stacks())
    named = {beat.rank for _, beat, _ in odd}
    told = [f"rank {beat.rank} on {node} {why}" for node, beat, why in odd[:NAMED]]
    if len(odd) > NAMED:
        told.append(f"and {len(odd) - NAMED} more ranks likewise")
    others = Counter(text for rank, text in pulse.stacks().items() if rank not in named)
    if others:
        text, count = others.most_common(1)[0]
        who = "the others are" if odd else "all ranks are" if count == len(living) else f"{count} ranks are"
        told.append(f"{who} in {text}")
    return f"{what}{at}" + (f": {'; '.join(told)}" if told else "")


def _odd(living: list[tuple[str, RankBeat]], stacks: dict[int, str]) -> list[tuple[str, RankBeat, str]]:
    """The ranks for which the others may be waiting; nobody where none differs."""
    stopped = [
        (node, beat, _is_at("is stopped by a signal", beat, stacks)) for node, beat in living if beat.state in "Tt"
    ]
    if stopped:
        return stopped
    stuck = [
        (node, beat, _is_at(f"waits in the kernel ({beat.waits or 'state D'})", beat, stacks))
        for node, beat in living
        if beat.state == "D"
    ]
    if stuck:
        return stuck
    return list(_behind(living, stacks)) or list(_elsewhere(living, stacks))


def _behind(living: list[tuple[str, RankBeat]], stacks: dict[int, str]) -> Iterator[tuple[str, RankBeat, str]]:
    known = [(node, beat) for node, beat in living if beat.step is not None]
    last = max((beat.step or 0 for _, beat in known), default=0)
    late = [(node, beat) for node, beat in known if (beat.step or 0) < last]
    if 2 * len(late) <= len(known):
        for node, beat in late:
            yield node, beat, _is_at(f"is at step {beat.step}", beat, stacks)


def _elsewhere(living: list[tuple[str, RankBeat]], stacks: dict[int, str]) -> Iterator[tuple[str, RankBeat, str]]:
    """Those in another function than most."""
    places = Counter(stacks[beat.rank].split(" (")[0] for _, beat in living if beat.rank in stacks)
    common = places.most_common(1)[0] if places else ("", 0)
    if 2 * common[1] <= len(living):
        return
    for node, beat in living:
        if beat.rank in stacks and stacks[beat.rank].split(" (")[0] != common[0]:
            yield node, beat, f"is in {stacks[beat.rank]}"


def _is_at(what: str, beat: RankBeat, stacks: dict[int, str]) -> str:
    return f"{what}, in {stacks[beat.rank]}" if beat.rank in stacks else what
