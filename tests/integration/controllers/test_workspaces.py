import asyncio
from typing import Any

import pytest

from footplate.api import Workspace
from footplate.api.trainingjob import JobPhase
from footplate.api.workspace import WorkspacePhase, token_secret
from footplate.controllers import kinds
from footplate.kube.conditions import find_condition, is_true
from footplate.kube.errors import NotFound
from footplate.kube.resource import EVENT
from tests.integration.controllers.conftest import Place
from tests.integration.controllers.kubelet import Kubelet

QUOTA_COUNTED = 90.0
"""Seconds: Kubernetes looks for new kinds every 30 s, as after the installation of ours, and counts no quota meanwhile."""


def runs(ws: Workspace) -> bool:
    return ws.status.phase is WorkspacePhase.RUNNING


def failed(ws: Workspace) -> bool:
    return ws.status.phase is WorkspacePhase.FAILED


def queued(ws: Workspace) -> bool:
    return ws.status.phase is WorkspacePhase.QUEUED


async def test_a_workspace_comes_up_with_its_home_its_name_and_its_token(place: Place) -> None:
    await place.workspace("demo", home={"size": "1Gi"})
    ws = await place.until_workspace("demo", lambda w: runs(w) and is_true(w.status.conditions, "StorageReady"))
    assert ws.status.url == f"http://demo.workspaces.{place.namespace}.svc:8888/lab"
    assert (ws.status.pod_name, ws.status.restarts) == ("demo", 0)
    assert ws.status.node_name
    assert ws.status.started_at
    assert is_true(ws.status.conditions, "Ready")
    pod = await place.client.get(kinds.POD, "demo", place.namespace)
    assert (pod["spec"]["hostname"], pod["spec"]["subdomain"]) == ("demo", "workspaces")
    home = await place.client.get(kinds.CLAIM, "demo-home", place.namespace)
    assert home["metadata"]["ownerReferences"][0]["name"] == "demo"
    await place.client.get(kinds.SERVICE, "workspaces", place.namespace)
    secret = await place.client.get(kinds.SECRET, token_secret("alice"), place.namespace)
    assert len(secret["data"]["token"]) > 40


async def test_stopping_ends_the_pod_and_keeps_the_home_for_the_next_start(place: Place) -> None:
    await place.workspace("demo", home={"size": "1Gi"})
    await place.until_workspace("demo", runs)
    home = await place.client.get(kinds.CLAIM, "demo-home", place.namespace)
    await place.patch(kinds.WORKSPACE, "demo", {"desiredState": "Stopped"})
    ws = await place.until_workspace("demo", lambda w: w.status.phase is WorkspacePhase.STOPPED)
    assert ws.status.message == "It is stopped. Its home is kept."
    assert (ws.status.url, ws.status.pod_name) == (None, None)
    assert await place.pods() == []
    await place.patch(kinds.WORKSPACE, "demo", {"desiredState": "Running"})
    ws = await place.until_workspace("demo", runs)
    again = await place.client.get(kinds.CLAIM, "demo-home", place.namespace)
    assert again["metadata"]["uid"] == home["metadata"]["uid"]
    assert ws.status.restarts == 0


async def test_deleting_a_workspace_removes_its_pod_and_its_home(place: Place) -> None:
    await place.workspace("demo", home={"size": "1Gi"})
    await place.until_workspace("demo", runs)
    await place.client.delete(kinds.WORKSPACE, "demo", place.namespace)
    await place.gone(kinds.POD, "demo", 60.0)  # the garbage collector looks for new kinds twice a minute
    await place.gone(kinds.CLAIM, "demo-home")


async def test_a_deleted_pod_is_made_again_and_counted(place: Place) -> None:
    await place.workspace("demo")
    await place.until_workspace("demo", runs)
    first = await place.client.get(kinds.POD, "demo", place.namespace)
    await place.client.delete(kinds.POD, "demo", place.namespace)
    ws = await place.until_workspace("demo", lambda w: runs(w) and w.status.restarts == 1)
    second = await place.client.get(kinds.POD, "demo", place.namespace)
    assert first["metadata"]["uid"] != second["metadata"]["uid"]
    assert ws.status.retry_at is None


