"""Who gives way: only to higher priority, the least lost work first, no more than needed, and not back and forth."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec

from footplate.api import TrainingJob
from footplate.api.trainingjob import JobPhase
from footplate.controllers.capacity import measure
from footplate.controllers.room import Room
from footplate.controllers.trainingjob import contention
from footplate.controllers.trainingjob.attempts import spent
from footplate.controllers.trainingjob.contention import Running, head, victims
from tests.unit.controllers.build import NOW, job, node
from tests.unit.controllers.test_job_decisions import after, made, rank, seen

H100 = {"cpu": "1", "memory": "1Gi", "gpu": {"count": 8, "type": "H100"}}
PATIENCE = timedelta(seconds=30)


def rooms(count: int) -> tuple[Room, ...]:
    return measure([node(f"n{n}", 8, "H100") for n in range(count)]).rooms


def named(
    name: str, priority: str, created: str = "2026-01-01T10:00:00Z", nodes: int = 1, **status: Any
) -> TrainingJob:
    made_ = job(status, priority=priority, resources=H100, nodes=nodes)
    metadata = {**msgspec.to_builtins(made_.metadata), "name": name, "uid": name, "creationTimestamp": created}
    return msgspec.structs.replace(made_, metadata=msgspec.convert(metadata, type(made_.metadata)))


def waits(
    name: str = "urgent", priority: str = "training", nodes: int = 1, created: str = "2026-01-01T11:00:00Z"
) -> TrainingJob:
    pending = {"reason": "Unschedulable", "message": "x"}
    attempts = [{"number": 1, "nodes": nodes, "start": NOW - timedelta(minutes=1)}]
    return named(name, priority, created, nodes, phase="Queued", pending=pending, attempts=attempts)


def runs(name: str, *nodes: str, priority: str = "batch", unsaved: int = 10, leaves: bool = False) -> Running:
    """`unsaved`: minutes since its last checkpoint."""
    attempt: dict[str, Any] = {
        "number": 1,
        "nodes": len(nodes),
        "start": NOW - timedelta(hours=5),
        "running": NOW - timedelta(hours=5),
        "checkpointAt": NOW - timedelta(minutes=unsaved),
    }
    if leaves:
        attempt["cause"] = {"class": "Preemption", "reason": "Preempted"}
    return Running(named(name, priority, phase="Running", attempts=[attempt]), nodes)


def held(*running: Running) -> dict[str, dict[str, Decimal]]:
    return {
        n: {"nvidia.com/gpu": Decimal(8), "cpu": Decimal(1), "memory": Decimal(2**30)} for r in running for n in r.nodes
    }


def chosen(waiting: TrainingJob, *running: Running, nodes: int = 4) -> list[str]:
    found = victims(waiting, running, rooms(nodes), held(*running), NOW)
    return sorted(r.job.metadata.name for r in found)


def test_the_one_with_the_least_lost_work_gives_way_and_no_other() -> None:
    fresh, old = runs("fresh", "n0", unsaved=1), runs("old", "n1", unsaved=60)
    large = runs("large", "n2", "n3", unsaved=2)
    assert chosen(waits(), fresh, old, large) == ["fresh"]
    assert chosen(waits(nodes=2), fresh, old, large) == ["large"], "the small one would not be enough, and is spared"
    assert chosen(waits(nodes=3), fresh, old, large) == ["fresh", "large"]


def test_equal_or_higher_priority_never_gives_way() -> None:
    assert chosen(waits(), runs("peer", "n0", priority="training"), nodes=1) == []
    assert chosen(waits(priority="interactive"), runs("peer", "n0", priority="training"), nodes=1) == ["peer"]


def test_batch_gives_way_before_training_whatever_it_loses() -> None:
    both = (runs("train", "n0", priority="training", unsaved=0), runs("batch", "n1", unsaved=600))
    assert chosen(waits(priority="interactive"), *both, nodes=2) == ["batch"]


def test_nobody_gives_way_in_vain_or_twice() -> None:
    assert chosen(waits(nodes=4), runs("a", "n0"), nodes=2) == [], "it would not be enough"
    assert chosen(waits(), runs("a", "n0"), nodes=2) == [], "there is room"
    assert chosen(waits(), runs("a", "n0", leaves=True), runs("b", "n1"), nodes=2) == [], "one leaves already"


def test_others_are_asked_only_after_a_while_and_for_the_first_in_the_queue() -> None:
    first, later = waits("first", created="2026-01-01T09:00:00Z"), waits("later")
    assert head([later, first], NOW, PATIENCE) == first
    assert head([later, first], NOW, timedelta(minutes=2)) is None
    assert head([named("starts", "training", phase="Starting")], NOW, PATIENCE) is None


def test_a_job_makes_room_after_a_checkpoint_and_comes_back_after_the_other() -> None:
    urgent = waits(priority="interactive")
    running = after(job(), seen(rank(0)))
    leaves = after(running, seen(rank(0), claimed_by=urgent))
    assert leaves.status.phase is JobPhase.RECOVERING
    assert leaves.status.message == (
        "Attempt 1 is ended, after a checkpoint: it made room for interactive job team-vision/urgent."
    )
    assert made(leaves, seen(rank(0))) == []
    gone = after(leaves, seen(jobs={}))
    cause = gone.status.attempts[0].cause
    assert cause is not None
    assert (cause.budget, cause.preempted_by) == ("preemption", "team-vision/urgent")
    assert spent(gone, gone.status.attempts, "preemption") == 1
    held_back = seen(jobs={}, holds_for="team-vision/urgent")
    assert made(gone, held_back, 60) == []
    assert after(gone, held_back, 60).status.message == (
        "It made room for job team-vision/urgent, and goes on after that has its nodes."
    )
    assert made(gone, seen(jobs={}), 60) == ["Service train-2", "Job train-2"]


def test_room_is_kept_only_for_a_job_that_has_yet_to_take_it() -> None:
    assert contention.still_comes(waits())
    assert not contention.still_comes(named("urgent", "training", phase="Running"))
    assert not contention.still_comes(named("urgent", "training", phase="Cancelled"))
    assert not contention.still_comes(None)
