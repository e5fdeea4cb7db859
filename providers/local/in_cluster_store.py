"""An S3 gateway in the cluster, for clusters that bring no object store (kind, k3d): one pod over one volume.

The gateway is versitygw (Apache-2.0), which keeps each bucket as a directory and each object as a file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

NAMESPACE = "footplate-object-store"
NAME = "object-store"
PORT = 7070
BUCKET = "footplate"
REGION = "us-east-1"
#: Reached by pods at this address; the CLI and the SDK outside of the cluster go through the API server's port-forward.
ENDPOINT = f"http://{NAME}.{NAMESPACE}.svc:{PORT}"

_LABELS = {
    "app.kubernetes.io/name": "versitygw",
    "app.kubernetes.io/component": "object-store",
    "app.kubernetes.io/part-of": "footplate",
}


@dataclass(frozen=True)
class InClusterStoreArgs:
    """`size`: of the volume. `image`: of versitygw; it needs no shell."""

    image: str
    size: str
    access_key: pulumi.Input[str]
    secret_key: pulumi.Input[str]


class InClusterStore(pulumi.ComponentResource):
    def __init__(self, name: str, args: InClusterStoreArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("footplate:local:ObjectStore", name, None, opts)
        self._child = pulumi.ResourceOptions(parent=self)
        namespace = kubernetes.core.v1.Namespace(
            NAMESPACE,
            metadata={"name": NAMESPACE, "labels": {**_LABELS, "pod-security.kubernetes.io/enforce": "restricted"}},
            opts=self._child,
        )
        self._metadata: Any = {"name": NAME, "namespace": namespace.metadata["name"], "labels": _LABELS}
        kubernetes.core.v1.Secret(
            NAME,
            metadata=self._metadata,
            string_data={"ROOT_ACCESS_KEY": args.access_key, "ROOT_SECRET_KEY": args.secret_key},
            opts=self._child,
        )
        kubernetes.core.v1.PersistentVolumeClaim(
            NAME,
            metadata=self._metadata,
            spec={"access_modes": ["ReadWriteOnce"], "resources": {"requests": {"storage": args.size}}},
            opts=self._child,
        )
        kubernetes.core.v1.Service(
            NAME,
            metadata=self._metadata,
            spec={"selector": _LABELS, "ports": [{"name": "s3", "port": PORT, "target_port": "s3"}]},
            opts=self._child,
        )
        self._deployment(args.image)
        self._reachable()
        self.register_outputs({"endpoint": ENDPOINT})

    def _reachable(self) -> None:
        """Who can log in may open a connection from outside of the cluster; the store's keys are needed all the same."""
        kubernetes.rbac.v1.Role(
            NAME,
            metadata=self._metadata,
            rules=[
                {"api_groups": [""], "resources": ["services", "pods"], "verbs": ["get", "list"]},
                {"api_groups": [""], "resources": ["pods/portforward"], "verbs": ["get", "create"]},
            ],
            opts=self._child,
        )
        kubernetes.rbac.v1.RoleBinding(
            NAME,
            metadata=self._metadata,
            role_ref={"api_group": "rbac.authorization.k8s.io", "kind": "Role", "name": NAME},
            subjects=[{"kind": "Group", "name": "system:authenticated", "api_group": "rbac.authorization.k8s.io"}],
            opts=self._child,
        )

    def _deployment(self, image: str) -> None:
        confined = {"allow_privilege_escalation": False, "capabilities": {"drop": ["ALL"]}}
        # A directory below the root is a bucket: mounting a part of the volume makes it.
        volume = {"name": "data", "mount_path": f"/data/{BUCKET}", "sub_path": BUCKET}
        pod: dict[str, Any] = {
            "automount_service_account_token": False,
            "security_context": {
                "run_as_non_root": True,
                "run_as_user": 1000,
                "run_as_group": 1000,
                "fs_group": 1000,
                "seccomp_profile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "gateway",
                    "image": image,
                    # One process alone writes, and the directory above the buckets is not its to write lock files in.
                    "args": [
                        "--port",
                        f":{PORT}",
                        "--health",
                        "/health",
                        "posix",
                        "--disable-object-lock-file",
                        "/data",
                    ],
                    "env_from": [{"secret_ref": {"name": NAME}}],
                    "ports": [{"name": "s3", "container_port": PORT}],
                    "readiness_probe": {"http_get": {"path": "/health", "port": "s3"}, "period_seconds": 2},
                    "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "1Gi"}},
                    "volume_mounts": [volume],
                    "security_context": confined,
                }
            ],
            "volumes": [{"name": "data", "persistent_volume_claim": {"claim_name": NAME}}],
        }
        kubernetes.apps.v1.Deployment(
            NAME,
            metadata=self._metadata,
            spec={
                "replicas": 1,
                "strategy": {"type": "Recreate"},
                "selector": {"match_labels": _LABELS},
                "template": {"metadata": {"labels": _LABELS}, "spec": pod},
            },  # pyright: ignore[reportArgumentType]
            opts=self._child,
        )
