"""What follows a lost attempt: budgets and their refills, nodes that are avoided, sizes, suspension, another try."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from footplate.api import TrainingJob, TrainingJobStatus
from footplate.api.podreport import PodReport
from footplate.api.trainingjob import Attempt, Cause, CauseClass, JobPhase
from footplate.controllers.capacity import measure
from footplate.controllers.cluster import Job
from footplate.controllers.nodehealth import suspicion
from footplate.controllers.nodehealth.suspicion import Incident
from footplate.controllers.room import Usage
from footplate.controllers.trainingjob import shape, sizing
from footplate.controllers.trainingjob.attempts import follow_up, retry_time, spent
from footplate.controllers.trainingjob.observed import Observed
from footplate.controllers.trainingjob.sizing import Avoided
from tests.unit.controllers.build import BORN, NOW, facts, job, node, pod
from tests.unit.controllers.test_job_decisions import after, batch, kept, made, rank, seen

INFRA = Cause(class_=CauseClass.INFRA, evidence="x", reason="NodeNotReady", budget="infra")
H100 = {"cpu": "1", "memory": "1Gi", "gpu": {"count": 8, "type": "H100"}}


def history(*steps: int | None, cause: Cause = INFRA) -> tuple[Attempt, ...]:
    """Attempts that were lost, each with the newest checkpoint in the store at its end."""
    long_ago = NOW - timedelta(hours=2)
    return tuple(
        Attempt(number=n, start=long_ago, end=NOW, cause=cause, checkpoint_step=step) for n, step in enumerate(steps, 1)
    )


@pytest.mark.parametrize(
    ("steps", "lost"),
    [
        ((None, None, None), 3),
        ((100, 100, 100), 3),
        ((100, 200, 300, 400, 500, 600), 1),
        ((100, 200, 200, 200), 3),
        ((None, 100, 100), 2),
    ],
)
def test_a_newer_checkpoint_refills_the_budgets(steps: tuple[int | None, ...], lost: int) -> None:
    assert spent(job(), history(*steps), "infra") == lost
    again = follow_up(job(retries={"infra": 2}), history(*steps), seen())
    assert (again.at is not None) is (lost <= 2)


def test_what_an_attempt_found_to_start_from_tells_of_the_one_before_whose_node_is_gone() -> None:
    lost = history(None, None)
    restored = (lost[0], msgspec.structs.replace(lost[1], start_step=50))
    assert spent(job(), restored, "infra") == 2
    assert spent(job(), history(None, None), "infra") == 2
    resumed = (*history(100, None), Attempt(number=3, start=NOW, end=NOW, cause=INFRA, start_step=200))
    assert spent(job(), resumed, "infra") == 2, "attempt 2 came from 100 to 200"


def test_why_it_is_not_tried_again_counts_from_the_last_checkpoint() -> None:
    over = follow_up(job(retries={"infra": 1}), history(100, 200, 200), seen())
    assert over.why_not == "it was tried 2 times since its last checkpoint, and retries.infra is 1"


def report(name: str, found: PodReport) -> dict[str, Any]:
    return {"name": name, "state": {"terminated": {"exitCode": 0, "message": found.encode()}}}


def test_the_agents_last_words_become_the_attempts_checkpoint() -> None:
    said = [
        report("prepare", PodReport(restored_step=10)),
        report("agent", PodReport(checkpoint_step=40, checkpoint_at=NOW)),
    ]
    ended = {"name": "main", "state": {"terminated": {"exitCode": 1, "finishedAt": BORN}}}
    lost = pod("train-1-0-x", phase="Failed", containerStatuses=[ended], initContainerStatuses=said)
    running = after(job(retries={"app": 1}), seen(rank(0)))
    assert running.status.attempts[0].running == NOW
    over = after(running, seen(lost, jobs={1: batch(1, "FailureTarget")}))
    attempt = over.status.attempts[0]
    assert (attempt.start_step, attempt.checkpoint_step, attempt.checkpoint_at) == (10, 40, NOW)
    assert attempt.end == NOW, "with its last pod, before the Job's controller says so"
    assert kept(over, seen(lost, jobs={1: batch(1, "FailureTarget")})) == ["train-1"], "its logs are kept"


def test_jobs_that_lost_their_attempts_together_do_not_come_back_together() -> None:
    times: set[float] = set()
    for number in range(200):
        tj = msgspec.structs.replace(job(), metadata=msgspec.structs.replace(job().metadata, uid=f"uid-{number}"))
        times.add((retry_time(tj, history(None), seen()) - NOW).total_seconds())
    assert 0 <= min(times) < 0.1
    assert 0.9 < max(times) <= 1.0
    assert len(times) > 190


def rooms(*suspected: str, gpus: int = 8, nodes: int = 3) -> Observed:
    found = []
    for number in range(nodes):
        made = node(f"n{number}", gpus, "H100")
        if made.metadata.name in suspected:
            text = suspicion.encode([Incident("team-a/other", 1, NOW - timedelta(hours=1), "GpuHardware")])
            notes = {suspicion.ANNOTATION: text or ""}
            made = msgspec.structs.replace(made, metadata=msgspec.structs.replace(made.metadata, annotations=notes))
        found.append(made)
    return Observed(facts(capacity=measure(found)))


def test_a_suspect_node_is_avoided_where_there_are_others_and_else_the_last_choice() -> None:
    two = job(nodes=2, resources=H100)
    assert sizing.avoided(two, rooms("n1"), NOW, 2) == Avoided(("n1",), strictly=True)
    assert sizing.avoided(two, rooms("n1", "n2"), NOW, 2) == Avoided(("n1", "n2"), strictly=False)
    assert sizing.avoided(two, rooms(), NOW, 2) == Avoided()
    own = TrainingJobStatus(attempts=history(None, cause=msgspec.structs.replace(INFRA, suspect_nodes=("n0",))))
    assert sizing.avoided(TrainingJob(two.metadata, two.spec, own), rooms(), NOW, 2).nodes == ("n0",)


def test_avoided_nodes_in_the_pods_affinity_beside_its_gpu_type() -> None:
    terms = [{"matchExpressions": [{"key": "a"}]}, {"matchExpressions": [{"key": "b"}]}]
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    fields = {"affinity": {"nodeAffinity": {required: {"nodeSelectorTerms": terms}}}}
    strict = shape.placement(fields, Avoided(("n1", "n2"), strictly=True))["affinity"]["nodeAffinity"]
    assert [sorted(term) for term in strict[required]["nodeSelectorTerms"]] == [["matchExpressions", "matchFields"]] * 2
    assert [f["values"] for f in strict[required]["nodeSelectorTerms"][1]["matchFields"]] == [["n1"], ["n2"]]
    weak = shape.placement({}, Avoided(("n1",)))["affinity"]["nodeAffinity"]
    assert list(weak) == ["preferredDuringSchedulingIgnoredDuringExecution"]
    assert shape.placement({}, Avoided()) == {}


def test_ranks_are_kept_close_by_the_labels_that_tell_nodes_apart() -> None:
    def labelled(name: str, zone: str, block: str) -> Any:
        made = node(name, 8, "H100")
        more = {"topology.kubernetes.io/zone": zone, "cloud.google.com/gce-topology-block": block}
        marked = msgspec.structs.replace(made.metadata, labels={**made.metadata.labels, **more})
        return msgspec.structs.replace(made, metadata=marked)

    nodes = [labelled("n0", "a", "b1"), labelled("n1", "a", "b2")]
    observed = Observed(facts(capacity=measure(nodes)))
    two = job(nodes=2, resources=H100)
    assert sizing.topology(two, observed, 2) == ("cloud.google.com/gce-topology-block",), "all are in one zone"
    assert sizing.topology(two, observed, 1) == ()
    fields = shape.close({}, two, 3, sizing.topology(two, observed, 2))
    (term,) = fields["affinity"]["podAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert term["podAffinityTerm"]["topologyKey"] == "cloud.google.com/gce-topology-block"
    assert term["podAffinityTerm"]["labelSelector"]["matchLabels"]["footplate.dev/attempt"] == "3"


def test_a_node_is_suspect_for_some_hours_and_longer_the_more_often() -> None:
    once = [Incident("team-a/x", 1, NOW, "GpuHardware")]
    twice = [*once, Incident("team-b/y", 3, NOW, "GpuHardware")]
    assert suspicion.is_suspect(once, NOW + timedelta(hours=5))
    assert not suspicion.is_suspect(once, NOW + timedelta(hours=7))
    assert suspicion.is_suspect(twice, NOW + timedelta(hours=11))
    assert not suspicion.is_suspect(twice, NOW + timedelta(hours=13))


def test_what_a_node_remembers_outlives_the_job_and_is_written_once_an_incident() -> None:
    lost = TrainingJobStatus(attempts=history(1, cause=msgspec.structs.replace(INFRA, suspect_nodes=("n0",))))
    tj = TrainingJob(job().metadata, job().spec, lost)
    first = suspicion.remembered((), suspicion.of_job(tj, "n0"), NOW)
    assert [(i.job, i.attempt) for i in first] == [("team-vision/train", 1)]
    written = suspicion.encode(first)
    again = suspicion.remembered(suspicion.decode(written), suspicion.of_job(tj, "n0"), NOW)
    assert suspicion.encode(again) == written
    assert suspicion.remembered(suspicion.decode(written), [], NOW) == first, "the job is deleted"
    assert suspicion.encode(suspicion.remembered(first, [], NOW + suspicion.FORGOTTEN)) is None
    assert suspicion.decode("somebody's note") == ()


ELASTIC = {"nodes": 4, "elastic": {"minNodes": 2, "maxNodes": 4}, "resources": H100}


@pytest.mark.parametrize(("there", "size"), [(6, 4), (4, 4), (3, 3), (1, 2)])
def test_an_elastic_job_takes_what_there_is_within_its_bounds(there: int, size: int) -> None:
    assert sizing.nodes(job(**ELASTIC), rooms(nodes=there), NOW) == size
    assert sizing.nodes(job(nodes=4, resources=H100), rooms(nodes=there), NOW) == 4


def test_an_elastic_job_goes_on_without_the_node_that_failed() -> None:
    assert sizing.nodes(job(**ELASTIC), rooms("n2", nodes=4), NOW) == 3


def sized(completions: int, suspend: bool = False) -> Job:
    found = batch(suspend=suspend)
    return msgspec.structs.replace(found, spec=msgspec.structs.replace(found.spec, completions=completions))


def test_an_elastic_job_grows_again_after_a_while_and_pays_nothing_for_it() -> None:
    pods = (rank(0), rank(1))
    small = Observed(rooms(nodes=4).facts, jobs={1: sized(2)}, pods={1: pods})
    usage = Usage()
    for used in pods:
        usage.change(None, used)
    running = after(job(**ELASTIC), small)
    assert running.status.phase is JobPhase.RUNNING
    assert running.status.message == "It is running on 2 nodes."
    assert after(running, small, 60) == running
    grows = after(running, small, 601)
    assert grows.status.phase is JobPhase.RECOVERING
    cause = grows.status.attempts[0].cause
    assert cause is not None
    assert (cause.reason, cause.budget) == ("Grown", None)
    assert spent(grows, (msgspec.structs.replace(grows.status.attempts[0], end=NOW),), "capacity") == 0


def test_an_elastic_job_that_does_not_fit_takes_fewer_nodes() -> None:
    waits = Observed(rooms(nodes=2).facts, jobs={1: sized(4)})
    queued = after(job(**ELASTIC), waits, -30)
    assert queued.status.attempts[0].cause is None
    smaller = after(queued, waits, 61)
    assert smaller.status.attempts[0].cause is not None
    assert smaller.status.attempts[0].cause.evidence == "there is room for 2 of 4 nodes"


def test_what_runs_on_a_node_is_not_free() -> None:
    usage = Usage()
    containers = [{"resources": {"requests": {"nvidia.com/gpu": "8", "cpu": "1"}}}]
    big = msgspec.structs.replace(
        pod(), spec=msgspec.convert({"nodeName": "n0", "containers": containers}, type(pod().spec))
    )
    usage.change(None, big)
    busy = Observed(facts(capacity=rooms(nodes=3).facts.capacity, used=usage.by_node))
    assert sizing.room_for(job(**ELASTIC), busy, NOW) == 2
    usage.change(big, None)
    assert usage.by_node == {}
    assert sizing.room_for(job(**ELASTIC), busy, NOW) == 3


def test_a_part_of_a_gang_does_not_hold_its_nodes_for_ever() -> None:
    waiting = rank(1)
    waiting = msgspec.structs.replace(
        waiting, spec=msgspec.structs.replace(waiting.spec, node_name=""), status=type(waiting.status)(phase="Pending")
    )
    partial = seen(rank(0), waiting, jobs={1: sized(2)})
    queued = after(job(nodes=2), partial)
    assert after(queued, partial, 500).status.attempts[0].cause is None
    free = after(queued, partial, 700)
    cause = free.status.attempts[0].cause
    assert cause is not None
    assert (cause.class_, cause.reason, cause.budget) == (CauseClass.CAPACITY, "PartialGang", "capacity")


def changed(tj: TrainingJob, **spec: Any) -> TrainingJob:
    return TrainingJob(tj.metadata, job(**spec).spec, tj.status)


def test_a_suspended_job_frees_its_nodes_and_goes_on_when_resumed() -> None:
    running = after(job(), seen(rank(0)))
    told = after(changed(running, suspended=True), seen(rank(0)))
    assert told.status.phase is JobPhase.RECOVERING
    gone = after(told, seen(rank(0, "Failed", 143), jobs={1: batch(1, "FailureTarget", "Failed")}))
    assert gone.status.phase is JobPhase.SUSPENDED
    assert made(gone, seen(jobs={1: batch(1, "Failed")}), 60) == []
    assert after(gone, seen(jobs={1: batch(1, "Failed")}), 60) == gone, "and nothing is written while it rests"
    resumed = changed(gone, suspended=False)
    assert made(resumed, seen(jobs={1: batch(1, "Failed")}), 60) == ["Service train-2", "Job train-2"]
    assert spent(resumed, resumed.status.attempts, "preemption") == 0


def test_a_job_submitted_suspended_makes_nothing() -> None:
    assert made(job(suspended=True), seen(jobs={})) == []
    assert after(job(suspended=True), seen(jobs={})).status.phase is JobPhase.SUSPENDED


def test_a_failed_job_is_tried_again_with_full_budgets_and_all_its_attempts() -> None:
    lost = TrainingJobStatus(phase=JobPhase.FAILED, attempts=history(5, 5), finished_at=NOW, message="It failed: x.")
    failed = TrainingJob(job().metadata, job(retries={"infra": 1}).spec, lost)
    nothing = seen(jobs={})
    assert after(failed, nothing, 60) == failed
    again = after(changed(failed, retries={"infra": 1}, retry=1), nothing, 60)
    assert (again.status.phase, again.status.retry, again.status.finished_at) == (JobPhase.RECOVERING, 1, None)
    assert again.status.attempts == lost.attempts
    assert made(again, nothing, 60) == ["Service train-3", "Job train-3"]
    assert spent(again, (*lost.attempts, Attempt(number=3, end=NOW, cause=INFRA)), "infra") == 1
    assert after(again, nothing, 120) == again


def test_a_job_that_has_run_waits_for_gpus_that_are_gone_for_now() -> None:
    lost = TrainingJobStatus(phase=JobPhase.RECOVERING, attempts=history(5))
    none = Observed(facts(capacity=measure([node("n0", cpu="64")])))
    assert after(TrainingJob(job().metadata, job(resources=H100).spec, lost), none, 60).status.phase is JobPhase.QUEUED
    assert after(job(resources=H100), none).status.phase is JobPhase.FAILED
