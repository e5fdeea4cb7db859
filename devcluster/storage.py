"""Dynamic provisioning: the process that makes a directory a claim, and the default StorageClass that names it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from devcluster.paths import ClusterPaths
from devcluster.plan import Component
from devcluster.spec import ClusterSpec

STORAGE_CLASS = "standard"
PROVISIONER = "footplate.dev/local-directory"  # provisionerName in tools/node/provisioner/main.go


def component(spec: ClusterSpec, paths: ClusterPaths, binaries: Mapping[str, Path]) -> Component:
    kubeconfig = paths.component_kubeconfig("provisioner")
    command = (
        str(binaries["provisioner"]),
        f"-kubeconfig={kubeconfig}",
        f"-root={paths.volumes}",
        f"-directories={str(spec.profile == 'full').lower()}",
        f"-kube-api-qps={spec.client_qps}",
    )
    return Component("provisioner", command, after=("kube-apiserver",), inputs=(str(kubeconfig),))


def storage_class() -> dict[str, Any]:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": STORAGE_CLASS,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": PROVISIONER,
        "volumeBindingMode": "WaitForFirstConsumer",
        "reclaimPolicy": "Delete",
    }
