"""The platform's settings in the cluster: what the controllers, the CLI and the SDK read."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from components.objects import standard_labels
from footplate.api import platform, usage


class Settings(pulumi.ComponentResource):
    """A ConfigMap that everyone who can log in may read: it holds no secret."""

    def __init__(
        self,
        name: str,
        namespace: pulumi.Input[str],
        value: platform.Platform,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        super().__init__("footplate:index:Settings", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)

        def metadata(name: str) -> Any:
            return {"name": name, "namespace": namespace, "labels": standard_labels("settings")}

        kubernetes.core.v1.ConfigMap(
            platform.CONFIG_MAP,
            metadata=metadata(platform.CONFIG_MAP),
            data=value.to_config_map_data(),
            opts=child,
        )
        # Its data is the controllers' to write.
        kubernetes.core.v1.ConfigMap(
            usage.CONFIG_MAP,
            metadata=metadata(usage.CONFIG_MAP),
            opts=pulumi.ResourceOptions(parent=self, ignore_changes=["data"]),
        )
        role = "footplate-settings"
        kubernetes.rbac.v1.Role(
            role,
            metadata=metadata(role),
            rules=[
                {
                    "api_groups": [""],
                    "resources": ["configmaps"],
                    "resource_names": [platform.CONFIG_MAP, usage.CONFIG_MAP],
                    "verbs": ["get"],
                }
            ],
            opts=child,
        )
        kubernetes.rbac.v1.RoleBinding(
            role,
            metadata=metadata(role),
            role_ref={"api_group": "rbac.authorization.k8s.io", "kind": "Role", "name": role},
            subjects=[{"kind": "Group", "name": "system:authenticated", "api_group": "rbac.authorization.k8s.io"}],
            opts=child,
        )
        self.register_outputs({})
