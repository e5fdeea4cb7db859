"""The metrics that a job reported (`footplate.training.report`), across its attempts."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

from footplate.api import TrainingJob, records
from footplate.api.trainingjob import Attempt
from footplate.client import jobs
from footplate.client.observing import read
from footplate.client.records import segments
from footplate.client.records.segments import Gap
from footplate.client.session import Session
from footplate.client.store import at, using
from footplate.errors import BadUsage, NotFound

Row = dict[str, Any]
"""`step`, `time` (seconds since 1970), `attempt`, and what was reported, by its name."""

MOST = 100_000
"""Rows of one set of names that are held of an attempt; of more, every other, every fourth and so on."""

_ABOUT = ("step", "time", "attempt")


@dataclass
class _Thinned:
    rows: list[Row] = field(default_factory=list[Row])
    stride: int = 1
    count: int = 0

    def add(self, row: Row) -> None:
        if self.count % self.stride == 0:
            self.rows.append(row)
        self.count += 1
        if len(self.rows) > MOST:
            self.rows, self.stride = self.rows[::2], 2 * self.stride


async def rows(session: Session, name: str, attempt: int | None = None) -> list[Row]:
    """In the order of steps. Of attempts that did the same steps the later one counts. Raises NotFound where none is kept."""
    job = read(await jobs.get(session, name), TrainingJob)
    chosen = [one for one in job.status.attempts if attempt in (None, one.number)]
    if attempt is not None and not chosen:
        raise BadUsage(f"Job {name} has no attempt {attempt}.", f"see `footplate job attempts {name}`")
    found = latest([row for one in chosen for row in await _of(session, one)])
    if not found:
        raise NotFound(
            f"Nothing is kept of metrics of job {name}.",
            "a program reports them with footplate.training.report(step, loss=…); they are there some seconds later",
        )
    return found


async def _of(session: Session, attempt: Attempt) -> list[Row]:
    if attempt.log_uri is None:
        return []
    by_names: dict[tuple[str, ...], _Thinned] = {}
    async with at(session, attempt.log_uri) as location:
        with using(location, "read the metrics"):
            pieces = (await segments.listing(location, records.METRICS)).get(records.METRICS, [])
            async with aclosing(segments.lines(location, records.METRICS, pieces)) as lines:
                async for line in lines:
                    row = None if isinstance(line, Gap) else _row(line, attempt.number)
                    if row is not None:
                        by_names.setdefault(tuple(row), _Thinned()).add(row)
    return [row for thinned in by_names.values() for row in thinned.rows]


def _row(line: bytes, attempt: int) -> Row | None:
    """None for what is torn."""
    try:
        found: Any = json.loads(line)
    except ValueError:
        return None
    if not isinstance(found, dict):
        return None
    values = cast(Row, found)
    if not isinstance(values.get("step"), int) or not isinstance(values.get("time"), (int, float)):
        return None
    said = {name: _number(value) for name, value in values.items() if name not in _ABOUT}
    return {"step": values["step"], "time": values["time"], "attempt": attempt, **said}


def _number(value: object) -> object:
    return float(value) if isinstance(value, str) and value in ("NaN", "Infinity", "-Infinity") else value


def latest(rows: Iterable[Row]) -> list[Row]:
    """What an attempt did from the first step of a later one on was done again, or is lost: as TensorBoard purges it."""
    found = sorted(rows, key=lambda row: (row["attempt"], row["step"], row["time"]))
    firsts = {row["attempt"]: row["step"] for row in reversed(found)}
    kept = [
        row
        for row in found
        if all(row["step"] < first for attempt, first in firsts.items() if attempt > row["attempt"])
    ]
    return sorted(kept, key=lambda row: (row["step"], row["time"]))


def names(rows: Iterable[Row]) -> list[str]:
    """Of metrics, in the order in which they first came."""
    return list(dict.fromkeys(name for row in rows for name in row if name not in _ABOUT))


class Point(NamedTuple):
    step: int
    value: float


def points(rows: Iterable[Row], metric: str) -> list[Point]:
    """Its numbers; what is not finite, and text, is left out."""
    return [
        Point(row["step"], float(row[metric]))
        for row in rows
        if isinstance(row.get(metric), (int, float)) and math.isfinite(row[metric])
    ]


@dataclass(frozen=True)
class Summary:
    metric: str
    points: int
    first: Point | None
    last: Point | None
    lowest: Point | None
    highest: Point | None


def summary(rows: Sequence[Row], metric: str) -> Summary:
    found = points(rows, metric)
    if not found:
        return Summary(metric, 0, None, None, None, None)
    return Summary(
        metric,
        len(found),
        found[0],
        found[-1],
        min(found, key=lambda point: point.value),
        max(found, key=lambda point: point.value),
    )
