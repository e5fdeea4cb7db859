"""What the API server itself refuses, by the CRDs' schemas and CEL rules: with the field's name, before anything is stored."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from benchmarks import bare_platform
from footplate.controllers.kinds import ENVIRONMENT, TRAINING_JOB, WORKSPACE
from footplate.kube.client import Client
from footplate.kube.connection import Connection, load_connection
from footplate.kube.errors import BadRequest, Invalid
from footplate.kube.resource import Resource
from tests.conftest import ApiCluster

NAMESPACE = "default"
ENV = {"environment": "jupyter"}
DATA = {"name": "d", "uri": "s3://b/x"}
ASKED = {"at": "2026-01-01T00:00:00Z", "restore": "latest"}
JOB = {"environment": "jupyter", "command": ["true"]}


@pytest.fixture(scope="session")
def served(api_cluster: ApiCluster) -> Connection:
    found = load_connection(api_cluster.kubeconfig, api_cluster.context)

    async def install() -> None:
        async with Client(found) as client:
            await bare_platform.install_kinds(client)

    asyncio.run(install())
    return found


@pytest.fixture
async def client(served: Connection) -> AsyncIterator[Client]:
    async with Client(served, user_agent="footplate-test") as found:
        yield found


async def create(
    client: Client, resource: Resource, spec: dict[str, Any], name: str = "demo", dry_run: bool = True
) -> Any:
    namespace = NAMESPACE if resource.namespaced else None
    body = {"metadata": {"name": name}, "spec": spec}
    return await client.create(resource, body, namespace, dry_run=dry_run)


@pytest.mark.parametrize(
    ("resource", "spec", "says"),
    [
        (WORKSPACE, {}, "set either environment or image"),
        (WORKSPACE, {**ENV, "image": "x"}, "set either environment or image"),
        (WORKSPACE, {**ENV, "desiredState": "Paused"}, "spec.desiredState: Unsupported value"),
        (WORKSPACE, {**ENV, "resources": {"cpu": "-1"}}, "spec.resources.cpu"),
        (WORKSPACE, {**ENV, "resources": {"memory": "lots"}}, "spec.resources.memory"),
        (WORKSPACE, {**ENV, "resources": {"gpu": {"count": 0}}}, "spec.resources.gpu.count"),
        (WORKSPACE, {**ENV, "resources": {"gpu": {"share": "half"}}}, "spec.resources.gpu.share"),
        (WORKSPACE, {**ENV, "home": {"size": "big"}}, "spec.home.size"),
        (WORKSPACE, {**ENV, "home": {"restoreFrom": "yesterday"}}, "spec.home.restoreFrom"),
        (WORKSPACE, {**ENV, "home": {"restoreFrom": "../bob/latest"}}, "spec.home.restoreFrom"),
        (WORKSPACE, {**ENV, "home": {"request": {"restore": "latest"}}}, "spec.home.request.at"),
        (WORKSPACE, {**ENV, "home": {"request": {**ASKED, "paths": ["a", "b/../../c"]}}}, "must be within home"),
        (WORKSPACE, {**ENV, "home": {"request": {**ASKED, "to": "/etc"}}}, "must be within home"),
        (WORKSPACE, {**ENV, "idle": {"timeout": "soon"}}, "spec.idle.timeout"),
        (WORKSPACE, {**ENV, "datasets": [{"name": "d", "uri": "ftp://x"}]}, "spec.datasets[0].uri"),
        (WORKSPACE, {**ENV, "datasets": [{"name": "D!", "uri": "s3://b/x"}]}, "spec.datasets[0].name"),
        (WORKSPACE, {**ENV, "datasets": [{"name": "d", "uri": "s3://b/x"}] * 2}, "spec.datasets[1]: Duplicate value"),
        (WORKSPACE, {**ENV, "datasets": [{**DATA, "path": "/home/../etc"}]}, "path must not have . or .. in it"),
        (WORKSPACE, {**ENV, "datasets": [{**DATA, "path": "/"}]}, "spec.datasets[0].path"),
        (WORKSPACE, {**ENV, "datasets": [{**DATA, "path": "relative"}]}, "spec.datasets[0].path"),
        (TRAINING_JOB, {**JOB, "datasets": [{**DATA, "path": "/etc"}]}, "path must not be a directory of the system"),
        (TRAINING_JOB, {**JOB, "datasets": [{**DATA, "path": "/lib/x"}]}, "path must not be a directory of the system"),
        (
            WORKSPACE,
            {**ENV, "datasets": [DATA, {**DATA, "name": "e", "path": "/data/d"}]},
            "two datasets have one path",
        ),
        (WORKSPACE, {**ENV, "owner": ""}, "spec.owner"),
        (TRAINING_JOB, {**JOB, "owner": "ada\n"}, "spec.owner"),
        (WORKSPACE, {**ENV, "team": "Red Team"}, "spec.team"),
        (TRAINING_JOB, {"environment": "jupyter"}, "spec.command: Required value"),
        (TRAINING_JOB, {**JOB, "command": []}, "spec.command"),
        (TRAINING_JOB, {**JOB, "nodes": 0}, "spec.nodes"),
        (TRAINING_JOB, {**JOB, "nodes": -1}, "spec.nodes"),
        (TRAINING_JOB, {**JOB, "processesPerNode": 0}, "spec.processesPerNode"),
        (TRAINING_JOB, {**JOB, "launcher": "mpi"}, "spec.launcher: Unsupported value"),
        (TRAINING_JOB, {**JOB, "elastic": {"minNodes": 4, "maxNodes": 2}}, "elastic.minNodes must not be above"),
        (TRAINING_JOB, {**JOB, "retries": {"app": -1}}, "spec.retries.app"),
        (TRAINING_JOB, {**JOB, "deadline": "1 hour"}, "spec.deadline"),
        (TRAINING_JOB, {**JOB, "deadline": "0s"}, "deadline must be longer than 0s"),
        (TRAINING_JOB, {**JOB, "deadline": "99999999999h"}, "spec.deadline"),
        (TRAINING_JOB, {**JOB, "ttlAfterFinished": f"{'9' * 23}h"}, "spec.ttlAfterFinished"),
        (TRAINING_JOB, {**JOB, "checkpoint": {"grace": "9999999999999999d"}}, "spec.checkpoint.grace"),
        (TRAINING_JOB, {**JOB, "code": {"uri": "s3://b/code.zip"}}, "spec.code.uri"),
        (TRAINING_JOB, {**JOB, "checkpoint": {"uri": "/local"}}, "spec.checkpoint.uri"),
        (TRAINING_JOB, {**JOB, "placement": {"targets": []}}, "spec.placement.targets"),
        (TRAINING_JOB, {**JOB, "placement": {"targets": ["azure"]}}, "spec.placement.targets[0]"),
        (ENVIRONMENT, {}, "spec.image: Required value"),
    ],
)
async def test_a_wrong_field_is_refused_by_name(
    client: Client, resource: Resource, spec: dict[str, Any], says: str
) -> None:
    with pytest.raises(Invalid) as refusal:
        await create(client, resource, spec)
    assert says in refusal.value.message


@pytest.mark.parametrize(
    ("resource", "name", "says"),
    [
        (WORKSPACE, "w" * 51, "can be at most 50 characters long"),
        (TRAINING_JOB, "j" * 46, "can be at most 45 characters long"),
        (WORKSPACE, "1st", "must be lower-case letters, digits and '-', starting with a letter"),
        (WORKSPACE, "a.b", "must be lower-case letters, digits and '-', starting with a letter"),
    ],
)
async def test_a_name_that_its_children_could_not_bear_is_refused(
    client: Client, resource: Resource, name: str, says: str
) -> None:
    with pytest.raises(Invalid, match=says):
        await create(client, resource, JOB if resource is TRAINING_JOB else ENV, name)


@pytest.mark.parametrize(("resource", "name", "spec"), [(WORKSPACE, "w" * 50, ENV), (TRAINING_JOB, "j" * 45, JOB)])
async def test_the_longest_name_is_taken(client: Client, resource: Resource, name: str, spec: dict[str, Any]) -> None:
    assert (await create(client, resource, spec, name))["metadata"]["name"] == name


async def test_defaults_are_written_into_a_spec(client: Client) -> None:
    workspace = (await create(client, WORKSPACE, ENV))["spec"]
    assert (workspace["desiredState"], workspace["ide"]) == ("Running", "jupyterlab")
    assert workspace["home"] == {"size": "10Gi"}
    assert workspace["resources"] == {"cpu": "1", "memory": "2Gi"}
    job = (await create(client, TRAINING_JOB, JOB))["spec"]
    assert (job["nodes"], job["cancelled"], job["launcher"]) == (1, False, "torchrun")
    assert job["retries"] == {"app": 0, "infra": 3, "preemption": 10, "capacity": 3}


@pytest.mark.parametrize(
    ("resource", "before", "change", "says"),
    [
        (WORKSPACE, ENV, {"home": {"size": "5Gi"}}, "home.size can grow but not shrink"),
        (WORKSPACE, ENV, {"home": {"storageClass": "fast"}}, "home.storageClass cannot be changed"),
        (WORKSPACE, ENV, {"home": {"restoreFrom": "latest"}}, "home.restoreFrom cannot be changed"),
        (WORKSPACE, {**ENV, "owner": "alice"}, {"owner": "bob"}, "owner cannot be changed"),
        (TRAINING_JOB, JOB, {"nodes": 2}, "nodes cannot be changed after submission"),
        (TRAINING_JOB, JOB, {"environment": "other"}, "environment cannot be changed after submission"),
        (TRAINING_JOB, JOB, {"command": ["false"]}, "command cannot be changed after submission"),
        (TRAINING_JOB, JOB, {"args": ["--x"]}, "args cannot be changed after submission"),
        (TRAINING_JOB, {**JOB, "cancelled": True}, {"cancelled": False}, "cancelled cannot be taken back"),
    ],
)
async def test_a_change_that_cannot_be_is_refused(
    client: Client, resource: Resource, before: dict[str, Any], change: dict[str, Any], says: str
) -> None:
    made = await create(client, resource, before, "unchanging", dry_run=False)
    try:
        with pytest.raises(Invalid, match=says):
            await client.patch(resource, "unchanging", {"spec": change}, NAMESPACE)
    finally:
        await client.delete(resource, "unchanging", NAMESPACE, uid=made["metadata"]["uid"])
        await client.wait(resource, "unchanging", NAMESPACE, lambda found: found is None, 10.0)


async def test_a_home_may_grow(client: Client) -> None:
    await create(client, WORKSPACE, ENV, "growing", dry_run=False)
    try:
        changed = await client.patch(WORKSPACE, "growing", {"spec": {"home": {"size": "20Gi"}}}, NAMESPACE)
        assert changed["spec"]["home"]["size"] == "20Gi"
    finally:
        await client.delete(WORKSPACE, "growing", NAMESPACE)


async def test_an_unknown_field_is_dropped_not_stored(client: Client) -> None:
    made = await create(client, WORKSPACE, {**ENV, "gpus": 8})
    assert "gpus" not in made["spec"]


async def test_an_unknown_field_is_refused_by_name_where_asked(client: Client) -> None:
    body = {"metadata": {"name": "demo"}, "spec": {**ENV, "gpus": 8}}
    with pytest.raises(BadRequest, match=r'unknown field "spec.gpus"'):
        await client.create(WORKSPACE, body, NAMESPACE, dry_run=True, strict=True)
