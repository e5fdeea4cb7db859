"""What people of two teams may ask of the API server, by RBAC and by the admission policies together."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any

import pytest
import pytest_asyncio

from benchmarks import bare_platform
from components.roles import MEMBER_RULES, TEAM_ADMIN_RULES
from footplate.api import labels
from footplate.api.platform import OBJECT_STORE_SECRET, Maximum
from footplate.api.workspace import token_secret
from footplate.controllers.kinds import POD, SECRET, TRAINING_JOB, WORKSPACE
from footplate.kube.client import Client
from footplate.kube.connection import Connection, load_connection
from footplate.kube.credentials import Identity, StaticCredentials, bearer
from footplate.kube.errors import ApiError, Forbidden, Invalid, KubeError, NotFound
from footplate.kube.resource import Resource
from tests.conftest import ApiCluster

Json = dict[str, Any]

RBAC = "rbac.authorization.k8s.io"
ROLE = Resource(RBAC, "v1", "Role", "roles", True)
ROLE_BINDING = Resource(RBAC, "v1", "RoleBinding", "rolebindings", True)
SETTINGS = bare_platform.platform(
    [],
    allowed_images=("registry.example/vision/*", "registry.example/exact:1"),
    maximum=Maximum(cpu="8", memory="32Gi", gpu=2, home="100Gi", nodes=4),
)
pytestmark = pytest.mark.asyncio(loop_scope="module")

#: Members of the first team, its admin, and a member of the second.
ALICE, BOB, ADMIN, EVE = "alice", "bob", "grace@example.com", "eve"


@dataclass(frozen=True)
class Teams:
    root: Client
    people: dict[str, Client]
    connection: Connection
    first: str
    second: str

    async def make(self, who: str, name: str, resource: Resource = WORKSPACE, **spec: Any) -> Json:
        body = {"environment": "jupyter", "owner": who, **({"command": ["true"]} if resource is TRAINING_JOB else {})}
        body |= spec
        if "image" in spec:
            del body["environment"]
        wanted = {"metadata": {"name": name}, "spec": {key: value for key, value in body.items() if value is not None}}
        return await self.people[who].create(resource, wanted, self.first)


def rules(listed: list[Json]) -> list[Json]:
    words = {"api_groups": "apiGroups", "resource_names": "resourceNames"}
    return [{words.get(key, key): value for key, value in rule.items()} for rule in listed]


async def grant(client: Client, namespace: str, name: str, listed: list[Json], *subjects: Json) -> None:
    await client.apply(ROLE, {"metadata": {"name": name, "namespace": namespace}, "rules": rules(listed)})
    reference = {"apiGroup": RBAC, "kind": "Role", "name": name}
    body = {"metadata": {"name": name, "namespace": namespace}, "roleRef": reference, "subjects": list(subjects)}
    await client.apply(ROLE_BINDING, body)


def user(name: str) -> Json:
    return {"kind": "User", "name": name, "apiGroup": RBAC}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def teams(api_cluster: ApiCluster) -> AsyncIterator[Teams]:
    connection = load_connection(api_cluster.kubeconfig, api_cluster.context)
    mark = secrets.token_hex(4)
    async with AsyncExitStack() as stack:
        root = await stack.enter_async_context(Client(connection, user_agent="footplate-test"))
        await bare_platform.install_kinds(root)
        first, second = [await bare_platform.install_team(root, f"{mark}{letter}") for letter in "ab"]
        account = {"kind": "ServiceAccount", "name": "workspace", "namespace": first}
        await grant(root, first, "members", MEMBER_RULES, user(ALICE), user(BOB), account)
        await grant(root, first, "admins", [*MEMBER_RULES, *TEAM_ADMIN_RULES], user(ADMIN))
        await grant(root, second, "members", MEMBER_RULES, user(EVE))
        people: dict[str, Client] = {}
        for name in (ALICE, BOB, ADMIN, EVE):
            identity = replace(connection, headers={"Impersonate-User": name}, groups=("system:authenticated",))
            people[name] = await stack.enter_async_context(Client(identity, user_agent="footplate-test"))
        made = await bare_platform.install_admission(root, SETTINGS, [first, second], mark)
        found = Teams(root, people, connection, first, second)
        await enforced(found)
        yield found
        for resource, name in made:
            await root.delete(resource, name)
        for namespace in (first, second):
            await root.delete(bare_platform.NAMESPACE, namespace)


async def enforced(teams: Teams) -> None:
    """The API server takes new policies, and objects that they look up, with a delay."""
    await teams.make(ALICE, "first")
    async with asyncio.timeout(30.0):
        for attempt in (
            lambda: teams.make(BOB, "early", owner=ALICE),
            lambda: enter(teams.people[BOB], teams, "first"),
        ):
            while True:
                try:
                    await attempt()
                except Forbidden:
                    break
                except (NotFound, ApiError):
                    pass
                await asyncio.sleep(0.2)
                for resource in (WORKSPACE,):
                    await teams.root.request("DELETE", f"{resource.path(teams.first)}/early")


async def enter(client: Client, teams: Teams, pod: str, way: str = "exec") -> None:
    """As far as admission goes: no kubelet serves simulated pods."""
    path = f"/api/v1/namespaces/{teams.first}/pods/{pod}/{way}"
    await client.request("POST", path, {"command": "true", "stdout": "true", "container": "main", "ports": "80"})


REFUSED: tuple[tuple[str, Resource, Json, type[ApiError], str], ...] = (
    (BOB, WORKSPACE, {"owner": ALICE}, Forbidden, "spec.owner must be bob, who asks, not alice"),
    (BOB, WORKSPACE, {"owner": None}, Forbidden, "spec.owner must be bob, who asks, not left out"),
    (BOB, TRAINING_JOB, {"owner": ALICE}, Forbidden, "spec.owner must be bob"),
    (
        BOB,
        WORKSPACE,
        {"image": "registry.example/other/x:1"},
        Invalid,
        "allowed images: registry.example/vision/*, registry.example/exact:1. Name an Environment",
    ),
    (
        BOB,
        TRAINING_JOB,
        {"image": "registry.example/exact:12"},
        Invalid,
        "spec.image registry.example/exact:12 is not allowed",
    ),
    (BOB, WORKSPACE, {"resources": {"cpu": "0"}}, Invalid, "spec.resources.cpu is 0, which would bound nothing"),
    (BOB, TRAINING_JOB, {"resources": {"memory": "0Gi"}}, Invalid, "spec.resources.memory is 0Gi"),
    (
        BOB,
        WORKSPACE,
        {"resources": {"cpu": "8001m"}},
        Invalid,
        "spec.resources.cpu is 8001m, and this platform allows 8",
    ),
    (BOB, WORKSPACE, {"resources": {"memory": "33Gi"}}, Invalid, "this platform allows 32Gi: ask for less"),
    (
        BOB,
        TRAINING_JOB,
        {"resources": {"gpu": {"count": 3}}},
        Invalid,
        "spec.resources.gpu.count is 3, and this platform allows 2",
    ),
    (BOB, WORKSPACE, {"home": {"size": "1Ti"}}, Invalid, "spec.home.size is 1Ti, and this platform allows 100Gi"),
    (BOB, TRAINING_JOB, {"nodes": 5}, Invalid, "spec.nodes is 5, and this platform allows 4"),
    (
        BOB,
        WORKSPACE,
        {"datasets": [{"name": "d", "uri": "pvc://data/a/../../etc"}]},
        Invalid,
        "leads out of its volume",
    ),
    (
        BOB,
        TRAINING_JOB,
        {"env": {"NVIDIA_VISIBLE_DEVICES": "all"}},
        Forbidden,
        "GPUs of the node that are not the pod's",
    ),
    (
        BOB,
        TRAINING_JOB,
        {"datasets": [{"name": "d", "uri": "pvc://first-home/x"}]},
        Forbidden,
        "claims that end in -home are the homes of workspaces",
    ),
)


@pytest.mark.parametrize(("who", "resource", "spec", "kind", "says"), REFUSED)
async def test_what_a_member_may_not_ask_for(
    teams: Teams, who: str, resource: Resource, spec: Json, kind: type[ApiError], says: str
) -> None:
    with pytest.raises(kind) as refused:
        await teams.make(who, f"r{secrets.token_hex(3)}", resource, **spec)
    assert says in refused.value.message


TAKEN: tuple[tuple[str, Resource, Json], ...] = (
    (BOB, WORKSPACE, {}),
    (BOB, TRAINING_JOB, {"nodes": 4}),
    (BOB, WORKSPACE, {"image": "registry.example/vision/deep/x:1"}),
    (BOB, TRAINING_JOB, {"image": "registry.example/exact:1"}),
    (BOB, WORKSPACE, {"resources": {"cpu": "8000m", "memory": "32Gi", "gpu": {"count": 2}}, "home": {"size": "100Gi"}}),
    (
        BOB,
        WORKSPACE,
        {"datasets": [{"name": "d", "uri": "pvc://data/a..b/c"}], "env": {"NVIDIA_VISIBLE_DEVICES": "void"}},
    ),
    (ALICE, TRAINING_JOB, {"datasets": [{"name": "d", "uri": "pvc://homework/x-home"}]}),
    (ADMIN, WORKSPACE, {"owner": ALICE}),
    (ADMIN, TRAINING_JOB, {"owner": BOB}),
)


@pytest.mark.parametrize(("who", "resource", "spec"), TAKEN)
async def test_what_is_let_through(teams: Teams, who: str, resource: Resource, spec: Json) -> None:
    await teams.make(who, f"t{secrets.token_hex(3)}", resource, **spec)


async def test_the_owner_and_a_team_s_admin_alone_change_and_delete(teams: Teams) -> None:
    await teams.make(ALICE, "kept")
    stop = {"spec": {"desiredState": "Stopped"}}
    with pytest.raises(Forbidden, match=r"spec.owner is alice, and only the owner changes or deletes it"):
        await teams.people[BOB].patch(WORKSPACE, "kept", stop, teams.first)
    with pytest.raises(Forbidden, match="only the owner changes or deletes it"):
        await teams.people[BOB].delete(WORKSPACE, "kept", teams.first)
    with pytest.raises(Invalid, match="owner cannot be changed"):
        await teams.people[ADMIN].patch(WORKSPACE, "kept", {"spec": {"owner": BOB}}, teams.first)
    await teams.people[ALICE].patch(WORKSPACE, "kept", stop, teams.first)
    await teams.people[ADMIN].patch(WORKSPACE, "kept", {"spec": {"desiredState": "Running"}}, teams.first)
    await teams.people[ALICE].delete(WORKSPACE, "kept", teams.first)


async def test_what_was_allowed_once_can_still_be_stopped(teams: Teams) -> None:
    """By root before the bound was lowered, as it were."""
    body = {"image": "registry.example/old:1", "owner": ALICE, "resources": {"cpu": "64"}}
    unbound = {"metadata": {"name": "large", "namespace": "default"}, "spec": body}
    assert (await teams.root.create(WORKSPACE, unbound, dry_run=True))["spec"]["resources"]["cpu"] == "64"
    with pytest.raises(Invalid, match="is not allowed"):
        await teams.root.create(WORKSPACE, {"metadata": {"name": "large"}, "spec": body}, teams.first)
    await teams.make(ALICE, "grown", resources={"cpu": "8"})
    with pytest.raises(Invalid, match=r"spec.resources.cpu is 9"):
        await teams.people[ALICE].patch(WORKSPACE, "grown", {"spec": {"resources": {"cpu": "9"}}}, teams.first)
    await teams.people[ALICE].patch(WORKSPACE, "grown", {"spec": {"desiredState": "Stopped"}}, teams.first)


@pytest.mark.parametrize("way", ["exec", "portforward"])
async def test_nobody_but_the_owner_enters_a_workspace(teams: Teams, way: str) -> None:
    for who, says in ((BOB, "workspace first.* is of alice"), (EVE, "cannot create resource")):
        for pod in ("first", "first.home-1"):
            with pytest.raises(Forbidden, match=says):
                await enter(teams.people[who], teams, pod, way)
    for who in (ALICE, ADMIN):
        with pytest.raises(KubeError) as passed:
            await enter(teams.people[who], teams, "first", way)
        assert "first" in str(passed.value)
        assert not isinstance(passed.value, Forbidden)


async def test_tokens_are_nobody_s_to_read_and_the_other_team_sees_nothing(teams: Teams) -> None:
    for who in (ALICE, BOB, ADMIN, EVE):
        with pytest.raises(Forbidden):
            await teams.people[who].get(SECRET, token_secret(ALICE), teams.first)
        with pytest.raises(Forbidden):
            await teams.people[who].list(SECRET, teams.first)
    with pytest.raises(NotFound):
        await teams.people[BOB].get(SECRET, OBJECT_STORE_SECRET, teams.first)
    for resource in (WORKSPACE, TRAINING_JOB, POD):
        with pytest.raises(Forbidden):
            await teams.people[EVE].list(resource, teams.first)
    with pytest.raises(Forbidden):
        await teams.people[EVE].get(SECRET, OBJECT_STORE_SECRET, teams.first)


async def test_a_workspace_s_own_account_acts_for_that_workspace_and_submits_jobs(teams: Teams) -> None:
    await teams.make(BOB, "inside")
    await teams.root.create(POD, pod("inside"), teams.first)
    bound = {"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "inside"}, "expirationSeconds": 600}
    path = f"/api/v1/namespaces/{teams.first}/serviceaccounts/workspace/token"
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": bound}
    token: str = (await teams.root.request("POST", path, body=asked))["status"]["token"]
    connection = replace(teams.connection, credentials=StaticCredentials(Identity(bearer(token)), "a workspace"))
    async with Client(connection, user_agent="footplate-test") as client:
        spec = {"environment": "jupyter", "command": ["true"]}

        async def submit(name: str, owner: str) -> None:
            await client.create(
                TRAINING_JOB, {"metadata": {"name": name}, "spec": {**spec, "owner": owner}}, teams.first
            )

        await submit("of-bob", BOB)
        with pytest.raises(Forbidden, match="a workspace makes no other workspaces"):
            made = {"metadata": {"name": "trap"}, "spec": {"environment": "jupyter", "owner": ALICE}}
            await client.create(WORKSPACE, made, teams.first)
        stop = {"spec": {"desiredState": "Stopped"}}
        with pytest.raises(Forbidden, match=r"spec\.owner is alice, and only the owner"):
            await client.patch(WORKSPACE, "first", stop, teams.first)
        await client.patch(WORKSPACE, "inside", stop, teams.first)
        with pytest.raises(Forbidden, match="workspace first is of alice"):
            await enter(client, teams, "first")


def pod(name: str) -> Json:
    security = {
        "runAsNonRoot": True,
        "runAsUser": 1000,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    container = {"name": "main", "image": "none.invalid/none:1", "securityContext": security}
    return {
        "metadata": {"name": name, "labels": {labels.WORKSPACE: name}},
        "spec": {"serviceAccountName": "workspace", "containers": [container]},
    }
