from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from footplate.api.trainingjob import Attempt, Cause, CauseClass, JobPhase
from footplate.controllers.jobmetrics import JobMetrics
from footplate.controllers.trainingjob.goodput import goodput
from tests.unit.controllers.build import NOW, job

START = NOW - timedelta(hours=1)  # when the job was made


def at(minutes: float) -> Any:
    return START + timedelta(minutes=minutes)


def attempt(
    number: int, start: float, running: float | None, end: float, kept: float | None = None, class_: str = ""
) -> Attempt:
    cause = Cause(CauseClass(class_), "x", reason="Suspended" if class_ == "Cancelled" else "") if class_ else None
    step = number * 10 if kept is not None else None
    return Attempt(
        number=number,
        start=at(start),
        running=at(running) if running is not None else None,
        end=at(end),
        cause=cause,
        checkpoint_step=step,
        checkpoint_at=at(kept) if kept is not None else None,
    )


@pytest.mark.parametrize(
    ("attempts", "productive", "lost"),
    [
        ((attempt(1, 5, 7, 37),), 30, {"queue": 5, "startup": 2}),
        ((attempt(1, 0, 1, 21, 15, "Infra"), attempt(2, 22, 24, 44)), 34, {"startup": 3, "infra": 6, "recovery": 1}),
        ((attempt(1, 0, 1, 11, None, "App"), attempt(2, 11, 12, 22)), 10, {"startup": 2, "app": 10}),
        ((attempt(1, 0, None, 20, None, "Infra"), attempt(2, 20, 21, 31)), 10, {"startup": 21}),
        ((attempt(1, 0, 1, 11, 11, "Cancelled"), attempt(2, 41, 42, 52)), 20, {"startup": 2, "suspended": 30}),
    ],
)
def test_time_is_productive_where_its_work_was_kept(
    attempts: tuple[Attempt, ...], productive: int, lost: dict[str, int]
) -> None:
    found = goodput(job(), attempts, JobPhase.SUCCEEDED)
    assert found is not None
    assert found.productive_seconds == productive * 60
    assert found.lost_seconds == {name: minutes * 60 for name, minutes in lost.items()}
    whole = attempts[-1].end - START
    assert found.productive_seconds + sum(found.lost_seconds.values()) == whole.total_seconds(), "all of it is told"


def test_nothing_is_said_before_an_attempt_has_ended() -> None:
    assert goodput(job(), (), JobPhase.QUEUED) is None
    assert goodput(job(), (Attempt(number=1, start=NOW),), JobPhase.RUNNING) is None


def test_a_checkpoint_that_it_only_started_from_keeps_nothing() -> None:
    resumed = attempt(1, 0, 1, 11, 5, "Infra")
    same = Attempt(**{f: getattr(resumed, f) for f in resumed.__struct_fields__ if f != "start_step"}, start_step=10)
    found = goodput(job(), (same,), JobPhase.RECOVERING)
    assert found is not None
    assert found.productive_seconds == 0


def test_the_metrics_add_up_the_jobs_of_a_team() -> None:
    status = {"phase": "Succeeded", "goodput": {"productiveSeconds": 60, "lostSeconds": {"queue": 5}}}
    lost = {"number": 1, "end": "2026-01-01T00:00:00Z", "cause": {"class": "Infra", "reason": "NodeGone"}}
    registry = CollectorRegistry()
    registry.register(JobMetrics([job(status), job({**status, "attempts": [lost]})]))
    text = generate_latest(registry).decode()
    assert 'footplate_job_seconds{kind="productive",team="vision"} 120.0' in text
    assert 'footplate_job_seconds{kind="queue",team="vision"} 10.0' in text
    assert 'footplate_jobs{phase="Succeeded",team="vision"} 2.0' in text
    assert 'footplate_lost_attempts{class="Infra",reason="NodeGone",team="vision"} 1.0' in text
