from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from footplate.api import Workspace, WorkspaceStatus
from footplate.api.workspace import WorkspacePhase, owner_slug
from footplate.controllers import kinds, loop
from footplate.controllers.cluster import Claim, Pod
from footplate.controllers.workspace.controller import said
from footplate.controllers.workspace.desired import desired
from footplate.controllers.workspace.names import desired as slices
from footplate.controllers.workspace.observed import Observed
from footplate.controllers.workspace.status import next_look, status, unworkable
from footplate.kube.conditions import find_condition
from tests.unit.controllers.build import BORN, NOW, UID, ended_pod, facts, pod, ready, running_pod, scheduled, workspace

HOME = msgspec.convert(
    {
        "metadata": {"name": "demo-home", "uid": "c", "ownerReferences": [{"uid": UID}]},
        "spec": {"resources": {"requests": {"storage": "10Gi"}}},
        "status": {"phase": "Bound"},
    },
    Claim,
)


def observed(pod: Pod | None = None, **more: Any) -> Observed:
    return Observed(facts(), pod=pod, home=HOME, service=True, **more)


def after(ws: Workspace, seen: Observed, seconds: float = 0) -> Workspace:
    """With the status that it would get, so long after NOW."""
    return Workspace(ws.metadata, ws.spec, status(ws, seen, NOW + timedelta(seconds=seconds)))


def made(ws: Workspace, seen: Observed, seconds: float = 0) -> list[str]:
    """Kinds that would be created."""
    children = desired(ws, seen, NOW + timedelta(seconds=seconds))
    return [child.resource.kind for child in children if child.body is not None]


def keeps_pod(ws: Workspace, seen: Observed, seconds: float = 0) -> bool:
    return any(child.resource is kinds.POD for child in desired(ws, seen, NOW + timedelta(seconds=seconds)))


def test_a_first_start_makes_what_is_shared_the_home_and_the_pod_in_that_order() -> None:
    seen = Observed(facts(), new_token="t")
    assert made(workspace(), seen) == ["Service", "Secret", "PersistentVolumeClaim", "Pod"]
    assert made(workspace(home={"size": "0"}), replace(seen, service=True, new_token="")) == ["Pod"]


def test_a_refused_or_stopped_one_makes_nothing() -> None:
    assert made(workspace(environment="nope"), Observed(facts(), new_token="t")) == []
    assert made(workspace(desiredState="Stopped"), Observed(facts(), new_token="t")) == []


def test_a_loss_is_counted_once_and_only_then_cleared_away_and_made_again() -> None:
    ws = after(workspace(), observed(running_pod()))
    assert ws.status.phase is WorkspacePhase.RUNNING
    lost = observed(ended_pod(1))
    assert keeps_pod(ws, lost), "its end is not yet counted"
    counted = after(ws, lost)
    assert (counted.status.restarts, counted.status.lost_pod) == (0, "pod-1"), "it ran for long before"
    assert not keeps_pod(counted, lost)
    assert status(counted, lost, NOW) == counted.status, "counted once"
    assert made(counted, observed()) == ["Pod"]


def test_early_ends_are_waited_for_ever_longer() -> None:
    ws = workspace()
    waits: list[float] = []
    for attempt in range(4):
        lost = observed(ended_pod(1, uid=f"pod-{attempt}"))
        ws = after(ws, lost)
        assert ws.status.retry_at is not None
        waits.append((ws.status.retry_at - NOW).total_seconds())
        assert made(ws, observed(), waits[-1] - 0.01) == []
        assert made(ws, observed(), waits[-1]) == ["Pod"]
    assert waits == [2.0, 4.0, 8.0, 16.0]
    failed = after(ws, observed(ended_pod(1, uid="pod-4")))
    assert failed.status.phase is WorkspacePhase.FAILED
    assert made(failed, observed(), 9999) == []
    assert keeps_pod(failed, observed(ended_pod(1, uid="pod-4"))), "for its logs"


def test_lost_nodes_never_fail_a_workspace_for_good() -> None:
    ws = workspace()
    for attempt in range(20):
        gone = pod(uid=f"pod-{attempt}", phase="Failed", reason="NodeLost")
        ws = after(ws, observed(gone))
    assert ws.status.phase is WorkspacePhase.STARTING
    assert ws.status.restarts == 20
    assert ws.status.retry_at == NOW + timedelta(minutes=5)