async def test_a_server_that_keeps_ending_fails_the_workspace_with_its_exit_code(place: Place, node: Kubelet) -> None:
    await place.workspace("demo", resources={"gpu": {"count": 1, "type": node.gpu_type}})
    seen: set[str] = set()
    for restarts in range(1, 6):
        await place.new_pod("demo", seen)
        await node.running("demo")
        await place.until_workspace("demo", runs)
        await node.ended("demo", 1, message="Traceback\nOSError: no port is free\n")
        ws = await place.until_workspace("demo", lambda w, n=restarts: w.status.restarts == n)
    assert ws.status.phase is WorkspacePhase.FAILED
    assert ws.status.message == (
        "It ended 5 times in a row soon after its start; the last time, its process failed with exit code 1: "
        "OSError: no port is free. Correct the cause, then stop it and start it again."
    )
    pod = await place.client.get(kinds.POD, "demo", place.namespace)
    assert pod["status"]["phase"] == "Failed", "the last pod is kept for its logs"
    await place.patch(kinds.WORKSPACE, "demo", {"desiredState": "Stopped"})
    await place.patch(kinds.WORKSPACE, "demo", {"desiredState": "Running"})
    await place.new_pod("demo", seen)
    await node.running("demo")
    ws = await place.until_workspace("demo", runs)
    assert ws.status.restarts == 0


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"environment": "nope"}, "Environment 'nope' does not exist; known ones: jupyter"),
        ({"image": "docker.io/evil:1"}, "Image 'docker.io/evil:1' is not allowed on this platform"),
        ({"resources": {"gpu": {"count": 16, "type": "H100"}}}, "the largest node with H100 GPUs has 8 GPUs"),
        ({"resources": {"gpu": {"count": 1, "type": "TPU"}}}, "no node offers that; on offer: H100 ×8"),
        ({"resources": {"cpu": "9999"}}, "It asks for 9999 CPUs, but the largest node has"),
        ({"datasets": [{"name": "data", "uri": "pvc://nowhere"}]}, "there is no volume claim 'nowhere'"),
    ],
)
async def test_a_spec_that_cannot_run_fails_with_a_sentence_and_leaves_nothing(
    place: Place, spec: dict[str, object], message: str
) -> None:
    await place.workspace("demo", **spec)
    ws = await place.until_workspace("demo", failed)
    assert message in (ws.status.message or "")
    assert await place.pods() == []
    with pytest.raises(NotFound):
        await place.client.get(kinds.CLAIM, "demo-home", place.namespace)


async def test_a_workspace_starts_once_what_it_lacked_is_there(place: Place) -> None:
    await place.workspace("demo", datasets=[{"name": "data", "uri": "pvc://later/sub"}])
    await place.until_workspace("demo", failed)
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    await place.client.create(kinds.CLAIM, {"metadata": {"name": "later"}, "spec": claim}, place.namespace)
    await place.until_workspace("demo", runs)


async def test_an_image_that_is_allowed_by_prefix_runs(place: Place) -> None:
    await place.configure(allowed_images=("registry.example/team/*",))
    await place.workspace("demo", image="registry.example/team/notebook:1")
    await place.until_workspace("demo", runs)


async def test_a_quota_that_is_used_up_is_waited_for(place: Place) -> None:
    quota = {"metadata": {"name": "team"}, "spec": {"hard": {"requests.cpu": "1500m"}}}
    await place.client.create(kinds.QUOTA, quota, place.namespace)
    await place.client.wait(kinds.QUOTA, "team", place.namespace, lambda q: bool(q and q["status"].get("used")), 10.0)
    await place.workspace("first")
    await place.until_workspace("first", runs)
    await place.workspace("second")
    ws = await place.until_workspace("second", queued)
    assert ws.status.message == "It waits for quota: it asks for 1 CPU, and too much of its team's 1.5 CPUs is in use."
    await place.client.delete(kinds.WORKSPACE, "first", place.namespace)
    await place.until_workspace("second", runs, QUOTA_COUNTED)


async def test_a_request_over_the_whole_quota_waits_until_it_is_raised(place: Place) -> None:
    quota = {"metadata": {"name": "team"}, "spec": {"hard": {"requests.cpu": "500m"}}}
    await place.client.create(kinds.QUOTA, quota, place.namespace)
    await place.workspace("demo")
    await place.job("train", resources={"cpu": "1"})
    text = "It waits for a larger quota: it asks for 1 CPU, and its team's quota is 0.5 CPUs in all."
    ws = await place.until_workspace("demo", queued)
    assert ws.status.message == text
    job = await place.until_job("train", lambda j: j.status.pending is not None)
    assert job.status.pending is not None
    assert job.status.pending.reason == "QuotaTooSmall"
    assert job.status.pending.message.startswith("It waits for a larger quota: it asks for 1")
    assert "ask a platform engineer" in (job.status.pending.next_action or "")
    await place.client.patch(kinds.QUOTA, "team", {"spec": {"hard": {"requests.cpu": "4"}}}, place.namespace)
    await place.until_workspace("demo", runs, QUOTA_COUNTED)
    await place.until_job("train", lambda j: j.status.phase is JobPhase.RUNNING, QUOTA_COUNTED)


