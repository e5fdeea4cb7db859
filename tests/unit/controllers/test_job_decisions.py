from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from footplate.api import TrainingJob, TrainingJobStatus
from footplate.api.trainingjob import Attempt, Cause, CauseClass, JobPhase
from footplate.controllers import kinds, loop
from footplate.controllers.cluster import Job, Pod, PodGroup
from footplate.controllers.refusal import Refusal
from footplate.controllers.trainingjob.attempts import retry_time
from footplate.controllers.trainingjob.controller import said
from footplate.controllers.trainingjob.desired import desired
from footplate.controllers.trainingjob.fate import first_cause
from footplate.controllers.trainingjob.observed import Observed
from footplate.controllers.trainingjob.status import next_look, status, unworkable
from tests.unit.controllers.build import BORN, NOW, UID, facts, job, scheduled

RANK = "batch.kubernetes.io/job-completion-index"


def batch(number: int = 1, *conditions: str, suspend: bool = False, at: str = "2026-01-01T12:00:00Z") -> Job:
    metadata = {
        "name": f"train-{number}",
        "uid": f"job-{number}",
        "labels": {"footplate.dev/attempt": str(number), "footplate.dev/job": "train"},
        "ownerReferences": [{"uid": UID}],
        "creationTimestamp": "2026-01-01T11:59:00Z",
    }
    listed = [{"type": c, "status": "True", "reason": c, "lastTransitionTime": at} for c in conditions]
    return msgspec.convert({"metadata": metadata, "spec": {"suspend": suspend}, "status": {"conditions": listed}}, Job)


def rank(
    index: int, phase: str = "Running", code: int | None = None, at: str = BORN, message: str = "", **metadata: Any
) -> Pod:
    state: dict[str, Any] = {"running": {"startedAt": BORN}}
    if code is not None:
        state = {"terminated": {"exitCode": code, "reason": "Error", "finishedAt": at, "message": message}}
    described = {"name": f"train-1-{index}-x", "uid": f"pod-{index}", "annotations": {RANK: str(index)}, **metadata}
    condition = scheduled("2026-01-01T11:59:30Z")
    body = {"phase": phase, "conditions": [condition], "containerStatuses": [{"name": "main", "state": state}]}
    return msgspec.convert({"metadata": described, "spec": {"nodeName": f"n{index}"}, "status": body}, Pod)


def seen(*pods: Pod, jobs: dict[int, Job] | None = None, number: int = 1, **more: Any) -> Observed:
    return Observed(facts(), jobs={1: batch()} if jobs is None else jobs, pods={number: pods}, **more)


def after(tj: TrainingJob, observed: Observed, seconds: float = 0) -> TrainingJob:
    return TrainingJob(tj.metadata, tj.spec, status(tj, observed, NOW + timedelta(seconds=seconds)))


def made(tj: TrainingJob, observed: Observed, seconds: float = 0) -> list[str]:
    children = desired(tj, observed, NOW + timedelta(seconds=seconds))
    return [f"{child.resource.kind} {child.name}" for child in children if child.body is not None]


def kept(tj: TrainingJob, observed: Observed, seconds: float = 0) -> list[str]:
    return [
        child.name for child in desired(tj, observed, NOW + timedelta(seconds=seconds)) if child.resource is kinds.JOB
    ]


def test_the_gang_and_the_names_come_before_the_pods_that_need_them() -> None:
    assert made(job(nodes=2), seen(jobs={})) == ["PodGroup train-1", "Service train-1", "Job train-1"]
    assert made(job(), seen(jobs={})) == ["Service train-1", "Job train-1"]


def test_an_attempt_is_recorded_from_its_job_even_if_that_was_made_by_a_former_life() -> None:
    begun = after(job(), seen())
    assert begun.status.attempts[0].number == 1
    assert made(begun, seen()) == ["Service train-1"], "its names are missing; its Job is not made twice"


