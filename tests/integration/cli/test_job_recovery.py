"""Explanations and what a person does with a job that waits, rests or has failed; by somebody who is only a team's member."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.bare_platform import CLUSTER_ROLE
from components.roles import CATALOGUE_RULES, MEMBER_RULES
from footplate.api import usage
from footplate.client.kinds import CONFIG_MAP, TRAINING_JOB
from footplate.kube.client import Client
from footplate.kube.resource import Resource
from tests.integration.cli.conftest import Footplate
from tests.integration.cli.platform import Platform

Json = dict[str, Any]

ROLE = Resource("rbac.authorization.k8s.io", "v1", "Role", "roles", True)
ROLE_BINDING = Resource("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings", True)
CLUSTER_ROLE_BINDING = Resource("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", False)
MIA = [{"kind": "User", "name": "mia", "apiGroup": "rbac.authorization.k8s.io"}]


def wire(rules: list[Json]) -> list[Json]:
    names = {"api_groups": "apiGroups", "resource_names": "resourceNames"}
    return [{names.get(key, key): value for key, value in rule.items()} for rule in rules]


@pytest.fixture
def member(platform: Platform, tmp_path: Path) -> Path:
    """A kubeconfig of somebody with the rights of a team's member, and no others."""

    async def grant(client: Client) -> None:
        settings = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get"], "resourceNames": ["footplate-platform", usage.CONFIG_MAP]}]  # fmt: skip
        for namespace, rules in ((platform.namespace, wire(MEMBER_RULES)), (platform.system, settings)):
            body = {"metadata": {"name": "mia", "namespace": namespace}}
            await client.apply(ROLE, {**body, "rules": rules})
            reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "mia"}
            await client.apply(ROLE_BINDING, {**body, "roleRef": reference, "subjects": MIA})
        await client.apply(CLUSTER_ROLE, {"metadata": {"name": "test-catalogue"}, "rules": wire(CATALOGUE_RULES)})
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "test-catalogue"}
        body = {"metadata": {"name": "test-catalogue"}, "roleRef": reference, "subjects": MIA}
        await client.apply(CLUSTER_ROLE_BINDING, body)

    platform.kube(grant)
    config = yaml.safe_load(platform.kubeconfig.read_text())
    for user in config["users"]:
        user["user"]["as"] = "mia"
    path = tmp_path / "mia"
    path.write_text(yaml.safe_dump(config))
    return path


def until(platform: Platform, name: str, phase: str) -> None:
    def judge(found: Json | None) -> bool:
        return (found or {}).get("status", {}).get("phase") == phase

    platform.kube(lambda client: client.wait(TRAINING_JOB, name, platform.namespace, judge, 30.0))


def test_a_member_learns_why_a_job_waits_and_what_would_help(
    footplate: Footplate, platform: Platform, member: Path
) -> None:
    as_member = ("--kubeconfig", str(member), "--team", platform.team)
    name = f"j{secrets.token_hex(3)}"
    options = ("--nodes", "9", "--gpus", "8", "--gpu-type", "H100", "-e", "pytorch")
    submitted = footplate("job", "submit", "--name", name, *options, *as_member, "--", "true")
    assert submitted.code == 0, submitted.err
    until(platform, name, "Queued")

    def lists(found: Json | None) -> bool:
        return name in ((found or {}).get("data") or {}).get(usage.KEY, "")

    platform.kube(lambda client: client.wait(CONFIG_MAP, usage.CONFIG_MAP, platform.system, lists, 30.0))
    said = footplate("job", "explain", name, *as_member)
    assert said.code == 0, said.err
    assert said.out.startswith(f"Job {name} has waited ")
    assert "it asks for 72 H100 GPUs on 9 nodes, and the cluster has" in said.out
    assert "9 × (1 CPU, 2Gi memory, 8 H100 GPUs) (72 GPUs in all)" in said.out
    found = json.loads(footplate("job", "explain", name, "-o", "json", *as_member).out)
    assert found["position"] >= 1
    assert found["pools"][0]["gpu"] == "H100"
    assert footplate("job", "cancel", name, *as_member).code == 0


def test_what_if_asks_for_nothing_and_leaves_nothing(footplate: Footplate, platform: Platform, member: Path) -> None:
    as_member = ("--kubeconfig", str(member), "--team", platform.team)
    before = platform.kube(lambda client: client.list(TRAINING_JOB, platform.namespace)).items
    found = footplate("job", "explain", "--what-if", "--gpus", "2", "--gpu-type", "B200", "-e", "pytorch", *as_member)
    assert found.code == 0, found.err
    assert found.out.startswith("It could never start: no node offers 2 B200 GPUs, and no pool adds nodes.")
    large = footplate("job", "explain", "--what-if", "--gpus", "9", "-e", "pytorch", *as_member)
    assert "It could never start: it asks for 9 GPUs on one node, the largest, " in large.out
    assert ", has 8 (H100), and no pool adds nodes." in large.out
    assert len(platform.kube(lambda client: client.list(TRAINING_JOB, platform.namespace)).items) == len(before)
    assert footplate("job", "explain").code == 2
    refused = footplate("job", "explain", "--what-if", "--nodes", "0", "-e", "pytorch", *as_member)
    assert refused.code == 5
    assert "nodes must be at least 1" in refused.err


def test_a_job_is_suspended_resumed_and_its_attempts_listed(footplate: Footplate, platform: Platform) -> None:
    name = f"j{secrets.token_hex(3)}"
    assert footplate("job", "submit", "--name", name, "-e", "pytorch", "--", "true").code == 0
    until(platform, name, "Running")
    assert footplate("job", "suspend", name, "--timeout", "60s").code == 0
    until(platform, name, "Suspended")
    assert footplate("job", "retry", name).code == 4
    assert footplate("job", "resume", name).code == 0
    until(platform, name, "Running")
    shown = footplate("job", "attempts", name)
    assert "Cancelled/Suspended: it was suspended" in shown.out
    assert [a["number"] for a in json.loads(footplate("job", "attempts", name, "-o", "json").out)] == [1, 2]
    assert footplate("job", "resume", name).code == 4
    assert footplate("job", "cancel", name).code == 0
    assert footplate("job", "suspend", name).code == 4