async def test_a_workspace_for_which_there_is_no_room_says_so(place: Place, node: Kubelet) -> None:
    gpus = {"gpu": {"count": 5, "type": node.gpu_type}}
    await place.workspace("first", resources=gpus)
    await node.running("first")
    await place.until_workspace("first", runs)
    await place.workspace("second", resources=gpus)
    ws = await place.until_workspace("second", queued)
    assert ws.status.message == (
        f"No node has room for it now: it asks for 1 CPU, 2Gi memory and 5 {node.gpu_type} GPUs, "
        "and the nodes lack free GPUs or have another GPU type."
    )
    await place.patch(kinds.WORKSPACE, "first", {"desiredState": "Stopped"})
    await node.running("second")
    await place.until_workspace("second", runs)


async def test_an_image_that_cannot_be_pulled_is_explained(place: Place, node: Kubelet) -> None:
    await place.workspace("demo", resources={"gpu": {"count": 1, "type": node.gpu_type}})
    await node.waiting("demo", "ErrImagePull", 'failed to pull and unpack image "the-image": not found')
    text = "Image the-image cannot be pulled: it does not exist in its registry."
    await place.until_workspace("demo", lambda w: w.status.message == text)


async def test_a_pod_of_the_same_name_is_left_alone(place: Place) -> None:
    spec = {"containers": [{"name": "x", "image": "y"}], "terminationGracePeriodSeconds": 0}
    safe = {"runAsNonRoot": True, "runAsUser": 1, "seccompProfile": {"type": "RuntimeDefault"}}
    closed = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    spec |= {"securityContext": safe, "containers": [{"name": "x", "image": "y", "securityContext": closed}]}
    other = await place.client.create(kinds.POD, {"metadata": {"name": "demo"}, "spec": spec}, place.namespace)
    await place.workspace("demo")
    ws = await place.until_workspace("demo", queued)
    assert "A Pod named demo exists already and belongs to something else" in (ws.status.message or "")
    still = await place.client.get(kinds.POD, "demo", place.namespace)
    assert still["metadata"]["uid"] == other["metadata"]["uid"]


async def test_a_pod_that_the_cluster_refuses_fails_the_workspace_once(place: Place) -> None:
    await place.workspace("demo", env={"not a name=": "x"})
    ws = await place.until_workspace("demo", failed)
    assert "The cluster refuses its Pod: " in (ws.status.message or "")


async def test_a_home_grows_with_its_spec(place: Place) -> None:
    await place.workspace("demo", home={"size": "1Gi"})
    await place.until_workspace("demo", runs)
    await place.patch(kinds.WORKSPACE, "demo", {"home": {"size": "2Gi"}})
    ws = await place.until_workspace("demo", lambda w: w.status.observed_generation == 2)
    claim = await place.client.get(kinds.CLAIM, "demo-home", place.namespace)
    condition = find_condition(ws.status.conditions, "StorageReady")
    grown = claim["spec"]["resources"]["requests"]["storage"] == "2Gi"
    assert grown or (condition is not None and condition.reason == "ResizeRefused")


async def test_the_ide_that_was_asked_for_is_started(place: Place) -> None:
    await place.workspace("demo", ide="vscode")
    ws = await place.until_workspace("demo", runs)
    assert find_condition(ws.status.conditions, "Honoured") is None
    assert (ws.status.url or "").endswith(":8888/?folder=/home/footplate")
    (container,) = (await place.client.get(kinds.POD, "demo", place.namespace))["spec"]["containers"]
    assert "code-server" in container["command"]
    assert container["readinessProbe"]["httpGet"]["path"] == "/healthz"
    assert {"PASSWORD"} == {e["name"] for e in container["env"]} & {"PASSWORD", "JUPYTER_TOKEN"}