def test_a_job_ends_with_its_pods_and_never_changes_again() -> None:
    running = after(job(nodes=2), seen(rank(0), rank(1)))
    assert running.status.phase is JobPhase.RUNNING
    done = after(running, seen(jobs={1: batch(1, "Complete")}))
    assert done.status.phase is JobPhase.SUCCEEDED
    assert done.status.attempts[0].end == NOW
    for later in (seen(jobs={}), seen(rank(0, "Failed", 1)), seen(refused=Refusal("X", "x"))):
        assert status(done, later, NOW + timedelta(days=3)) == done.status
        assert made(done, later) == []


def test_the_first_failure_is_the_cause_and_what_followed_is_not() -> None:
    first = rank(1, "Failed", 1, "2026-01-01T11:59:50Z", "RuntimeError: NCCL\n")
    others = (
        rank(0, "Failed", 143, "2026-01-01T11:59:50Z"),
        rank(2, "Failed", 137, "2026-01-01T11:59:58Z"),
        rank(3, deletionTimestamp="2026-01-01T12:00:30Z", deletionGracePeriodSeconds=30),
    )
    found = first_cause(job(nodes=4), (*others, first), seen(), NOW)
    assert found is not None
    assert found.evidence == "its process failed with exit code 1: RuntimeError: NCCL (node rank 1)"


def test_a_cause_once_seen_stays_though_its_pod_goes() -> None:
    leaving = rank(0, deletionTimestamp="2026-01-01T12:00:30Z", deletionGracePeriodSeconds=30)
    suspected = after(after(job(nodes=2), seen(rank(0), rank(1))), seen(leaving, rank(1)))
    assert suspected.status.phase is JobPhase.RECOVERING
    assert suspected.status.attempts[0].end is None
    over = after(suspected, seen(rank(1, "Failed", 143), jobs={1: batch(1, "FailureTarget", "Failed")}))
    assert over.status.attempts[0].cause == Cause(
        class_=CauseClass.INFRA, evidence="its pod was deleted (node rank 0)", reason="PodDeleted", budget="infra"
    )
    assert over.status.attempts[0].end == NOW


def test_when_one_rank_is_lost_the_others_are_ended_with_it() -> None:
    def pods(tj: TrainingJob, observed: Observed, seconds: float = 0) -> list[str]:
        children = desired(tj, observed, NOW + timedelta(seconds=seconds))
        return [child.name for child in children if child.resource is kinds.POD]

    observed = seen(rank(0, deletionTimestamp=BORN), rank(1))
    running = after(job(nodes=2), seen(rank(0), rank(1)))
    assert pods(running, observed) == ["train-1-0-x", "train-1-1-x"]
    assert pods(after(running, observed), observed) == []
    failed = seen(rank(0, code=3), rank(1))
    assert pods(after(running, failed), failed) == ["train-1-0-x"], "its logs are still to be read"
    just = seen(rank(0, code=3, at="2026-01-01T12:00:00Z"), rank(1))
    ending = after(running, just)
    assert pods(ending, just) == ["train-1-0-x", "train-1-1-x"], "to end another would fail the Job, and remove both"
    assert next_look(ending, just, NOW) == timedelta(seconds=10)
    assert pods(ending, just, seconds=10) == ["train-1-0-x"]
    over = seen(rank(0, "Failed", code=3, at="2026-01-01T12:00:00Z"), rank(1))
    assert pods(ending, over) == ["train-1-0-x"], "it has ended altogether"


@pytest.mark.parametrize(
    ("causes", "retries", "again"),
    [
        (["App"], {}, False),
        (["App"], {"app": 1}, True),
        (["App", "App"], {"app": 1}, False),
        (["Infra"] * 3, {}, True),
        (["Infra"] * 4, {}, False),
        (["Infra", "Infra", "Infra", "App"], {"app": 1}, True),
        (["Preemption"] * 10, {}, True),
        (["Preemption"] * 11, {}, False),
    ],
)
def test_each_class_of_cause_has_its_budget(causes: list[str], retries: dict[str, int], again: bool) -> None:
    earlier = [
        {"number": n, "start": BORN, "end": BORN, "cause": {"class": c, "evidence": "x", "budget": c.lower()}}
        for n, c in enumerate(causes, 1)
    ]
    earlier[-1].pop("end")
    number = len(causes)
    tj = job({"phase": "Running", "attempts": earlier}, retries=retries)
    over = after(tj, seen(jobs={number: batch(number, "Failed")}, number=number))
    assert over.status.phase is (JobPhase.RECOVERING if again else JobPhase.FAILED)


