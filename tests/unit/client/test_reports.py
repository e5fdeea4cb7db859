from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from footplate.api import TrainingJob
from footplate.client import reports

NOW = datetime(2026, 1, 8, tzinfo=UTC)


def hours(count: float) -> datetime:
    return NOW - timedelta(hours=count)


def job(name: str, team: str = "vision", owner: str = "ada", gpus: int = 8, **status: Any) -> TrainingJob:
    spec = {"command": ["x"], "owner": owner, "resources": {"gpu": {"count": gpus}}}
    return msgspec.convert(
        {"metadata": {"name": name, "namespace": f"team-{team}"}, "spec": spec, "status": status}, TrainingJob
    )


DONE = job(
    "done",
    phase="Succeeded",
    finishedAt=hours(2),
    attempts=[{"number": 1, "nodes": 2, "start": hours(5), "running": hours(4), "end": hours(2)}],
    goodput={"productiveSeconds": 7200, "lostSeconds": {"startup": 3600}},
)
RUNS = job("runs", owner="bob", phase="Running", attempts=[{"number": 1, "nodes": 1, "start": hours(3), "running": hours(3)}])  # fmt: skip
OLD = job("old", team="speech", phase="Failed", finishedAt=hours(500), attempts=[])


def test_goodput_by_team_with_what_is_still_open() -> None:
    (row,) = reports.goodput([DONE, RUNS], "team", NOW)
    assert (row.name, row.jobs, row.attempts, row.productive_seconds) == ("vision", 2, 2, 7200)
    assert (row.lost_seconds, row.open_seconds) == ({"startup": 3600}, 10800)
    assert row.share == 2 / 3
    assert reports.goodput([OLD], "team", NOW)[0].share is None


def test_gpu_hours_by_owner_since_a_time() -> None:
    rows = reports.usage([DONE, RUNS], "owner", None, NOW)
    assert [(r.name, r.gpu_hours, r.node_hours, r.running) for r in rows] == [("ada", 32, 4, 0), ("bob", 24, 3, 1)]
    late = reports.usage([DONE, RUNS], "owner", hours(3), NOW)
    assert [(r.name, r.gpu_hours) for r in late] == [("bob", 24), ("ada", 16)]


def test_jobs_that_ended_before_are_left_out() -> None:
    assert [j.metadata.name for j in reports.since([DONE, RUNS, OLD], hours(24))] == ["done", "runs"]
