"""The api profile as tests and benchmarks use it: a control plane, simulated nodes, dynamic provisioning."""

import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest

from devcluster import addresses, cluster
from devcluster.apiclient import ApiClient
from devcluster.paths import ClusterPaths


@pytest.fixture
def api(api_cluster: Any) -> Iterator[ApiClient]:
    place = ClusterPaths(api_cluster.kubeconfig.parent)
    endpoints = addresses.read(place)
    if endpoints is None:
        pytest.skip("the given cluster is not one of devcluster's")
    with ApiClient(endpoints, place) as client:
        yield client


@pytest.fixture
def namespace(api: ApiClient) -> Iterator[str]:
    path = f"/api/v1/namespaces/devcluster-{uuid4().hex[:8]}"
    name = path.rpartition("/")[2]
    api.apply(path, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    until(lambda: api.get(f"{path}/serviceaccounts/default"))
    yield name
    api.delete(path)


def until(found: Callable[[], Any], seconds: float = 20) -> Any:
    deadline = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)
    return value


def pod(name: str, namespace: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"containers": [{"name": "main", "image": "simulated"}], **spec},
    }


def test_a_pod_with_gpus_runs_on_a_simulated_node_at_an_address_that_leads_nowhere(
    api: ApiClient, namespace: str
) -> None:
    path = f"/api/v1/namespaces/{namespace}/pods/trainer"
    body = pod("trainer", namespace, nodeSelector={"footplate.dev/gpu-type": "H100"})
    body["spec"]["containers"][0]["resources"] = {"limits": {"nvidia.com/gpu": 8}}
    api.apply(path, body)
    status = until(lambda: (found := api.get(path)) and found["status"].get("phase") == "Running" and found)["status"]
    assert status["podIP"].startswith("239.200.")
    assert {condition["type"] for condition in status["conditions"] if condition["status"] == "True"} >= {"Ready"}


def test_a_claim_is_bound_by_the_default_storage_class(api: ApiClient, namespace: str) -> None:
    claim = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/home"
    requests = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    api.apply(
        claim, {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "home"}, "spec": requests}
    )
    volume = {"name": "home", "persistentVolumeClaim": {"claimName": "home"}}
    api.apply(f"/api/v1/namespaces/{namespace}/pods/user", pod("user", namespace, volumes=[volume]))
    until(lambda: (found := api.get(claim)) and found["status"].get("phase") == "Bound")


def test_pod_groups_of_native_gang_scheduling_are_served(api: ApiClient, namespace: str) -> None:
    group = {
        "apiVersion": "scheduling.k8s.io/v1beta1",
        "kind": "PodGroup",
        "metadata": {"name": "gang", "namespace": namespace},
        "spec": {"schedulingPolicy": {"gang": {"minCount": 2}}},
    }
    path = f"/apis/scheduling.k8s.io/v1beta1/namespaces/{namespace}/podgroups/gang"
    api.apply(path, group)
    member = pod("first", namespace, schedulingGroup={"podGroupName": "gang"})
    api.apply(f"/api/v1/namespaces/{namespace}/pods/first", member)

    assert not (api.get(f"/api/v1/namespaces/{namespace}/pods/first") or {})["spec"].get("nodeName")
    member["metadata"]["name"] = "second"
    api.apply(f"/api/v1/namespaces/{namespace}/pods/second", member)
    for name in ("first", "second"):
        until(lambda name=name: (api.get(f"/api/v1/namespaces/{namespace}/pods/{name}") or {})["spec"].get("nodeName"))


def test_kubectl_of_the_same_build_reads_the_kubeconfig(api_cluster: Any) -> None:
    kubectl = cluster.program("kubectl")
    command = [kubectl, f"--kubeconfig={api_cluster.kubeconfig}", "get", "nodes", "-o", "name"]
    nodes = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert {"node/kwok-0000", "node/kwok-0001", "node/kwok-0002"} <= set(nodes)