def attempts(*spans: int) -> tuple[Attempt, ...]:
    """Ended ones, of so many seconds each."""
    lost = Cause(class_=CauseClass.INFRA, evidence="x", budget="infra")
    return tuple(
        Attempt(number=n, start=NOW - timedelta(seconds=span), end=NOW, cause=lost) for n, span in enumerate(spans, 1)
    )


@pytest.mark.parametrize(
    ("spans", "wait"), [((3600,), 0), ((5,), 2), ((5, 5, 5), 8), ((5, 5, 3600), 0), ((5, 3600, 5), 2), ((1,) * 20, 300)]
)
def test_the_next_attempt_comes_soon_after_a_long_one_and_later_after_each_short_one(
    spans: tuple[int, ...], wait: int
) -> None:
    at = retry_time(job(), attempts(*spans), seen())
    assert at == retry_time(job(), attempts(*spans), seen()), "the same whenever it is asked"
    least, most = (0.75 * wait, 1.25 * wait) if wait else (0.0, 1.0)
    assert timedelta(seconds=least) <= at - NOW <= timedelta(seconds=most)


def test_the_next_attempt_waits_for_its_time_and_for_the_last_ones_pods() -> None:
    tj = TrainingJob(job().metadata, job().spec, TrainingJobStatus(phase=JobPhase.RECOVERING, attempts=attempts(5)))
    failed = {1: batch(1, "Failed")}
    assert made(tj, seen(jobs=failed), 1) == []
    look = next_look(tj, seen(jobs=failed), NOW + timedelta(seconds=1))
    assert look == retry_time(job(), attempts(5), seen()) - NOW - timedelta(seconds=1)
    assert made(tj, seen(jobs=failed), 3) == ["Service train-2", "Job train-2"]
    still = seen(rank(0), jobs={1: batch()})
    assert made(tj, still, 3) == []
    gone_node = rank(0, deletionTimestamp="2026-01-01T12:00:00Z", deletionGracePeriodSeconds=30)
    assert made(tj, seen(gone_node, jobs={}), 60) == []
    assert made(tj, seen(gone_node, jobs={}), 181) == ["Service train-2", "Job train-2"]


def test_only_the_last_ended_attempts_are_kept_and_none_that_was_given_up_while_it_ran() -> None:
    tj = TrainingJob(job().metadata, job().spec, TrainingJobStatus(phase=JobPhase.RUNNING, attempts=attempts(5, 5, 5)))
    jobs = {1: batch(1, "Failed"), 2: batch(2, "Failed"), 3: batch(3), 4: batch(4)}
    assert kept(tj, seen(jobs=jobs, number=4)) == ["train-2", "train-4"]


def test_cancelling_and_the_deadline_wait_for_the_pods_to_end() -> None:
    for spec, phase in (({"cancelled": True}, JobPhase.CANCELLED), ({"deadline": "30m"}, JobPhase.FAILED)):
        running = after(job(nodes=2), seen(rank(0), rank(1)), -3600)
        ending = TrainingJob(running.metadata, job(nodes=2, **spec).spec, running.status)
        observed = seen(rank(0), rank(1))
        assert kept(ending, observed) == []
        assert after(ending, observed).status.phase is JobPhase.RUNNING
        over = after(ending, seen(jobs={}))
        assert over.status.phase is phase
        assert over.status.attempts[0].end == NOW
        assert over.status.finished_at == NOW


def test_a_job_cancelled_or_refused_before_it_starts_makes_nothing() -> None:
    for spec, phase in (({"cancelled": True}, JobPhase.CANCELLED), ({"environment": "nope"}, JobPhase.FAILED)):
        tj = job(**spec)
        assert made(tj, seen(jobs={})) == []
        assert after(tj, seen(jobs={})).status.phase is phase


