"""What people may do: in their team's namespace, and what everyone may read of the platform."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from components.objects import standard_labels
from footplate.api.meta import GROUP

MEMBER = "footplate-member"
CATALOGUE = "footplate-catalogue"

_READ = ["get", "list", "watch"]
_WRITE = [*_READ, "create", "update", "patch", "delete"]

#: In a team's namespace. Secrets by name only: the object store's keys and the owner's workspace token.
MEMBER_RULES: list[dict[str, Any]] = [
    {"api_groups": [GROUP], "resources": ["workspaces", "trainingjobs"], "verbs": _WRITE},
    {"api_groups": [""], "resources": ["pods", "pods/log", "persistentvolumeclaims", "resourcequotas"], "verbs": _READ},
    {"api_groups": [""], "resources": ["pods/exec", "pods/portforward"], "verbs": ["get", "create"]},
    {"api_groups": [""], "resources": ["secrets"], "verbs": ["get"]},
    {"api_groups": ["", "events.k8s.io"], "resources": ["events"], "verbs": _READ},
]

#: Cluster-wide, for everyone who can log in: which environments and teams there are, which GPUs the nodes have.
CATALOGUE_RULES: list[dict[str, Any]] = [
    {"api_groups": [GROUP], "resources": ["environments"], "verbs": _READ},
    {"api_groups": [""], "resources": ["nodes"], "verbs": _READ},
]


class Roles(pulumi.ComponentResource):
    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("footplate:index:Roles", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        for role, rules in ((MEMBER, MEMBER_RULES), (CATALOGUE, CATALOGUE_RULES)):
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
