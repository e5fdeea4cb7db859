"""What people may do: in their team's namespace, and what everyone may read of the platform."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from components.objects import standard_labels
from footplate.api.admission import ASSIGN
from footplate.api.meta import GROUP
from footplate.api.platform import OBJECT_STORE_SECRET

MEMBER = "footplate-member"
TEAM_ADMIN = "footplate-team-admin"
CATALOGUE = "footplate-catalogue"

_READ = ["get", "list", "watch"]
_WRITE = [*_READ, "create", "update", "patch", "delete"]

#: In a team's namespace, within what admission leaves of it (`footplate.api.admission`). Of Secrets the object store's keys
#: alone: RBAC cannot tell whose workspace's token is whose, so that its owner asks the workspace.
MEMBER_RULES: list[dict[str, Any]] = [
    {"api_groups": [GROUP], "resources": ["workspaces", "trainingjobs"], "verbs": _WRITE},
    {"api_groups": [""], "resources": ["pods", "pods/log", "persistentvolumeclaims", "resourcequotas"], "verbs": _READ},
    {"api_groups": [""], "resources": ["pods/exec", "pods/portforward"], "verbs": ["get", "create"]},
    {"api_groups": [""], "resources": ["secrets"], "resource_names": [OBJECT_STORE_SECRET], "verbs": ["get"]},
    {"api_groups": ["", "events.k8s.io"], "resources": ["events"], "verbs": _READ},
]

#: Beside a member's.
TEAM_ADMIN_RULES: list[dict[str, Any]] = [
    {"api_groups": [GROUP], "resources": ["workspaces", "trainingjobs"], "verbs": [ASSIGN]},
]

#: Cluster-wide, for everyone who can log in: which environments and teams there are, which GPUs the nodes have, which
#: volumes can grow.
CATALOGUE_RULES: list[dict[str, Any]] = [
    {"api_groups": [GROUP], "resources": ["environments"], "verbs": _READ},
    {"api_groups": [""], "resources": ["nodes"], "verbs": _READ},
    {"api_groups": ["storage.k8s.io"], "resources": ["storageclasses"], "verbs": _READ},
]


class Roles(pulumi.ComponentResource):
    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("footplate:index:Roles", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        for role, rules in (
            (MEMBER, MEMBER_RULES),
            (TEAM_ADMIN, [*MEMBER_RULES, *TEAM_ADMIN_RULES]),
            (CATALOGUE, CATALOGUE_RULES),
        ):
            kubernetes.rbac.v1.ClusterRole(
                role,
                metadata={"name": role, "labels": standard_labels("access")},
                rules=rules,  # pyright: ignore[reportArgumentType]
                opts=child,
            )
        kubernetes.rbac.v1.ClusterRoleBinding(
            CATALOGUE,
            metadata={"name": CATALOGUE, "labels": standard_labels("access")},
            role_ref={"api_group": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": CATALOGUE},
            subjects=[{"kind": "Group", "name": "system:authenticated", "api_group": "rbac.authorization.k8s.io"}],
            opts=child,
        )
        self.register_outputs({})
