"""One team: a namespace with its members, quota, network rules, service accounts and access to the object store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from components.objects import RESTRICTED, standard_labels
from components.roles import MEMBER, TEAM_ADMIN
from footplate.api import labels
from footplate.api.platform import (
    COLLECTOR_PORT,
    OBJECT_STORE_SECRET,
    SERVICE_ACCOUNT_HOME,
    SERVICE_ACCOUNT_JOB,
    SERVICE_ACCOUNT_WORKSPACE,
)

#: Cloud metadata services hand out the node's identity: pods have their own (https://kubernetes.io/docs/concepts/security).
METADATA_SERVICE = "169.254.169.254/32"

#: config → the counted resource. Source: https://kubernetes.io/docs/concepts/policy/resource-quotas/
QUOTA_RESOURCES = {
    "cpu": "requests.cpu",
    "memory": "requests.memory",
    "gpu": "requests.nvidia.com/gpu",
    "storage": "requests.storage",
    "pods": "pods",
}


@dataclass(frozen=True)
class TeamArgs:
    """`quota`: by the keys of QUOTA_RESOURCES. `credentials`: environment variables for the object store.

    `annotations` of its service accounts, by which they have an identity with the cloud; `home_annotations` of that which
    snapshots of homes are made as. `metadata_identity`: that
    identity is got from the metadata service's address, where pods never reach the node's own.
    """

    name: str
    members: tuple[str, ...]
    quota: Mapping[str, str]
    credentials: Mapping[str, pulumi.Input[str]]
    annotations: Mapping[str, pulumi.Input[str]] = field(default_factory=dict[str, pulumi.Input[str]])
    home_annotations: Mapping[str, pulumi.Input[str]] = field(default_factory=dict[str, pulumi.Input[str]])
    metadata_identity: bool = False
    admins: tuple[str, ...] = ()


class Team(pulumi.ComponentResource):
    def __init__(self, args: TeamArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("footplate:index:Team", args.name, None, opts)
        self._name = args.name
        self._labels = standard_labels("team", **{labels.TEAM: args.name})
        self._child = pulumi.ResourceOptions(parent=self)
        namespace = f"{labels.TEAM_NAMESPACE_PREFIX}{args.name}"
        created = kubernetes.core.v1.Namespace(
            args.name, metadata={"name": namespace, "labels": {**self._labels, **RESTRICTED}}, opts=self._child
        )
        self.namespace = created.metadata["name"]
        for account in (SERVICE_ACCOUNT_WORKSPACE, SERVICE_ACCOUNT_JOB):
            self._service_account(account, args.annotations)
        self._service_account(SERVICE_ACCOUNT_HOME, args.home_annotations)
        self._members(args.members)
        self._admins(args.admins)
        self._quota(args.quota)
        self._network([] if args.metadata_identity else [METADATA_SERVICE])
        if args.credentials:
            kubernetes.core.v1.Secret(
                f"{args.name}-object-store",
                metadata=self._metadata(OBJECT_STORE_SECRET),
                string_data=dict(args.credentials),
                opts=self._child,
            )
        self.register_outputs({"namespace": self.namespace})

    def _metadata(self, name: str) -> Any:
        return {"name": name, "namespace": self.namespace, "labels": self._labels}

    def _service_account(self, name: str, annotations: Mapping[str, pulumi.Input[str]]) -> None:
        metadata = self._metadata(name)
        if annotations:
            metadata["annotations"] = dict(annotations)
        kubernetes.core.v1.ServiceAccount(
            f"{self._name}-{name}", metadata=metadata, automount_service_account_token=False, opts=self._child
        )

    def _members(self, members: tuple[str, ...]) -> None:
        """People, and the workspaces: the SDK in a notebook submits jobs of the team."""
        workspace = {"kind": "ServiceAccount", "name": SERVICE_ACCOUNT_WORKSPACE, "namespace": self.namespace}
        kubernetes.rbac.v1.RoleBinding(
            f"{self._name}-members",
            metadata=self._metadata("members"),
            role_ref={"api_group": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": MEMBER},
            subjects=[workspace, *(_subject(member) for member in members)],  # pyright: ignore[reportArgumentType]
            opts=self._child,
        )

    def _admins(self, admins: tuple[str, ...]) -> None:
        if admins:
            kubernetes.rbac.v1.RoleBinding(
                f"{self._name}-admins",
                metadata=self._metadata("admins"),
                role_ref={"api_group": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": TEAM_ADMIN},
                subjects=[_subject(admin) for admin in admins],  # pyright: ignore[reportArgumentType]
                opts=self._child,
            )

    def _quota(self, quota: Mapping[str, str]) -> None:
        if quota:
            kubernetes.core.v1.ResourceQuota(
                f"{self._name}-quota",
                metadata=self._metadata("team"),
                spec={"hard": {QUOTA_RESOURCES[key]: amount for key, amount in quota.items()}},
                opts=self._child,
            )
        # With a quota on CPU or memory a pod that names no requests would be refused: someone's own pod, not ours.
        kubernetes.core.v1.LimitRange(
            f"{self._name}-defaults",
            metadata=self._metadata("defaults"),
            spec={
                "limits": [
                    {
                        "type": "Container",
                        "default_request": {"cpu": "100m", "memory": "256Mi"},
                        "default": {"memory": "256Mi"},
                    }
                ]
            },
            opts=self._child,
        )

    def _network(self, closed: list[str]) -> None:
        """Closed but for: names, the ranks of jobs among themselves, the platform to its pods, and the way out."""
        policies: dict[str, Any] = {
            "default-deny": {"pod_selector": {}, "policy_types": ["Ingress", "Egress"]},
            "allow-out": {
                "pod_selector": {},
                "policy_types": ["Egress"],
                "egress": [{"to": [{"ip_block": {"cidr": "0.0.0.0/0", "except": closed}}]}],
            },
            "allow-ranks": {
                "pod_selector": _jobs(),
                "policy_types": ["Ingress", "Egress"],
                "ingress": [{"from": [{"pod_selector": _jobs()}]}],
                "egress": [{"to": [{"pod_selector": _jobs()}]}],
            },
            # Beside allow-out: for some network plug-ins an address range never holds the cluster's own pods.
            "allow-names": {
                "pod_selector": {},
                "policy_types": ["Egress"],
                "egress": [
                    {
                        "to": [_namespace("kube-system")],
                        "ports": [{"port": 53, "protocol": protocol} for protocol in ("UDP", "TCP")],
                    }
                ],
            },
            "allow-reports": {
                "pod_selector": {},
                "policy_types": ["Egress"],
                "egress": [{"to": [_platform()], "ports": [{"port": COLLECTOR_PORT}]}],
            },
            "allow-platform": {
                "pod_selector": {},
                "policy_types": ["Ingress"],
                "ingress": [{"from": [_platform()]}],
            },
        }
        for name, spec in policies.items():
            kubernetes.networking.v1.NetworkPolicy(
                f"{self._name}-{name}", metadata=self._metadata(name), spec=spec, opts=self._child
            )


def _jobs() -> dict[str, Any]:
    return {"match_expressions": [{"key": labels.JOB, "operator": "Exists"}]}


def _platform() -> dict[str, Any]:
    return _namespace(labels.SYSTEM_NAMESPACE)


def _namespace(name: str) -> dict[str, Any]:
    return {"namespace_selector": {"match_labels": {"kubernetes.io/metadata.name": name}}}


def _subject(member: str) -> dict[str, str]:
    kind, name = ("Group", member.removeprefix("group:")) if member.startswith("group:") else ("User", member)
    return {"kind": kind, "name": name, "api_group": "rbac.authorization.k8s.io"}