def test_what_no_decision_can_be_made_about_fails_unless_an_attempt_runs() -> None:
    endless = {"deadline": "99999999999h"}
    with pytest.raises(loop.AT_FAULT, match="too long a duration"):
        status(job(**endless), seen(jobs={}), NOW)
    new = unworkable(job(**endless), "It cannot be run.", NOW)
    assert (new.phase, new.message, new.finished_at) == (JobPhase.FAILED, "It cannot be run.", NOW)
    running = after(job(), seen(rank(0)))
    told = unworkable(running, "It cannot be run.", NOW)
    assert (told.phase, told.message, told.finished_at) == (JobPhase.RUNNING, "It cannot be run.", None)
    assert unworkable(TrainingJob(running.metadata, running.spec, told), "It cannot be run.", NOW) == told


def test_a_gangs_wait_is_told_by_the_message_that_speaks_of_nodes() -> None:
    waits = {
        "type": "PodGroupInitiallyScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "minCount (2)",
    }
    group = msgspec.convert({"metadata": {"name": "train-1"}, "status": {"conditions": [waits]}}, PodGroup)
    said_of_pod = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "0/2 nodes are available: 2 Insufficient cpu.",
    }
    pods = [
        msgspec.structs.replace(rank(n), status=msgspec.convert({"conditions": [said_of_pod]}, type(rank(n).status)))
        for n in (0, 1)
    ]
    tj = after(job(nodes=2), seen(*pods, groups={1: group}))
    assert tj.status.phase is JobPhase.QUEUED
    assert tj.status.message == (
        "No node has room for it now: it asks for 1 CPU and 2Gi memory, and the nodes lack free CPUs. "
        "All 2 nodes start together."
    )


def test_a_suspended_job_is_queued_before_its_first_start_and_suspended_after() -> None:
    suspended = seen(jobs={1: batch(suspend=True)})
    queued = after(job(), suspended)
    assert (queued.status.phase, queued.status.message) == (
        JobPhase.QUEUED,
        "It waits in queue default to be admitted.",
    )
    ran = after(queued, seen(rank(0)))
    again = after(ran, suspended)
    assert again.status.phase is JobPhase.SUSPENDED
    assert len(again.status.attempts) == 1


def test_people_hear_of_attempts_that_failed_and_of_the_end() -> None:
    running = after(job(), seen(rank(0)))
    failed = after(running, seen(rank(0, "Failed", 1), jobs={1: batch(1, "Failed")}))
    events = said(running.status, failed.status)
    assert [(event.type, event.reason) for event in events] == [("Warning", "AttemptApp"), ("Warning", "Failed")]
    assert said(failed.status, failed.status) == []


STATES = st.sampled_from(
    [
        {},
        {1: batch()},
        {1: batch(suspend=True)},
        {1: batch(1, "FailureTarget")},
        {1: batch(1, "FailureTarget", "Failed")},
        {1: batch(1, "Failed"), 2: batch(2)},
        {1: batch(1, "Complete")},
    ]
)
PODS = st.lists(
    st.sampled_from([rank(0), rank(1), rank(0, "Failed", 1), rank(1, "Succeeded", 0), rank(1, deletionTimestamp=BORN)]),
    max_size=3,
)


@given(st.lists(st.tuples(STATES, PODS, st.booleans(), st.integers(0, 4000)), min_size=1, max_size=8))
def test_a_status_settles_and_what_has_ended_stays(history: list[tuple[dict[int, Job], list[Pod], bool, int]]) -> None:
    tj, at = job(nodes=2, retries={"app": 2}), 0
    for jobs, pods, cancelled, wait in history:
        at += wait
        before = tj.status
        tj = TrainingJob(tj.metadata, job(nodes=2, retries={"app": 2}, cancelled=cancelled).spec, tj.status)
        observed = Observed(facts(), jobs=jobs, pods={1: tuple(pods)})
        tj = after(tj, observed, at)
        tj = after(tj, observed, at)
        assert status(tj, observed, NOW + timedelta(seconds=at)) == tj.status
        ended = [attempt for attempt in before.attempts if attempt.end is not None]
        assert list(tj.status.attempts[: len(ended)]) == ended, "an ended attempt is immutable"