def test_what_no_decision_can_be_made_about_fails_for_good_unless_it_has_a_pod() -> None:
    endless = workspace(idle={"timeout": "99999999999h"})
    with pytest.raises(loop.AT_FAULT, match="too long a duration"):
        status(endless, observed(running_pod()), NOW)
    failed = Workspace(endless.metadata, endless.spec, unworkable(endless, "It cannot be run.", NOW))
    assert (failed.status.phase, failed.status.message) == (WorkspacePhase.FAILED, "It cannot be run.")
    assert made(failed, observed()) == []
    running = after(workspace(), observed(running_pod()))
    told = unworkable(running, "It cannot be run.", NOW)
    assert (told.phase, told.message) == (WorkspacePhase.RUNNING, "It cannot be run.")


def claim(uid: str = "c", **metadata: Any) -> Claim:
    return msgspec.structs.replace(HOME, metadata=msgspec.structs.replace(HOME.metadata, uid=uid, **metadata))


def test_a_home_that_is_being_deleted_is_spoken_of_while_it_can_be_saved() -> None:
    ws = after(workspace(), observed(running_pod()))
    going = replace(observed(running_pod()), home=claim(deletion_timestamp=NOW))
    told = after(ws, going)
    condition = find_condition(told.status.conditions, "StorageReady")
    assert condition is not None
    assert (condition.status, condition.reason) == ("False", "Deleting")
    assert "save what is in it now" in (told.status.message or "")
    assert [event.reason for event in said(ws.status, told.status)] == ["HomeDeleting"]
    assert said(told.status, after(told, going).status) == []
    stopped = Workspace(ws.metadata, workspace(desiredState="Stopped").spec, ws.status)
    assert after(stopped, replace(observed(), home=claim())).status.message == "It is stopped. Its home is kept."
    assert after(stopped, replace(going, pod=None)).status.message == "It is stopped. Its home is being deleted."
    gone = after(stopped, replace(observed(), home=None)).status.message
    assert gone == "It is stopped. Its home was deleted: the next start makes a new, empty one."


def test_a_new_home_in_the_place_of_a_deleted_one_is_never_taken_for_it() -> None:
    ws = after(workspace(), observed(running_pod()))
    assert ws.status.home_uid == "c"
    again = replace(observed(running_pod()), home=claim("another"))
    told = after(ws, again)
    assert told.status.home_uid == "another"
    assert told.status.message == "It is running. Its former home was deleted: this one is new and empty."
    assert [event.reason for event in said(ws.status, told.status)] == ["HomeReplaced"]
    assert after(told, again).status == told.status
    restarted = Workspace(msgspec.structs.replace(told.metadata, generation=3), told.spec, told.status)
    assert after(restarted, again).status.message == "It is running."


def test_a_changed_spec_begins_anew() -> None:
    ws = workspace()
    for attempt in range(5):
        ws = after(ws, observed(ended_pod(1, uid=f"pod-{attempt}")))
    changed = Workspace(msgspec.structs.replace(ws.metadata, generation=2), ws.spec, ws.status)
    assert made(changed, observed()) == ["Pod"]
    assert after(changed, observed(running_pod(uid="new"))).status.restarts == 0


def test_a_stop_is_no_loss_even_if_it_starts_again_before_the_pod_is_gone() -> None:
    ws = after(workspace(), observed(running_pod()))
    going = running_pod(deletionTimestamp=BORN)
    stopped = after(Workspace(ws.metadata, workspace(desiredState="Stopped").spec, ws.status), observed(going))
    assert stopped.status.phase is WorkspacePhase.STOPPING
    again = Workspace(msgspec.structs.replace(ws.metadata, generation=3), ws.spec, stopped.status)
    leaving = after(again, observed(going))
    assert (leaving.status.phase, leaving.status.restarts) == (WorkspacePhase.STARTING, 0)
    assert made(leaving, observed()) == ["Pod"]


def test_a_start_is_spoken_of_only_if_it_takes_its_time() -> None:
    born = "2026-01-01T12:00:00Z"
    fresh = pod(conditions=[scheduled(born)], creationTimestamp=born)
    ws = workspace()
    assert status(ws, observed(fresh), NOW + timedelta(seconds=1)) == WorkspaceStatus()
    assert next_look(ws, observed(fresh), NOW + timedelta(seconds=1)) == timedelta(seconds=1)
    slow = after(ws, observed(fresh), 2)
    assert slow.status.message == "Node n1 gets its image and volumes ready."


