"""Objects that every cluster has once its API server answers: StorageClass, simulated nodes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from devcluster import kwok, simulated_gpus, storage
from devcluster.apiclient import ApiClient
from devcluster.errors import StartTimeout
from devcluster.spec import ClusterSpec

POLL = 0.05


def apply(spec: ClusterSpec, api: ApiClient, deadline: float) -> None:
    """`deadline` is of the monotonic clock."""
    api.apply(f"/apis/storage.k8s.io/v1/storageclasses/{storage.STORAGE_CLASS}", storage.storage_class())
    _simulated_nodes(spec, api)
    _wait(
        "the default ServiceAccount",
        lambda: _exists(api, "/api/v1/namespaces/default/serviceaccounts/default"),
        deadline,
    )
    expected = {kwok.node_name(index) for index in range(spec.kwok_nodes)}
    if spec.profile == "full":
        _wait("the node to register", lambda: _exists(api, f"/api/v1/nodes/{spec.node_name}"), deadline)
        api.apply(f"/api/v1/nodes/{spec.node_name}", _labelled(spec))
        _wait("the node's GPUs", lambda: _has_gpus(spec, api), deadline)
        expected.add(spec.node_name)
    _wait(
        "every node to be Ready", lambda: expected <= {_name(node) for node in _nodes(api) if _is_ready(node)}, deadline
    )


def _simulated_nodes(spec: ClusterSpec, api: ApiClient) -> None:
    """Nodes of this module's naming follow the spec; simulated nodes that somebody made beside them are left alone."""
    wanted = {kwok.node_name(index): kwok.node(spec, index) for index in range(spec.kwok_nodes)}
    for name in {_name(node) for node in _nodes(api, kwok.SIMULATED_LABEL)} - set(wanted):
        if kwok.is_numbered(name):
            api.delete(f"/api/v1/nodes/{name}")
    for name, node in wanted.items():
        api.apply(f"/api/v1/nodes/{name}", {key: value for key, value in node.items() if key != "status"})
        api.apply(f"/api/v1/nodes/{name}", node, subresource="status")


def _labelled(spec: ClusterSpec) -> dict[str, Any]:
    """The node with the labels that GPU feature discovery would give it; those of an earlier spec go."""
    gpus = simulated_gpus.of_node(spec)
    labels = gpus.labels() if gpus else {}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": spec.node_name, "labels": labels}}


def _has_gpus(spec: ClusterSpec, api: ApiClient) -> bool:
    gpus = simulated_gpus.of_node(spec)
    capacity = (api.get(f"/api/v1/nodes/{spec.node_name}") or {}).get("status", {}).get("capacity", {})
    return all(capacity.get(resource) == str(count) for resource, count in (gpus.resources() if gpus else {}).items())


def _nodes(api: ApiClient, label: str = "") -> list[dict[str, Any]]:
    listed = api.get("/api/v1/nodes" + (f"?labelSelector={label}" if label else ""))
    return (listed or {}).get("items", [])


def _name(node: dict[str, Any]) -> str:
    return node["metadata"]["name"]


def _exists(api: ApiClient, path: str) -> bool:
    return api.get(path) is not None


def _is_ready(node: dict[str, Any]) -> bool:
    conditions = node.get("status", {}).get("conditions", [])
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def _wait(what: str, is_so: Callable[[], bool], deadline: float) -> None:
    while not is_so():
        if time.monotonic() > deadline:
            raise StartTimeout(f"the control plane runs, but waiting for {what} took too long")
        time.sleep(POLL)
