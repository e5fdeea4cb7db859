"""The controllers: their Deployment with everything it needs in `footplate-system`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from components.objects import standard_labels
from footplate.api import labels
from footplate.api.platform import COLLECTOR, COLLECTOR_PORT
from footplate.controllers.permissions import RULES, Rule
from providers.contract import POOL_LABEL, SYSTEM_POOL, SYSTEM_TAINT

NAME = "footplate-controllers"
PORT = 8080


@dataclass(frozen=True)
class ControllersArgs:
    """`system_nodes`: there are nodes that only the platform is for. `after`: what must be there before the controllers
    start, such as the kinds that they watch.
    """

    namespace: pulumi.Input[str]
    image: str
    replicas: int
    cpu: str
    memory: str
    system_nodes: bool = False
    after: tuple[pulumi.Resource, ...] = ()


class Controllers(pulumi.ComponentResource):
    def __init__(self, name: str, args: ControllersArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("footplate:index:Controllers", name, None, opts)
        self._args = args
        self._child = pulumi.ResourceOptions(parent=self)
        account = kubernetes.core.v1.ServiceAccount(
            NAME, metadata=self._metadata(), automount_service_account_token=False, opts=self._child
        )
        granted = self._permissions(account)
        self.deployment = self._deployment(account, granted)
        kubernetes.core.v1.Service(
            NAME,
            metadata=self._metadata(),
            spec={
                "selector": _selector(),
                "ports": [{"name": "http", "port": PORT, "target_port": "http"}],
            },
            opts=self._child,
        )
        # Without a selector: its one address is the leader's, which the leader writes.
        kubernetes.core.v1.Service(
            COLLECTOR,
            metadata=self._metadata(COLLECTOR),
            spec={"ports": [{"name": "http", "port": COLLECTOR_PORT}]},
            opts=self._child,
        )
        self._network()
        if args.replicas > 1:
            kubernetes.policy.v1.PodDisruptionBudget(
                NAME,
                metadata=self._metadata(),
                spec={"max_unavailable": 1, "selector": {"match_labels": _selector()}},
                opts=self._child,
            )
        self.register_outputs({})

    def _metadata(self, name: str = NAME) -> Any:
        return {"name": name, "namespace": self._args.namespace, "labels": standard_labels("controllers")}

    def _network(self) -> None:
        """Teams' pods may report and see nothing else, such as metrics."""
        member = {"match_expressions": [{"key": labels.TEAM, "operator": "Exists"}]}
        other = {"match_expressions": [{"key": labels.TEAM, "operator": "DoesNotExist"}]}
        rules: list[dict[str, Any]] = [
            {"from": [{"namespace_selector": member}], "ports": [{"port": COLLECTOR_PORT}]},
            {"from": [{"namespace_selector": other}]},
        ]
        kubernetes.networking.v1.NetworkPolicy(
            NAME,
            metadata=self._metadata(),
            spec={
                "pod_selector": {"match_labels": _selector()},
                "policy_types": ["Ingress"],
                "ingress": rules,  # pyright: ignore[reportArgumentType]
            },
            opts=self._child,
        )

    def _permissions(self, account: kubernetes.core.v1.ServiceAccount) -> list[pulumi.Resource]:
        role = kubernetes.rbac.v1.ClusterRole(
            NAME,
            metadata={"name": NAME, "labels": standard_labels("controllers")},
            rules=[_rule(rule) for rule in RULES],
            opts=self._child,
        )
        binding = kubernetes.rbac.v1.ClusterRoleBinding(
            NAME,
            metadata={"name": NAME, "labels": standard_labels("controllers")},
            role_ref={"api_group": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role.metadata["name"]},
            subjects=[{"kind": "ServiceAccount", "name": account.metadata["name"], "namespace": self._args.namespace}],
            opts=self._child,
        )
        return [role, binding]

    def _deployment(
        self, account: kubernetes.core.v1.ServiceAccount, granted: list[pulumi.Resource]
    ) -> kubernetes.apps.v1.Deployment:
        pod: dict[str, Any] = {
            "service_account_name": account.metadata["name"],
            "automount_service_account_token": True,
            "termination_grace_period_seconds": 20,
            "security_context": {
                "run_as_non_root": True,
                "run_as_user": 1000,
                "run_as_group": 1000,
                "seccomp_profile": {"type": "RuntimeDefault"},
            },
            "affinity": {
                "pod_anti_affinity": {
                    "preferred_during_scheduling_ignored_during_execution": [
                        {
                            "weight": 100,
                            "pod_affinity_term": {
                                "topology_key": "kubernetes.io/hostname",
                                "label_selector": {"match_labels": _selector()},
                            },
                        }
                    ]
                }
            },
            "containers": [self._container()],
        }
        if self._args.system_nodes:
            pod["node_selector"] = {POOL_LABEL: SYSTEM_POOL}
            pod["tolerations"] = [{"key": SYSTEM_TAINT, "operator": "Exists", "effect": "NoSchedule"}]
        return kubernetes.apps.v1.Deployment(
            NAME,
            metadata=self._metadata(),
            spec={
                "replicas": self._args.replicas,
                "selector": {"match_labels": _selector()},
                "strategy": {"rolling_update": {"max_unavailable": 1, "max_surge": 1}},
                "template": {"metadata": {"labels": standard_labels("controllers")}, "spec": pod},
            },  # pyright: ignore[reportArgumentType]
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*granted, *self._args.after]),
        )

    def _container(self) -> dict[str, Any]:
        return {
            "name": "controllers",
            "image": self._args.image,
            "image_pull_policy": "IfNotPresent",
            "command": ["python3", "-m", "footplate.controllers"],
            "env": [
                {"name": name, "value_from": {"field_ref": {"field_path": path}}}
                for name, path in (
                    ("POD_NAME", "metadata.name"),
                    ("POD_NAMESPACE", "metadata.namespace"),
                    ("POD_IP", "status.podIP"),
                )
            ],
            "ports": [
                {"name": "http", "container_port": PORT},
                {"name": "reports", "container_port": COLLECTOR_PORT},
            ],
            # Generous: a busy machine is no reason to restart the controllers.
            "liveness_probe": {
                "http_get": {"path": "/healthz", "port": "http"},
                "timeout_seconds": 5,
                "failure_threshold": 6,
            },
            "readiness_probe": {
                "http_get": {"path": "/readyz", "port": "http"},
                "timeout_seconds": 5,
                "period_seconds": 2,
            },
            "resources": {
                "requests": {"cpu": self._args.cpu, "memory": self._args.memory},
                "limits": {"memory": self._args.memory},
            },
            "security_context": {
                "allow_privilege_escalation": False,
                "read_only_root_filesystem": True,
                "capabilities": {"drop": ["ALL"]},
            },
        }


def _rule(rule: Rule) -> Any:
    fields = {"api_groups": list(rule.groups), "resources": list(rule.resources), "verbs": list(rule.verbs)}
    return {**fields, "resource_names": list(rule.names)} if rule.names else fields


def _selector() -> dict[str, str]:
    return {labels.NAME: "footplate", labels.COMPONENT: "controllers"}
