"""How much the controllers write: little on the way, nothing once there is nothing to say. Counted by the API server."""

import asyncio
from collections import Counter

from benchmarks.audit import AuditLog
from footplate.api.trainingjob import JobPhase
from footplate.api.workspace import WorkspacePhase
from footplate.controllers import kinds
from tests.conftest import ApiCluster
from tests.integration.controllers.conftest import Place

WINDOW = 8.0


def ours(audit: AuditLog, place: Place) -> Counter[str]:
    """In the test's own namespace: those of earlier tests may still be going."""
    return Counter(write.kind for write in audit.writes(kinds.MANAGER) if write.namespace == place.namespace)


async def test_a_workspace_that_comes_up_at_once_costs_its_pod_one_status_and_its_name(
    place: Place, api_cluster: ApiCluster
) -> None:
    await place.workspace("first")
    await place.until_workspace("first", lambda w: w.status.phase is WorkspacePhase.RUNNING)
    await asyncio.sleep(2.0)  # its name is written
    audit = AuditLog(api_cluster.kubeconfig)
    await place.workspace("second")
    await place.until_workspace("second", lambda w: w.status.phase is WorkspacePhase.RUNNING)
    await asyncio.sleep(3.0)
    found = ours(audit, place)
    assert found.pop("update endpointslices") == 1
    assert found == {"create pods": 1, "update workspaces/status": 1}


async def test_what_can_never_run_is_written_about_once(place: Place, api_cluster: ApiCluster) -> None:
    audit = AuditLog(api_cluster.kubeconfig)
    await place.workspace("w1", environment="nope")
    await place.workspace("w2", resources={"gpu": {"count": 64}})
    await place.workspace("w3", env={"not a name=": "x"})
    await place.job("j1", environment="nope")
    await place.job("j2", resources={"gpu": {"count": 64}})
    await place.job("j3", env={"not a name=": "x"})
    for name in ("w1", "w2", "w3"):
        await place.until_workspace(name, lambda w: w.status.phase is WorkspacePhase.FAILED)
    for name in ("j1", "j2", "j3"):
        await place.until_job(name, lambda j: j.status.phase is JobPhase.FAILED)
    await asyncio.sleep(WINDOW)
    found = ours(audit, place)
    assert found.pop("update workspaces/status") == 3
    assert found.pop("update trainingjobs/status") == 3
    assert found.pop("create events") == 6
    # Only the API server could say that these two are wrong; what was made beside them is removed or shared.
    assert found.pop("create pods") == 1
    assert found.pop("create jobs") == 1
    assert found.pop("create services", 0) <= 2
    assert found.pop("delete services", 0) <= 1
    assert found.pop("create secrets", 0) <= 1
    assert not found


async def test_nothing_is_written_while_nothing_changes(place: Place, api_cluster: ApiCluster) -> None:
    names = [f"s{number}" for number in range(100)]
    small = {"cpu": "10m", "memory": "16Mi"}
    await asyncio.gather(*(place.workspace(name, resources=small) for name in names))
    await asyncio.gather(
        *(place.job(name, cancelled=number >= 10, resources=small) for number, name in enumerate(names))
    )
    for name in names[:10]:
        await place.until_job(name, lambda j: j.status.phase is JobPhase.RUNNING, 60.0)
        await place.patch(kinds.TRAINING_JOB, name, {"cancelled": True})
    for name in names:
        await place.until_workspace(name, lambda w: w.status.phase is WorkspacePhase.RUNNING, 60.0)
        await place.until_job(name, lambda j: j.status.phase is JobPhase.CANCELLED, 60.0)
    await asyncio.sleep(3.0)
    audit = AuditLog(api_cluster.kubeconfig)
    await asyncio.sleep(WINDOW)
    assert ours(audit, place) == {}


async def test_a_restart_of_the_controllers_writes_nothing(bare_place: Place, api_cluster: ApiCluster) -> None:
    place = bare_place
    async with place.controllers():
        for name in ("a", "b", "c"):
            await place.workspace(name)
            await place.job(name)
            await place.until_workspace(name, lambda w: w.status.phase is WorkspacePhase.RUNNING)
            await place.until_job(name, lambda j: j.status.phase is JobPhase.RUNNING)
        await asyncio.sleep(3.0)
    audit = AuditLog(api_cluster.kubeconfig)
    async with place.controllers():
        await asyncio.sleep(WINDOW)
    assert ours(audit, place) == {}
