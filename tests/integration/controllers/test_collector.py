"""Who may report what, with tokens that a real API server issues and reviews."""

import asyncio
from typing import Any

import msgspec

from footplate.api import labels
from footplate.api.platform import Reporting
from footplate.api.workspace import Activity, WorkspacePhase
from footplate.controllers import kinds
from tests.integration.controllers.agents import Agent, post, token
from tests.integration.controllers.conftest import Place

Json = dict[str, Any]
BUSY: Json = {"kind": "Activity", "agent": "x", "sequence": 1, "age": 5.0, "idle": 0.0, "reasons": ["mine"]}


def runs(ws: Any) -> bool:
    return ws.status.phase is WorkspacePhase.RUNNING


def says(text: str) -> Any:
    return lambda ws: ws.status.activity is not None and ws.status.activity.reasons == (text,)


async def started(place: Place, *names: str) -> None:
    for name in names:
        await place.workspace(name)
    for name in names:
        await place.until_workspace(name, runs)


async def test_a_pods_own_token_reports_for_its_own_workspace_and_no_other(place: Place) -> None:
    await started(place, "mine", "other")
    agent = await Agent.of(place.client, place.namespace, "mine", place.collector)
    status, answer = await agent.says(idle=0.0, reasons=["make runs"])
    assert (status, answer) == (200, {"every": 60.0, "sample": 10.0, "recent": 300.0})
    await place.until_workspace("mine", says("make runs"))
    # Nothing in a report names a workspace, so that there is nothing to claim: what is not known is passed over.
    status, _ = await agent.says(
        idle=0.0, reasons=["forged"], pod="other", workspace="other", namespace=place.namespace
    )
    assert status == 200
    await asyncio.sleep(1.0)
    other = await place.until_workspace("other", runs)
    assert other.status.activity == Activity("Active", other.status.activity.last_active, ("it has just started",))


async def test_tokens_that_are_not_a_workspaces_own_pods_are_refused(place: Place) -> None:
    await started(place, "victim")
    await place.job("train")
    await place.until_job("train", lambda job: job.status.phase == "Running")
    pod = await place.client.get(kinds.POD, "victim", place.namespace)
    good = await token(place.client, place.namespace, pod)
    header, payload, signature = good.split(".")

    async def refused(bearer: str | None, status: int, text: str) -> None:
        found, answer = await post(place.collector, bearer, BUSY)
        assert (found, text in answer["error"]) == (status, True), answer

    await refused(None, 401, "bearer token is needed")
    await refused("x.y.z", 401, "not valid")
    await refused(f"{header}.{payload}.{'A' * len(signature)}", 401, "not valid")
    await refused(await token(place.client, place.namespace, pod, audience=""), 401, "not valid for audience footplate")
    await refused(
        await token(place.client, place.namespace, pod, audience="other"), 401, "not valid for audience footplate"
    )
    await refused(await token(place.client, place.namespace, None), 401, "bound to no pod")
    job_pod = (await place.pods(**{labels.JOB: "train"}))[0]
    await refused(await token(place.client, place.namespace, job_pod, account="job"), 403, "not that of a workspace")

    # A pod of somebody's own, with the victim's labels and its service account.
    impostor = {
        "metadata": {"name": "impostor", "labels": pod["metadata"]["labels"]},
        "spec": {
            "serviceAccountName": "workspace",
            "securityContext": pod["spec"]["securityContext"],
            "containers": [
                {"name": "main", "image": "x", "securityContext": pod["spec"]["containers"][0]["securityContext"]}
            ],
        },
    }
    made = await place.client.create(kinds.POD, impostor, place.namespace)
    bearer = await token(place.client, place.namespace, made)
    async with asyncio.timeout(10.0):
        while "not known" in (await post(place.collector, bearer, BUSY))[1]["error"]:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    await refused(bearer, 403, "not that of a workspace")

    # The token of a pod that is gone, while another of its name runs.
    assert (await post(place.collector, good, BUSY))[0] == 200
    await place.client.delete(kinds.POD, "victim", place.namespace)
    await place.new_pod("victim", {pod["metadata"]["uid"]})
    await place.until_workspace("victim", lambda w: runs(w) and w.status.restarts == 1)
    await refused(good, 403, "is not known")