def test_a_start_that_takes_too_long_is_given_up() -> None:
    waits = {"name": "main", "image": "x", "state": {"waiting": {"reason": "ErrImagePull", "message": "not found"}}}
    stuck = pod(conditions=[scheduled()], containerStatuses=[waits])
    ws = after(workspace(), observed(stuck), -3600 + 60)
    assert ws.status.phase is WorkspacePhase.STARTING
    given_up = after(ws, observed(stuck), -3600 + 1200)
    assert given_up.status.message == (
        "It is started again: it was not ready within 20m (image x cannot be pulled: it does not exist in its registry)."
    )
    assert not keeps_pod(given_up, observed(stuck), -3600 + 1200)


def test_a_server_that_stops_answering_is_still_running() -> None:
    ws = after(workspace(), observed(running_pod()))
    main = {"name": "main", "state": {"running": {"startedAt": BORN}}}
    deaf = pod(phase="Running", conditions=[scheduled(), {**ready(), "status": "False"}], containerStatuses=[main])
    seen = after(ws, observed(deaf))
    assert seen.status.phase is WorkspacePhase.RUNNING
    condition = find_condition(seen.status.conditions, "Ready")
    assert condition is not None
    assert (condition.status, condition.reason) == ("False", "NotAnswering")
    assert keeps_pod(seen, observed(deaf))


def test_a_volume_of_another_owner_is_not_taken() -> None:
    other = msgspec.convert({"metadata": {"name": "demo-home", "uid": "c"}}, Claim)
    seen = Observed(facts(), home=other, service=True)
    assert made(workspace(), seen) == []
    assert "belongs to something else" in (after(workspace(), seen).status.message or "")


PODS = st.sampled_from(
    [
        None,
        running_pod(),
        ended_pod(1),
        ended_pod(0),
        ended_pod(64, container="prepare"),
        running_pod(deletionTimestamp=BORN),
        pod(conditions=[scheduled()]),
        pod(node="", conditions=[{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]),
    ]
)
SPECS = st.sampled_from([{}, {"desiredState": "Stopped"}, {"environment": "nope"}, {"ide": "vscode"}])


@given(st.lists(st.tuples(PODS, SPECS, st.integers(0, 4000)), min_size=1, max_size=8))
def test_a_status_settles_whatever_happens(history: list[tuple[Pod | None, dict[str, Any], int]]) -> None:
    """Writing it once is enough: seen again in the same state, at the same time, it asks for no second write."""
    ws, at = workspace(), 0
    for number, (found, spec, wait) in enumerate(history):
        at += wait
        metadata = msgspec.structs.replace(ws.metadata, generation=number + 1)
        ws = Workspace(metadata, workspace(**spec).spec, ws.status)
        seen = observed(found)
        for _ in range(2):  # a loss first, then what follows from it
            ws = after(ws, seen, at)
        assert status(ws, seen, NOW + timedelta(seconds=at)) == ws.status


def test_names_lead_to_ready_pods_only_and_families_are_apart() -> None:
    labels = {"footplate.dev/workspace": "demo"}

    def at(ip: str, name: str) -> Pod:
        return running_pod(name=name, labels=labels, podIP=ip)

    found = slices([at("10.0.0.2", "b"), at("10.0.0.1", "a"), at("fd00::1", "c"), pod("d", labels=labels), at("", "e")])
    assert {name: (type_, [e.addresses[0] for e in ends]) for name, (type_, ends) in found.items()} == {
        "workspaces-ipv4-0": ("IPv4", ["10.0.0.1", "10.0.0.2"]),
        "workspaces-ipv6-0": ("IPv6", ["fd00::1"]),
    }


def test_an_owner_makes_a_label_and_a_name() -> None:
    assert owner_slug("alice") == "alice"
    assert owner_slug(None) == "default"
    assert owner_slug("alice@example.com").startswith("alice-example-com-")
    assert owner_slug("Alice") != owner_slug("alice")
    assert owner_slug("ж") == owner_slug("ж")
    assert len(owner_slug("x" * 253)) <= 50
