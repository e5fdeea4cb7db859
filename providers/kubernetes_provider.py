"""The Kubernetes provider of a cluster, the same for every cloud."""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as kubernetes


def kubernetes_provider(
    name: str,
    opts: pulumi.ResourceOptions,
    *,
    kubeconfig: pulumi.Input[str] | None = None,
    context: str | None = None,
) -> kubernetes.Provider:
    return kubernetes.Provider(
        name,
        kubeconfig=kubeconfig,
        context=context,
        enable_server_side_apply=True,
        # Replacing them would leave moments without: the controllers, the CLI and pods follow their changes.
        enable_config_map_mutable=True,
        enable_secret_mutable=True,
        opts=opts,
    )
