"""What the controllers need in a bare API server: kinds, settings, priorities and teams, without the Pulumi program."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from footplate.api import admission, crds, labels, usage
from footplate.api.environment import Environment, EnvironmentSpec
from footplate.api.meta import ObjectMeta
from footplate.api.platform import (
    CONFIG_MAP,
    SERVICE_ACCOUNT_HOME,
    SERVICE_ACCOUNT_JOB,
    SERVICE_ACCOUNT_WORKSPACE,
    HomePolicy,
    ObjectStore,
    Platform,
    Team,
    priority_class,
)
from footplate.controllers import kinds, permissions
from footplate.kube.client import Client
from footplate.kube.connection import Connection
from footplate.kube.resource import Resource

Json = dict[str, Any]

CRD = Resource("apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", False)
NAMESPACE = Resource("", "v1", "Namespace", "namespaces", False)
SERVICE_ACCOUNT = Resource("", "v1", "ServiceAccount", "serviceaccounts", True)
CLUSTER_ROLE = Resource("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", False)
CLUSTER_ROLE_BINDING = Resource("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", False)
PRIORITY_CLASS = Resource("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", False)
_ADMISSION = "admissionregistration.k8s.io"
POLICY = Resource(_ADMISSION, "v1", "ValidatingAdmissionPolicy", "validatingadmissionpolicies", False)
POLICY_BINDING = Resource(
    _ADMISSION, "v1", "ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings", False
)

ENVIRONMENT = "jupyter"
MANAGER = "footplate-setup"


def platform(teams: Sequence[str], **more: Any) -> Platform:
    """Without snapshots of homes: most clusters that it is for run no pods."""
    return Platform(
        version="0",
        platform_image="footplate.local/platform:test",
        state_uri="s3://footplate/state",
        teams=tuple(Team(team, f"s3://footplate/teams/{team}") for team in teams),
        object_store=ObjectStore(endpoint="http://store.invalid:9000"),
        homes=HomePolicy(snapshot="Never"),
        **more,
    )


async def install_kinds(client: Client) -> None:
    for manifest in crds.manifests():
        await client.apply(CRD, manifest, manager=MANAGER)
    for manifest in crds.manifests():
        await client.wait(CRD, manifest["metadata"]["name"], None, lambda crd: holds(crd, "Established"), 20.0)
    for priority, value in (("interactive", 10_000), ("training", 5_000), ("batch", 1_000)):
        body = {"metadata": {"name": priority_class(priority)}, "value": value, "preemptionPolicy": "Never"}
        await client.apply(PRIORITY_CLASS, body, manager=MANAGER)
    await install_environment(client, ENVIRONMENT, "footplate.local/jupyter:test")


async def install_permissions(client: Client) -> None:
    """Those of the controllers' ClusterRole, and no more, for `as_controllers`."""
    rules = [
        {
            "apiGroups": rule.groups,
            "resources": rule.resources,
            "verbs": rule.verbs,
            **({"resourceNames": rule.names} if rule.names else {}),
        }
        for rule in permissions.RULES
    ]
    await client.apply(CLUSTER_ROLE, {"metadata": {"name": kinds.MANAGER}, "rules": rules}, manager=MANAGER)
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": kinds.MANAGER}
    subject = {"kind": "User", "name": kinds.MANAGER, "apiGroup": "rbac.authorization.k8s.io"}
    binding = {"metadata": {"name": kinds.MANAGER}, "roleRef": reference, "subjects": [subject]}
    await client.apply(CLUSTER_ROLE_BINDING, binding, manager=MANAGER)


def as_controllers(connection: Connection) -> Connection:
    return replace(connection, headers={"Impersonate-User": kinds.MANAGER}, groups=("system:authenticated",))


def holds(obj: Json | None, condition: str) -> bool:
    status: Json = (obj or {}).get("status") or {}
    conditions: list[Json] = status.get("conditions") or []
    return any(c["type"] == condition and c["status"] == "True" for c in conditions)


async def install_environment(client: Client, name: str, image: str) -> None:
    await client.apply(
        kinds.ENVIRONMENT, Environment(ObjectMeta(name=name), EnvironmentSpec(image=image)), manager=MANAGER
    )


async def install_settings(client: Client, system: str, settings: Platform) -> None:
    await client.apply(NAMESPACE, {"metadata": {"name": system}}, manager=MANAGER)
    body = {"metadata": {"name": CONFIG_MAP, "namespace": system}, "data": settings.to_config_map_data()}
    await client.apply(kinds.CONFIG_MAP, body, manager=MANAGER)
    published = {"metadata": {"name": usage.CONFIG_MAP, "namespace": system}}
    await client.apply(kinds.CONFIG_MAP, published, manager=MANAGER)


async def install_team(client: Client, team: str) -> str:
    """The team's namespace, with Pod Security `restricted` enforced."""
    name = labels.TEAM_NAMESPACE_PREFIX + team
    marked = {labels.TEAM: team, "pod-security.kubernetes.io/enforce": "restricted"}
    await client.apply(NAMESPACE, {"metadata": {"name": name, "labels": marked}}, manager=MANAGER)
    accounts = (SERVICE_ACCOUNT_WORKSPACE, SERVICE_ACCOUNT_JOB, SERVICE_ACCOUNT_HOME)
    await asyncio.gather(
        *(
            client.apply(SERVICE_ACCOUNT, {"metadata": {"name": account, "namespace": name}}, manager=MANAGER)
            for account in accounts
        )
    )
    return name


async def install_admission(
    client: Client, settings: Platform, namespaces: Sequence[str], mark: str
) -> list[tuple[Resource, str]]:
    """The admission policies, in these namespaces alone and under names of their own; what to delete, in order."""
    here = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": list(namespaces)}
    made: list[tuple[Resource, str]] = []
    for policy in admission.policies(settings):
        policy["metadata"]["name"] += f"-{mark}"
        await client.apply(POLICY, policy, manager=MANAGER)
        made.append((POLICY, policy["metadata"]["name"]))
    for binding in admission.bindings():
        spec: Json = binding["spec"]
        binding["metadata"]["name"] += f"-{mark}"
        spec["policyName"] += f"-{mark}"
        only: list[Json] = [*spec["matchResources"]["namespaceSelector"]["matchExpressions"], here]
        spec["matchResources"] = {"namespaceSelector": {"matchExpressions": only}}
        await client.apply(POLICY_BINDING, binding, manager=MANAGER)
        made.append((POLICY_BINDING, binding["metadata"]["name"]))
    return made[::-1]
