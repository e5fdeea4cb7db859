"""What is done for a home and when: snapshots on stop and on request, restores, and starts that wait for them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from footplate.api import Workspace
from footplate.api.home import HomeReport, Snapshot
from footplate.api.platform import HomePolicy
from footplate.api.workspace import WorkspacePhase
from footplate.controllers import kinds
from footplate.controllers.cluster import Claim, Node, Pod
from footplate.controllers.refusal import Refusal
from footplate.controllers.workspace.activity import Heard
from footplate.controllers.workspace.controller import said
from footplate.controllers.workspace.desired import desired
from footplate.controllers.workspace.observed import Observed
from footplate.controllers.workspace.status import next_look, status
from footplate.kube.conditions import find_condition
from tests.unit.controllers.build import BORN, NOW, PLATFORM, UID, facts, pod, running_pod, workspace

Json = dict[str, Any]

SAVING = msgspec.structs.replace(PLATFORM, homes=HomePolicy())
CLAIM = msgspec.convert(
    {
        "metadata": {"name": "demo-home", "uid": "c", "ownerReferences": [{"uid": UID}]},
        "spec": {"resources": {"requests": {"storage": "10Gi"}}},
        "status": {"phase": "Bound"},
    },
    Claim,
)
ASKED = "2026-01-01T11:59:00Z"


def report(id: str = "aaaaaaaa", total: int = 1, message: str = "") -> str:
    listed = (Snapshot(id, NOW, 1000, 10),) if id else ()
    return msgspec.json.encode(HomeReport(listed, total, message)).decode()


def task_pod(number: int, kind: str = "Snapshot", *, code: int | None = None, message: str = "", **more: Any) -> Pod:
    fields: Json = {"phase": "Running"}
    if code is not None:
        ended = {"name": "main", "state": {"terminated": {"exitCode": code, "message": message, "finishedAt": BORN}}}
        fields = {"phase": "Failed" if code else "Succeeded", "containerStatuses": [ended]}
    made = pod(f"demo.home-{number}", uid=f"t{number}", **{**fields, **more})
    annotations = {"footplate.dev/task": kind}
    return msgspec.structs.replace(made, metadata=msgspec.structs.replace(made.metadata, annotations=annotations))


@dataclass
class Life:
    """A workspace and what is observed of it; `look` decides, as the loop does, until nothing changes."""

    ws: Workspace = field(default_factory=workspace)
    seen: Observed = field(default_factory=lambda: Observed(facts(SAVING), home=CLAIM, service=True, new_password="p"))
    now: datetime = NOW

    def look(self, seconds: float = 0, **seen: Any) -> Life:
        self.now += timedelta(seconds=seconds)
        self.seen = replace(self.seen, **seen)
        self.ws = Workspace(self.ws.metadata, self.ws.spec, status(self.ws, self.seen, self.now))
        assert status(self.ws, self.seen, self.now).home == self.home, "decided once"
        return self

    def ask(self, **spec: Any) -> Life:
        found = workspace(generation=self.ws.metadata.generation + 1, **spec)
        self.ws = Workspace(found.metadata, found.spec, self.ws.status)
        return self

    def pods(self) -> list[str]:
        children = desired(self.ws, self.seen, self.now)
        return [child.name for child in children if child.resource is kinds.POD and child.body is not None]

    def kept(self) -> list[str]:
        return [child.name for child in desired(self.ws, self.seen, self.now) if child.resource is kinds.POD]

    def command(self) -> list[str]:
        (body,) = (c.body for c in desired(self.ws, self.seen, self.now) if c.resource is kinds.POD and c.body)
        return body["spec"]["containers"][0]["command"][3:]

    @property
    def home(self) -> Any:
        return self.ws.status.home

    def condition(self, type_: str = "Snapshotted") -> tuple[str, str]:
        found = find_condition(self.ws.status.conditions, type_)
        assert found is not None
        return found.status, found.reason


def ran() -> Life:
    return Life().look(pod=running_pod())


def stopping() -> Life:
    return ran().ask(desiredState="Stopped").look(pod=None)


def test_a_stop_waits_for_the_snapshot_of_what_may_have_been_written() -> None:
    life = stopping()
    assert life.ws.status.phase is WorkspacePhase.STOPPING
    assert life.ws.status.message == "Its home is being saved."
    assert life.pods() == ["demo.home-1"] and life.command() == ["save"]
    life.look(tasks=(task_pod(1),))
    assert life.kept() == ["demo.home-1"] and life.pods() == []
    life.look(tasks=(task_pod(1, code=0, message=report()),))
    assert life.ws.status.phase is WorkspacePhase.STOPPED
    assert life.condition() == ("True", "Saved")
    assert [(one.id, one.added) for one in life.home.snapshots] == [("aaaaaaaa", 10)]
    assert life.kept() == [], "its pod is done with"
    assert life.look(tasks=()).pods() == [], "and nothing is saved twice"


def test_what_never_ran_or_shall_not_be_saved_is_not() -> None:
    assert Life().ask(desiredState="Stopped").look().ws.status.phase is WorkspacePhase.STOPPED
    never = ran().ask(desiredState="Stopped", home={"snapshot": "Never"}).look(pod=None)
    assert never.ws.status.phase is WorkspacePhase.STOPPED and never.pods() == []
    none = Life(workspace(home={"size": "0"})).look(pod=running_pod(), home=None)
    assert none.ask(desiredState="Stopped", home={"size": "0"}).look(pod=None).pods() == []


def test_the_password_is_made_once_and_never_anew_where_there_are_snapshots() -> None:
    def secrets(life: Life) -> list[Any]:
        return [c for c in desired(life.ws, life.seen, life.now) if c.resource is kinds.SECRET and c.body]

    life = stopping()
    (secret,) = secrets(life)
    assert secret.name == "footplate-homes" and secret.shared and secret.body["immutable"]
    life.look(tasks=(task_pod(1, code=0, message=report()),))
    life.ask().look(pod=running_pod(), tasks=())
    again = life.ask(desiredState="Stopped").look(pod=None)
    assert again.pods() == ["demo.home-2"] and secrets(again) == []
    waits = {"waiting": {"reason": "CreateContainerConfigError", "message": 'secret "footplate-homes" not found'}}
    lost = task_pod(2, phase="Pending", containerStatuses=[{"name": "main", "state": waits}])
    again.look(tasks=(lost,))
    assert "restore it from its backup" in (again.ws.status.message or "")


def test_a_stop_does_not_wait_for_ever_and_says_so() -> None:
    life = stopping().look(300, tasks=(task_pod(1),))
    assert life.ws.status.phase is WorkspacePhase.STOPPED
    assert "still being saved" in (life.ws.status.message or "")
    assert life.kept() == ["demo.home-1"], "which goes on"
    life.look(3600)
    assert life.home.failure.message == "it was not done in time"
    assert life.kept() == [] and life.condition() == ("False", "SnapshotFailed")


def test_a_failed_snapshot_is_told_and_tried_again_ever_more_rarely_until_it_is_there() -> None:
    life = stopping()
    before = life.ws.status
    life.look(tasks=(task_pod(1, code=75, message="The object store of s3://b does not answer: refused."),))
    assert life.ws.status.phase is WorkspacePhase.STOPPED
    assert "could not be saved: the object store of s3://b does not answer" in (life.ws.status.message or "")
    assert life.condition() == ("False", "SnapshotFailed")
    assert [event.reason for event in said(before, life.ws.status)] == ["SnapshotFailed"]
    life.look(tasks=())
    assert life.pods() == []
    assert next_look(life.ws, life.seen, life.now) == timedelta(minutes=1)
    assert life.look(60).pods() == ["demo.home-2"]
    assert life.ws.status.phase is WorkspacePhase.STOPPED, "nobody waits a second time"
    life.look(tasks=(task_pod(2, code=75, message="away"),))
    assert life.look(60, tasks=()).pods() == [] and life.look(60).pods() == ["demo.home-3"]
    life.look(tasks=(task_pod(3, code=0, message=report()),))
    assert life.condition() == ("True", "Saved") and life.home.failure is None


def test_a_pod_that_is_lost_is_made_again_under_its_name() -> None:
    life = stopping().look(tasks=(task_pod(1),))
    assert life.look(tasks=()).pods() == ["demo.home-1"]


def test_what_the_cluster_does_not_admit_is_no_snapshot_and_is_said() -> None:
    refusal = Refusal("QuotaExceeded", "It waits for quota: pods.", final=False)
    life = stopping().look(300, refused=refusal)
    assert life.pods() == []
    assert life.condition() == ("False", "SnapshotWaits")
    assert "It waits for quota: pods." in (life.ws.status.message or "")


def test_a_start_breaks_the_snapshot_off_and_waits_until_the_home_is_free() -> None:
    life = stopping().look(tasks=(task_pod(1),))
    life.ask().look()
    assert life.kept() == [], "its pod is removed and no other made"
    assert "a snapshot of it is being broken off" in (life.ws.status.message or "")
    assert life.look(tasks=()).pods() == ["demo"]
    life.look(pod=running_pod())
    assert life.ask(desiredState="Stopped").look(pod=None).pods() == ["demo.home-2"], "what was not saved then is now"


def test_a_home_on_a_node_that_does_not_answer_is_nobody_elses() -> None:
    life = stopping().look(tasks=(task_pod(1, node="dead"),))
    life.ask().look()
    assert life.pods() == [] and "node dead" in (life.ws.status.message or "")
    leaving = msgspec.structs.replace(running_pod(node="dead").metadata, deletion_timestamp=NOW)
    gone = ran().look(pod=msgspec.structs.replace(running_pod(node="dead"), metadata=leaving))
    assert gone.pods() == []
    gone.look(300)
    assert "out-of-service=nodeshutdown:NoExecute" in (gone.ws.status.message or "")


def test_a_snapshot_on_request_is_taken_beside_what_runs_and_answered_once() -> None:
    life = ran().ask(home={"request": {"at": ASKED}}).look()
    (body,) = (c.body for c in desired(life.ws, life.seen, life.now) if c.resource is kinds.POD and c.body)
    assert body["spec"]["affinity"]["nodeAffinity"] == {
        "requiredDuringSchedulingIgnoredDuringExecution": {
            "nodeSelectorTerms": [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}]
        }
    }
    assert life.ws.status.phase is WorkspacePhase.RUNNING
    life.look(tasks=(task_pod(1, code=0, message=report()),))
    assert life.home.answer.done and "aaaaaaaa" in life.home.answer.message
    assert life.look(tasks=()).pods() == []
    stopped = life.ask(desiredState="Stopped", home={"request": {"at": ASKED}}).look(pod=None)
    assert stopped.command() == ["save"], "it was written to since"


def test_a_request_that_cannot_succeed_is_answered_at_once_others_after_three_tries() -> None:
    wish = {"request": {"at": ASKED, "restore": "latest", "paths": ["a"]}}
    life = ran().ask(home=wish).look()
    assert life.command()[0] == "restore" and "--path=a" in life.command()
    life.look(tasks=(task_pod(1, "Restore", code=64, message="There is no a in snapshot x."),))
    assert (life.home.answer.done, life.home.answer.message) == (False, "There is no a in snapshot x.")
    life = ran().ask(home=wish)
    for number in (1, 2, 3):
        life.look(3600, tasks=())
        life.look(tasks=(task_pod(number, "Restore", code=75, message="away"),))
    assert not life.home.answer.done and life.look(7200, tasks=()).pods() == []


def test_all_of_a_home_is_restored_when_it_is_stopped_and_starts_wait_for_it() -> None:
    wish = {"snapshot": "Never", "request": {"at": ASKED, "restore": "aaaaaaaa"}}
    life = ran().ask(home=wish).look()
    assert life.pods() == [], "not under what runs"
    life.ask(desiredState="Stopped", home=wish).look(pod=None)
    assert life.command()[0] == "restore"
    assert life.command()[1] == "--source=s3://footplate/state/homes/vision/alice/demo"
    life.look(tasks=(task_pod(1, "Restore"),))
    life.ask(home=wish).look()
    assert life.kept() == ["demo.home-1"] and life.ws.status.message == "Its home is being restored."
    life.look(tasks=(task_pod(1, "Restore", code=0, message=report(message="Home is as in snapshot aaaaaaaa.")),))
    assert life.home.answer.message == "Home is as in snapshot aaaaaaaa."
    assert life.look(tasks=()).pods() == ["demo"]


def test_a_new_home_begins_with_a_snapshot_of_another_workspace_of_the_same_owner() -> None:
    life = Life(workspace(home={"restoreFrom": "old/latest"}))
    life.look(home=None)
    assert life.pods() == [] and [c.resource for c in desired(life.ws, life.seen, life.now) if c.body] == [kinds.CLAIM]
    life.look(home=CLAIM)
    assert life.command()[:3] == ["fill", "--source=s3://footplate/state/homes/vision/alice/old", "--snapshot=latest"]
    life.look(tasks=(task_pod(1, "Fill", code=0, message=report("")),))
    assert life.look(tasks=()).pods() == ["demo"]
    another = msgspec.structs.replace(CLAIM, metadata=msgspec.structs.replace(CLAIM.metadata, uid="c2"))
    assert life.look(home=another).pods() == ["demo.home-2"], "and so does the one that takes its place"


def test_a_new_home_that_cannot_be_restored_fails_the_workspace_until_it_is_asked_again() -> None:
    wish = {"restoreFrom": "latest"}
    life = Life(workspace(home=wish)).look()
    life.look(tasks=(task_pod(1, "Fill", code=64, message="There is no snapshot latest in s3://b; there are: none."),))
    life.look(7200, tasks=())
    assert life.ws.status.phase is WorkspacePhase.FAILED and life.pods() == []
    assert "there is no snapshot latest" in (life.ws.status.message or "")
    assert life.ask(home=wish).look().pods() == ["demo.home-2"]


def test_old_snapshots_are_removed_after_some_new_ones_and_never_while_one_waits() -> None:
    life = stopping()
    for number in range(1, 6):
        life.look(tasks=(task_pod(number, code=0, message=report(total=number)),))
        if number < 5:
            life.ask().look(pod=running_pod(), tasks=())
            life.ask(desiredState="Stopped").look(pod=None)
    assert life.ws.status.phase is WorkspacePhase.STOPPED
    life.look(tasks=())
    assert life.command() == ["prune", "--keep-last=5", "--keep-daily=7", "--keep-weekly=4"]
    assert life.ws.status.phase is WorkspacePhase.STOPPED
    life.look(tasks=(task_pod(6, "Prune", code=0, message=report(total=4)),))
    assert (life.home.total, life.home.unpruned) == (4, 0)


@pytest.mark.parametrize(
    ("node", "words"),
    [
        ({"taints": [{"key": "karpenter.sh/disrupted", "effect": "NoSchedule"}]}, "node n1 is replaced"),
        ({"taints": [{"key": "aws-node-termination-handler/spot-itn", "effect": "NoSchedule"}]}, "takes spot node n1"),
        ({"unschedulable": True}, "closed to new pods"),
    ],
)
def test_who_works_on_a_node_that_goes_is_told_and_saved_once(node: Json, words: str) -> None:
    going = msgspec.convert({"metadata": {"name": "n1"}, "spec": node}, Node)
    life = ran()
    before = life.ws.status
    life.look(node=going)
    assert words in (life.ws.status.message or "") and life.condition("Interrupted")[0] == "True"
    assert [event.reason for event in said(before, life.ws.status)] == ["Interrupted"]
    assert life.pods() == ["demo.home-1"]
    assert life.look(tasks=(task_pod(1, code=0, message=report()),)).look(tasks=()).pods() == []
    life.look(pod=running_pod(uid="pod-2", node="n2"), node=None)
    assert "Its node goes" not in (life.ws.status.message or "")


@dataclass
class World:
    """Nodes, pods and a volume that obey what is desired; `written` and `saved` count what the user wrote."""

    life: Life = field(default_factory=Life)
    written: int = 0
    saved: int = 0
    reads: dict[str, int] = field(default_factory=dict[str, int])

    def step(self, seconds: float) -> None:
        life = self.life
        life.look(seconds)
        wanted = life.kept()
        tasks = tuple(task for task in life.seen.tasks if task.name in wanted)
        there = life.seen.pod if "demo" in wanted else None
        life.seen = replace(life.seen, tasks=tasks, pod=there)
        for name in life.pods():
            busy = [task for task in life.seen.tasks if not task.ended]
            assert not busy, "one at a time has the home"
            if name == "demo":
                life.seen = replace(life.seen, pod=running_pod(uid=f"p{life.now.timestamp()}"))
            else:
                assert life.seen.pod is None
                self.reads[name] = self.written
                life.seen = replace(life.seen, tasks=(*life.seen.tasks, task_pod(int(name.split("-")[-1]))))

    def end_task(self, code: int) -> None:
        for task in self.life.seen.tasks:
            if not task.ended:
                number = int(task.name.split("-")[-1])
                done = task_pod(number, code=code, message=report(f"{number:08x}") if not code else "away")
                self.saved = self.reads[task.name] if not code else self.saved
                self.life.seen = replace(self.life.seen, tasks=(done,))


@settings(max_examples=60)
@given(st.lists(st.sampled_from(["start", "stop", "write", "ok", "away", "kill", "kill task", "wait"]), max_size=30))
def test_whatever_happens_one_pod_has_the_home_and_in_the_end_all_is_saved(happened: list[str]) -> None:
    world = World()
    for what in happened:
        life = world.life
        match what:
            case "start":
                life.ask()
            case "stop":
                life.ask(desiredState="Stopped")
            case "write" if life.seen.pod is not None:
                world.written += 1
            case "ok" | "away":
                world.end_task(0 if what == "ok" else 75)
            case "kill":
                life.seen = replace(life.seen, pod=None)
            case "kill task":
                life.seen = replace(life.seen, tasks=())
            case _:
                life.now += timedelta(minutes=10)
        world.step(1)
    world.life.ask(desiredState="Stopped")
    for _ in range(12):
        world.step(3600)
        world.end_task(0)
    assert world.life.ws.status.phase is WorkspacePhase.STOPPED
    assert world.saved == world.written


def test_a_home_that_fills_up_is_spoken_of_before_it_is_full() -> None:
    def heard(share: float | None) -> Heard:
        return Heard(timedelta(0), timedelta(0), home=share)

    life = ran().look(heard=heard(0.5))
    before = life.ws.status
    life.look(heard=heard(0.93))
    assert "more than 90% full" in (life.ws.status.message or "")
    assert "footplate workspace resize demo" in (life.ws.status.message or "")
    assert [event.reason for event in said(before, life.ws.status)] == ["HomeNearlyFull"]
    told = life.ws.status
    for share in (0.97, 0.88, None):
        assert life.look(heard=heard(share)).ws.status == told, "nothing is written for every percent"
    assert "full" not in (life.look(heard=heard(0.8)).ws.status.message or "")
