"""Which ranks, and which nodes, take clearly longer for a step than the others: medians, which a few slow ones do not move.

A rank is slow where its time is both far from the median by the scatter of the others (the median absolute deviation,
scaled to a standard deviation) and a good part of it longer. Where processes meet in each step, all of them take as long
as the slowest one: only the time of their own work (`footplate.training.own_work`) tells them apart, and is taken where
it is there.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

from footplate.api.reports import RankBeat

T = TypeVar("T", int, str)

FEWEST = 3
"""Of fewer, nobody can say which is the odd one."""
DEVIATIONS = 5.0
LONGER = 1.25
"""Times the median."""
_TO_SIGMA = 1.4826
_LEAST_SCATTER = 0.02
"""Of the median: clocks and schedulers jitter."""


@dataclass(frozen=True)
class Slow:
    """`times` the median of all."""

    seconds: float
    times: float


@dataclass(frozen=True)
class Stragglers:
    ranks: Mapping[int, Slow]
    nodes: Mapping[str, Slow]
    """By name: those whose ranks' median is an outlier among the nodes."""


NONE = Stragglers({}, {})


def stragglers(beats: Iterable[tuple[str, RankBeat]]) -> Stragglers:
    """`beats`: each with the name of its node."""
    found = [(node, beat) for node, beat in beats if beat.state and beat.step_seconds is not None]
    own = all(beat.own_seconds is not None for _, beat in found)
    times = [(node, beat.rank, (beat.own_seconds if own else beat.step_seconds) or 0.0) for node, beat in found]
    by_node: dict[str, list[float]] = {}
    for node, _, seconds in times:
        by_node.setdefault(node, []).append(seconds)
    return Stragglers(
        outliers({rank: seconds for _, rank, seconds in times}),
        outliers({node: median(seconds) for node, seconds in by_node.items()}),
    )


def outliers(seconds: Mapping[T, float]) -> dict[T, Slow]:
    """Those that are slow, by their keys."""
    if len(seconds) < FEWEST:
        return {}
    middle = median(seconds.values())
    scatter = max(_TO_SIGMA * median(abs(one - middle) for one in seconds.values()), _LEAST_SCATTER * middle)
    least = max(middle + DEVIATIONS * scatter, LONGER * middle)
    return {key: Slow(one, one / middle) for key, one in seconds.items() if middle > 0 and one > least}