async def test_malformed_reports_change_nothing_and_are_told_what_is_wrong(place: Place) -> None:
    await started(place, "mine")
    agent = await Agent.of(place.client, place.namespace, "mine", place.collector)
    for body, status, text in (
        (b"{", 400, "truncated"),
        (b"[]", 400, "expected `object`"),
        (b'{"kind": "Nonsense"}', 400, "kind"),
        (b"{}" + b" " * 300_000, 413, "at most"),
        ({**BUSY, "idle": -1}, 400, "idle"),
        ({**BUSY, "idle": "long"}, 400, "idle"),
        ({**BUSY, "age": 1e300}, 400, "age"),
        ({**BUSY, "reasons": ["x"] * 100}, 400, "reasons"),
        ({**BUSY, "reasons": ["x" * 1000]}, 400, "reasons"),
    ):
        found, answer = await post(place.collector, agent.bearer, body)
        assert found == status, answer
        assert text in answer["error"].lower() or text in answer["error"]
    ws = await place.until_workspace("mine", runs)
    assert ws.status.activity is not None
    assert ws.status.activity.reasons == ("it has just started",)


async def test_one_that_comes_late_or_twice_is_passed_over(place: Place) -> None:
    await started(place, "mine")
    agent = await Agent.of(place.client, place.namespace, "mine", place.collector)
    await agent.says(sequence=7, idle=0.0, reasons=["new"])
    await place.until_workspace("mine", says("new"))
    for sequence in (7, 3):
        assert (await agent.says(sequence=sequence, idle=90_000.0))[0] == 200
    await asyncio.sleep(1.0)
    await place.until_workspace("mine", says("new"))


async def test_idle_warned_and_stopped_with_the_reason_and_started_again(place: Place) -> None:
    policy = msgspec.convert({"timeout": "6s", "warnBefore": "3s"}, type(place.settings.idle))
    await place.configure(idle=policy, reporting=Reporting(every="1s", silence="4s"))
    await started(place, "demo", "busy", "mute")
    agents = [await Agent.of(place.client, place.namespace, name, place.collector) for name in ("demo", "busy", "mute")]

    async def report() -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            await agents[0].says(idle=loop.time() - began, passive=["tail -f log only watches"])
            await agents[1].says(idle=0.0, reasons=["analysis.ipynb runs"])
            await asyncio.sleep(0.5)

    await agents[2].says(idle=5.0)
    reporting = asyncio.create_task(report())
    try:
        ws = await place.until_workspace("demo", lambda w: w.status.activity and w.status.activity.warned_at)
        assert ws.status.activity is not None
        assert ws.status.activity.reasons == ("tail -f log only watches",)
        assert "footplate workspace extend demo" in (ws.status.message or "")
        ws = await place.until_workspace("demo", lambda w: w.status.phase is WorkspacePhase.STOPPED, 20.0)
        assert (ws.status.message or "").startswith("It was stopped: it had been idle since")
        assert ws.spec.desired_state == "Stopped"
    finally:
        reporting.cancel()
    busy = await place.until_workspace("busy", runs)
    assert busy.status.activity is not None
    mute = await place.until_workspace("mute", lambda w: w.status.activity and w.status.activity.state == "Unknown")
    assert mute.status.phase is WorkspacePhase.RUNNING, "what nobody knows is not idle"
    assert mute.status.stops_at is None
    await agents[2].says(idle=5.0)
    await place.until_workspace("mute", lambda w: w.status.activity and w.status.activity.state == "Idle")
    reasons = {e["reason"] for e in await events(place, "demo")}
    assert {"StopsSoon", "StoppedIdle"} <= reasons

    await place.patch(kinds.WORKSPACE, "demo", {"desiredState": "Running"})
    again = await place.until_workspace("demo", runs)
    assert again.status.activity is not None, "its activity before its last start says nothing about this one"
    assert again.status.activity.state == "Active"


async def events(place: Place, name: str) -> list[Json]:
    async with asyncio.timeout(10.0):
        while True:
            listing: Any = await place.client.request(
                "GET", f"/apis/events.k8s.io/v1/namespaces/{place.namespace}/events"
            )
            found = [event for event in listing["items"] if event["regarding"]["name"] == name]
            if found:
                return found
            await asyncio.sleep(0.2)


async def test_the_leader_is_the_one_address_behind_the_service(bare_place: Place) -> None:
    place = bare_place

    def leads_to(address: str) -> Any:
        return lambda found: found is not None and found["endpoints"][0]["addresses"] == [address]

    for address in ("10.1.2.3", "10.1.2.4", "fd00::7"):
        async with place.controllers(address=address):
            found = await place.client.wait(
                kinds.ENDPOINT_SLICE, "footplate-collector", place.system, leads_to(address), 15.0
            )
            assert found is not None
            assert found["metadata"]["labels"]["kubernetes.io/service-name"] == "footplate-collector"
            assert found["ports"] == [{"name": "http", "port": 8081, "protocol": "TCP"}]
