"""Homes from the command line; the controllers' and the task's part is played."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from footplate.client.kinds import WORKSPACE
from tests.conftest import ApiCluster
from tests.integration.cli.conftest import Footplate
from tests.integration.cli.platform import Kubelet, Platform, installed
from tests.integration.cli.played import PlayedWorkspace

Json = dict[str, Any]

SNAPSHOTS = [
    {"id": "bbbbbbbb", "at": "2026-11-20T18:00:00Z", "size": 3 << 30, "added": 5 << 20},
    {"id": "aaaaaaaa", "at": "2026-11-19T18:00:00Z"},
]


@pytest.fixture(scope="module")
def platform(api_cluster: ApiCluster, object_store: tuple[str, Path]) -> Iterator[Platform]:
    with installed(api_cluster, object_store) as made:
        yield made


@pytest.fixture
def ws(kubelet: Kubelet) -> Iterator[PlayedWorkspace]:
    played = PlayedWorkspace(kubelet, home={"size": "1Gi"})
    played.status("Running", "It is running.", home={"snapshots": SNAPSHOTS, "total": 3})
    yield played
    played.delete()


def answers(ws: PlayedWorkspace, message: str, *, done: bool = True) -> threading.Thread:
    """As the controllers would, as soon as something is asked."""
    asked = ws.spec()["home"].get("request")

    def play() -> None:
        for _ in range(200):
            found = ws.spec()["home"].get("request")
            if found is not None and found != asked:
                answer = {"at": found["at"], "done": done, "message": message}
                ws.status("Running", "", home={"snapshots": SNAPSHOTS, "total": 3, "answer": answer})
                return
            threading.Event().wait(0.1)

    thread = threading.Thread(target=play)
    thread.start()
    return thread


def test_a_snapshot_is_asked_for_and_waited_for(footplate: Footplate, ws: PlayedWorkspace) -> None:
    thread = answers(ws, "Its home is saved and verified: snapshot bbbbbbbb.")
    done = footplate("workspace", "snapshot", ws.name, "--timeout", "30s")
    thread.join()
    assert (done.code, done.out) == (0, "Its home is saved and verified: snapshot bbbbbbbb.\n"), done.err
    thread = answers(ws, "saved")
    told = footplate("workspace", "snapshot", ws.name, "-o", "json")
    thread.join()
    assert json.loads(told.out) == SNAPSHOTS[0]
    thread = answers(ws, "The volume of home is full.", done=False)
    failed = footplate("workspace", "snapshot", ws.name)
    thread.join()
    assert failed.code == 1 and "The volume of home is full." in failed.err


def test_snapshots_are_listed_the_newest_first(footplate: Footplate, ws: PlayedWorkspace) -> None:
    listed = footplate("workspace", "snapshots", ws.name)
    assert [line.split()[0] for line in listed.out.splitlines()] == ["ID", "bbbbbbbb", "aaaaaaaa"]
    assert "3Gi" in listed.out and "5Mi" in listed.out
    assert "1 older" in listed.err
    assert json.loads(footplate("workspace", "snapshots", ws.name, "-o", "json").out) == SNAPSHOTS


def test_single_files_are_restored_while_it_runs_and_all_of_a_home_is_not(
    footplate: Footplate, ws: PlayedWorkspace
) -> None:
    refused = footplate("workspace", "restore", ws.name, "--yes")
    assert refused.code == 4 and "or restore single files with --path" in refused.err
    assert footplate("workspace", "restore", ws.name).code == 2, "nobody is there to ask"
    for wrong in (["--snapshot", "HEAD"], ["--at", "yesterday"], ["--snapshot", "latest", "--at", "2026-11-20T18:00Z"]):
        assert footplate("workspace", "restore", ws.name, "--path", "a", *wrong).code == 2
    outside = footplate("workspace", "restore", ws.name, "--path", "../../etc/passwd", "--no-wait")
    assert outside.code == 5 and "must be within home" in outside.err

    thread = answers(ws, "notes restored to home.")
    done = footplate("workspace", "restore", ws.name, "-p", "/home/footplate/notes", "--at", "2026-11-20T18:00Z", "--to", ".")  # fmt: skip
    thread.join()
    assert (done.code, done.out) == (0, "notes restored to home.\n"), done.err
    request = ws.spec()["home"]["request"]
    assert {**request, "at": ""} == {"at": "", "restore": "2026-11-20T18:00Z", "paths": ["notes"], "to": "."}


def test_a_clone_is_like_it_and_begins_with_its_home(footplate: Footplate, ws: PlayedWorkspace) -> None:
    name = f"{ws.name}-b"
    made = footplate("workspace", "clone", ws.name, name, "--snapshot", "aaaaaaaa", "--home", "2Gi", "--no-wait")
    assert made.code == 0, made.err
    platform = ws.kubelet.platform
    found: Json = platform.kube(lambda client: client.get(WORKSPACE, name, platform.namespace))
    assert found["spec"]["home"] == {"size": "2Gi", "restoreFrom": f"{ws.name}/aaaaaaaa"}
    assert (found["spec"]["owner"], found["spec"]["environment"]) == ("ada", "jupyter")
    other = PlayedWorkspace(ws.kubelet, owner="bob", home={"size": "1Gi"})
    refused = footplate("workspace", "clone", other.name, f"{name}c")
    assert refused.code == 5 and "is bob's" in refused.err
    for gone in (name, other.name):
        footplate("workspace", "delete", gone, "--yes", "--no-wait")


def test_a_home_grows_and_never_shrinks(footplate: Footplate, ws: PlayedWorkspace) -> None:
    assert footplate("workspace", "resize", ws.name, "--home", "512Mi").code == 5
    assert footplate("workspace", "resize", ws.name, "--home", "much").code == 2
    assert footplate("workspace", "resize", ws.name, "--home", "2Gi", "--no-wait").code == 0
    assert ws.spec()["home"]["size"] == "2Gi"
    none = PlayedWorkspace(ws.kubelet)
    for command in (["snapshot"], ["restore", "--yes"], ["resize", "--home", "1Gi"]):
        refused = footplate("workspace", command[0], none.name, *command[1:])
        assert refused.code == 5 and "has no home volume" in refused.err
    none.delete()


def test_what_it_asks_for_changes_at_its_next_start(footplate: Footplate, ws: PlayedWorkspace) -> None:
    more = footplate("workspace", "resize", ws.name, "--gpus", "2", "--gpu-type", "H100", "--memory", "8Gi")
    assert more.code == 0 and "after its next start" in more.err
    assert ws.spec()["resources"]["gpu"] == {"count": 2, "type": "H100"}
    assert ws.spec()["resources"]["memory"] == "8Gi"
    again = footplate("workspace", "resize", ws.name, "--memory", "8Gi")
    assert again.code == 0 and "asks for that already" in again.err
    none = footplate("workspace", "resize", ws.name, "--gpus", "0")
    assert none.code == 0 and "gpu" not in ws.spec()["resources"]
    assert footplate("workspace", "resize", ws.name).code == 2
    assert footplate("workspace", "resize", ws.name, "--gpus", "-1").code == 2


def test_one_that_waits_for_a_gpu_goes_on_without_one_at_once(footplate: Footplate, ws: PlayedWorkspace) -> None:
    assert footplate("workspace", "resize", ws.name, "--gpus", "1").code == 0
    ws.status("Queued", "No node has room for it now.")

    def stops() -> None:
        for _ in range(200):
            if ws.spec().get("desiredState") == "Stopped":
                ws.status("Stopped", "It is stopped.")
                return
            threading.Event().wait(0.1)

    thread = threading.Thread(target=stops)
    thread.start()
    done = footplate("workspace", "resize", ws.name, "--gpus", "0")
    thread.join()
    assert done.code == 0 and "starts with them" in done.err, done.err
    assert (ws.spec()["desiredState"], "gpu" in ws.spec()["resources"]) == ("Running", False)