async def test_a_change_that_needs_a_restart_is_said(place: Place) -> None:
    await place.workspace("demo")
    await place.until_workspace("demo", runs)
    await place.patch(kinds.WORKSPACE, "demo", {"resources": {"cpu": "2"}})
    ws = await place.until_workspace("demo", lambda w: find_condition(w.status.conditions, "UpToDate") is not None)
    assert runs(ws)
    for state in ("Stopped", "Running"):
        await place.patch(kinds.WORKSPACE, "demo", {"desiredState": state})
        await place.until_workspace("demo", lambda w, s=state: w.status.phase == s)
    ws = await place.until_workspace("demo", runs)
    assert find_condition(ws.status.conditions, "UpToDate") is None


async def test_the_name_of_a_running_workspace_leads_to_its_pod(place: Place) -> None:
    def names(slice_: dict[str, Any] | None) -> dict[str, str]:
        return {e["hostname"]: e["addresses"][0] for e in (slice_ or {}).get("endpoints") or []}

    await place.workspace("one")
    await place.workspace("two")
    for name in ("one", "two"):
        await place.until_workspace(name, runs)
    address = (await place.client.get(kinds.POD, "one", place.namespace))["status"]["podIP"]
    await place.client.wait(
        kinds.ENDPOINT_SLICE,
        "workspaces-ipv4-0",
        place.namespace,
        lambda found: names(found).get("one") == address and "two" in names(found),
        10.0,
    )
    await place.patch(kinds.WORKSPACE, "two", {"desiredState": "Stopped"})
    await place.client.wait(
        kinds.ENDPOINT_SLICE, "workspaces-ipv4-0", place.namespace, lambda found: list(names(found)) == ["one"], 10.0
    )
    await place.client.delete(kinds.WORKSPACE, "one", place.namespace)
    await place.gone(kinds.ENDPOINT_SLICE, "workspaces-ipv4-0")


async def test_a_pod_that_goes_as_soon_as_it_is_made_is_made_again_ever_more_slowly(
    place: Place, node: Kubelet
) -> None:
    await place.workspace("demo", resources={"gpu": {"count": 1, "type": node.gpu_type}})
    seen: set[str] = set()
    async with asyncio.timeout(6.0):
        for _ in range(4):
            await place.new_pod("demo", seen)
            await place.client.delete(kinds.POD, "demo", place.namespace, grace_seconds=0)
    ws = await place.until_workspace("demo", lambda w: w.status.restarts >= 3)
    assert ws.status.retry_at is not None


async def test_a_home_deleted_under_it_is_said_while_it_runs_and_when_a_new_one_replaces_it(place: Place) -> None:
    await place.workspace("demo", home={"size": "1Gi"})
    await place.until_workspace("demo", lambda w: runs(w) and is_true(w.status.conditions, "StorageReady"))
    await place.client.delete(kinds.CLAIM, "demo-home", place.namespace)
    ws = await place.until_workspace("demo", lambda w: "is being deleted" in (w.status.message or ""))
    assert ws.status.phase is WorkspacePhase.RUNNING
    await place.patch(kinds.WORKSPACE, "demo", {"desiredState": "Stopped"})
    await place.until_workspace("demo", lambda w: "Its home was deleted" in (w.status.message or ""))
    await place.patch(kinds.WORKSPACE, "demo", {"desiredState": "Running"})
    ws = await place.until_workspace("demo", lambda w: runs(w) and "new and empty" in (w.status.message or ""))
    assert ws.status.home_uid
    about = {"regarding.uid": ws.metadata.uid, "reason": "HomeReplaced"}
    async with asyncio.timeout(10.0):
        while not (await place.client.list(EVENT, place.namespace, fields=about)).items:  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def test_a_pod_that_lost_its_labels_is_named(place: Place) -> None:
    await place.workspace("demo")
    await place.until_workspace("demo", runs)
    pod = await place.client.get(kinds.POD, "demo", place.namespace)
    body = {"metadata": {"labels": dict.fromkeys(pod["metadata"]["labels"])}}
    await place.client.patch(kinds.POD, "demo", body, place.namespace)
    ws = await place.until_workspace("demo", lambda w: "has lost labels" in (w.status.message or ""))
    assert "Its Pod demo is there" in (ws.status.message or "")
    assert ws.status.phase is WorkspacePhase.QUEUED
    await place.client.patch(kinds.POD, "demo", {"metadata": {"labels": pod["metadata"]["labels"]}}, place.namespace)
    await place.until_workspace("demo", runs)
