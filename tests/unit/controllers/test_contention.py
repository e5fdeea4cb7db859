"""Who gives way: idle workspaces, then lower priority, the least lost first, no more than needed, not back and forth."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec

from footplate.api import TrainingJob, Workspace
from footplate.api.trainingjob import JobPhase
from footplate.controllers import contention
from footplate.controllers.capacity import measure
from footplate.controllers.contention import Holder, head, victims
from footplate.controllers.room import Room
from footplate.controllers.trainingjob.attempts import spent
from tests.unit.controllers.build import NOW, job, node, workspace
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


def runs(name: str, *nodes: str, priority: str = "batch", unsaved: int = 10, leaves: bool = False) -> Holder:
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
    return Holder(named(name, priority, phase="Running", attempts=[attempt]), nodes)


def rests(name: str, on: str, minutes: int = 60, gpus: int = 8, **spec: Any) -> Holder:
    """A workspace that is idle for so long."""
    made_ = workspace(
        {
            "phase": "Running",
            "activity": {"state": "Idle", "lastActive": NOW - timedelta(minutes=minutes), **spec.pop("activity", {})},
        },
        resources={**H100, "gpu": {"count": gpus, "type": "H100"}},
        **spec,
    )
    metadata = {**msgspec.to_builtins(made_.metadata), "name": name, "uid": name}
    return Holder(msgspec.structs.replace(made_, metadata=msgspec.convert(metadata, type(made_.metadata))), (on,))


def held(*running: Holder) -> dict[str, dict[str, Decimal]]:
    return {
        n: {"nvidia.com/gpu": Decimal(8), "cpu": Decimal(1), "memory": Decimal(2**30)} for r in running for n in r.nodes
    }


def chosen(waiting: TrainingJob | Workspace, *running: Holder, nodes: int = 4) -> list[str]:
    found = victims(waiting, running, rooms(nodes), held(*running), NOW)
    return sorted(r.of.metadata.name for r in found)


def test_the_one_with_the_least_lost_work_gives_way_and_no_other() -> None:
    fresh, old = runs("fresh", "n0", unsaved=1), runs("old", "n1", unsaved=60)
    large = runs("large", "n2", "n3", unsaved=2)
    assert chosen(waits(), fresh, old, large) == ["fresh"]
    assert chosen(waits(nodes=2), fresh, old, large) == ["large"], "the small one would not be enough, and is spared"
    assert chosen(waits(nodes=3), fresh, old, large) == ["fresh", "large"]


def test_idle_workspaces_go_before_any_job_and_the_longest_idle_of_them_first() -> None:
    long, short = rests("long", "n0", minutes=300), rests("short", "n1", minutes=20)
    job_ = runs("batch", "n2", unsaved=0)
    assert chosen(waits(), short, long, job_, nodes=3) == ["long"]
    assert chosen(waits(nodes=2), short, long, job_, nodes=3) == ["long", "short"]
    assert chosen(waits(nodes=3), short, long, job_, nodes=3) == ["batch", "long", "short"]
    assert chosen(waits(nodes=4), short, long, job_, nodes=3) == [], "all of them together would not be enough"


def test_while_a_workspace_leaves_nobody_else_is_asked() -> None:
    told = rests("told", "n0", activity={"claimedBy": "job team-vision/urgent", "claimedAt": NOW})
    stopping = rests("stopping", "n0", desiredState="Stopped")
    for leaving in (told, stopping):
        assert chosen(waits(), leaving, runs("batch", "n1"), rests("other", "n2"), nodes=3) == []


def test_a_workspace_that_waits_is_given_the_place_of_an_idle_one() -> None:
    assert chosen(rests("waits", "").of, rests("idle", "n0"), nodes=1) == ["idle"]


def test_who_is_idle_and_asked_to_be_kept_keeps_its_gpu() -> None:
    def of(**spec: Any) -> Workspace:
        found = rests("idle", "n0", **spec).of
        assert isinstance(found, Workspace)
        return found

    assert contention.idle(of(), NOW)
    assert not contention.idle(of(idle={"keepUntil": (NOW + timedelta(hours=1)).isoformat()}), NOW)
    assert contention.idle(of(idle={"keepUntil": (NOW - timedelta(hours=1)).isoformat()}), NOW)
    assert not contention.idle(of(activity={"state": "Active"}), NOW)
    assert not contention.idle(of(activity={"state": "Unknown"}), NOW), "unknown is never idle"
    without = of()
    assert not contention.idle(msgspec.structs.replace(without, spec=workspace().spec), NOW), "it holds no GPU"


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
