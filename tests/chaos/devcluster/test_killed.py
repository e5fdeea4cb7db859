"""SIGKILL to each process of a cluster with real pods, to several, to all at once; and what somebody else takes away."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from devcluster import addresses, cgroups, cluster, oci, processes, report
from devcluster.apiclient import ApiClient
from devcluster.paths import ClusterPaths
from devcluster.processes import SENTINEL, SUPERVISOR, Process
from tests.leftovers import fresh

pytestmark = pytest.mark.node

COMPONENTS = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "provisioner",
    "kwok",
    "containerd",
    "kubelet",
    "kube-proxy",
    "coredns",
    "versitygw",
    "gpu-plugin",
)
NAME = "chaos"
BYSTANDER = "/api/v1/namespaces/default/pods/bystander"


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    environment = {**os.environ, "FOOTPLATE_DATA": str(fresh("chaos"))}
    start(environment)
    try:
        place = cluster.cluster_paths(NAME, environment)
        container = {"name": "main", "image": oci.sandbox_reference(cluster.program("pause", environment))}
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "bystander"},
            "spec": {"containers": [container]},
        }
        with api(place) as client:
            client.apply(BYSTANDER, pod)
        until("the pod", lambda: container_of_pod(place))
        yield environment
    finally:
        cluster.delete(NAME, environment=environment)


def start(environment: dict[str, str]) -> None:
    changes = {"profile": "full", "gpus": "H100:2", "kwok_nodes": 2, "kwok_gpus": "H100:8", "kwok_taint": True}
    cluster.start(NAME, changes, environment=environment)


@pytest.fixture
def place(environment: dict[str, str]) -> ClusterPaths:
    return cluster.cluster_paths(NAME, environment)


def until(what: str, found: Callable[[], Any], seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < deadline, f"{what} did not come about within {seconds:.0f} s"
        time.sleep(0.1)
    return value


def leader(place: ClusterPaths, component: str) -> Process | None:
    """The component's own process, not a child of it such as a container's shim."""
    found = processes.of_component(place.root, component)
    return next((process for process in found if process.leader or component in {SENTINEL, SUPERVISOR}), None)


def kill(process: Process) -> None:
    os.kill(process.pid, signal.SIGKILL)


def running(environment: dict[str, str]) -> bool:
    return report.of(NAME, environment).state == "Running"


def api(place: ClusterPaths) -> ApiClient:
    endpoints = addresses.read(place)
    assert endpoints is not None
    return ApiClient(endpoints, place)


def container_of_pod(place: ClusterPaths) -> str | None:
    """The ID of the bystander's running container."""
    with api(place) as client:
        status = (client.get(BYSTANDER) or {})["status"]
    return next((found["containerID"] for found in status.get("containerStatuses", []) if found["ready"]), None)


def remember(place: ClusterPaths, what: str) -> None:
    path = "/api/v1/namespaces/default/configmaps/kept"
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept"}, "data": {"what": what}}
    with api(place) as client:
        client.apply(path, body)


def remembered(place: ClusterPaths) -> str:
    with api(place) as client:
        return (client.get("/api/v1/namespaces/default/configmaps/kept") or {})["data"]["what"]


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_killed_component_comes_back(component: str, environment: dict[str, str], place: ClusterPaths) -> None:
    remember(place, component)
    container = container_of_pod(place)
    victim = leader(place, component)
    assert victim is not None
    kill(victim)
    until("another process", lambda: (now := leader(place, component)) and now != victim)
    until("the whole cluster", lambda: running(environment))
    assert remembered(place) == component
    assert container_of_pod(place) == container


@pytest.mark.parametrize("watcher", [SUPERVISOR, SENTINEL])
def test_supervisor_and_sentinel_replace_each_other_and_touch_no_component(
    watcher: str, environment: dict[str, str], place: ClusterPaths
) -> None:
    before = {name: leader(place, name) for name in COMPONENTS}
    victim = until("a watcher", lambda: leader(place, watcher))
    kill(victim)
    until("another", lambda: (now := leader(place, watcher)) and now != victim and running(environment))
    assert {name: leader(place, name) for name in COMPONENTS} == before
    kill(until("a scheduler", lambda: leader(place, "kube-scheduler")))
    until("the scheduler, under the new watch", lambda: leader(place, "kube-scheduler") and running(environment))


def test_components_without_any_supervisor_are_taken_over_by_the_next_start(
    environment: dict[str, str], place: ClusterPaths
) -> None:
    before = leader(place, "containerd")
    for watcher in (SENTINEL, SUPERVISOR):
        kill(until("a watcher", lambda watcher=watcher: leader(place, watcher)))
    until("no watcher", lambda: not leader(place, SUPERVISOR) and not leader(place, SENTINEL))
    victim = leader(place, "coredns")
    assert victim is not None
    kill(victim)
    start(environment)
    assert leader(place, "containerd") == before
    assert leader(place, "coredns") not in {None, victim}


def everything(place: ClusterPaths) -> set[int]:
    group = cgroups.name(addresses.identity(place.root))
    return {process.pid for process in processes.of_cluster(place.root)} | cgroups.members(group)


def kill_everything(place: ClusterPaths) -> None:
    while pids := everything(place):
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


def test_a_cluster_whose_every_process_was_killed_starts_again(
    environment: dict[str, str], place: ClusterPaths
) -> None:
    remember(place, "everything")
    before = container_of_pod(place)
    kill_everything(place)
    assert report.of(NAME, environment).state == "Stopped"
    start(environment)
    assert running(environment)
    assert remembered(place) == "everything"
    until("the pod in a new container", lambda: container_of_pod(place) not in {None, before})


def test_start_brings_back_what_was_taken_from_the_machine(environment: dict[str, str], place: ClusterPaths) -> None:
    interface = addresses.interface(place.root)
    subprocess.run(["ip", "link", "delete", interface], check=True)
    start(environment)
    assert Path(f"/sys/class/net/{interface}").exists()
    assert remembered(place)


def test_stopping_and_deleting_leave_nothing_even_of_killed_clusters(
    environment: dict[str, str], place: ClusterPaths
) -> None:
    kill_everything(place)
    cluster.stop(NAME, environment=environment)
    assert traces(place) == []
    start(environment)
    cluster.stop(NAME, environment=environment)
    assert traces(place) == []
    start(environment)


def traces(place: ClusterPaths) -> list[str]:
    """What is left of the cluster on the machine, its own directory aside."""
    interface, identity = addresses.interface(place.root), addresses.identity(place.root)
    rules = subprocess.run(["iptables-save"], check=True, capture_output=True, text=True).stdout
    found = [str(pid) for pid in everything(place)]
    found += [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(place.root) in line]
    found += [line for line in rules.splitlines() if interface in line]
    found += [str(path) for path in Path("/sys/class/net").glob(interface)]
    found += [str(path) for path in Path("/sys/fs/cgroup").glob(f"**/{cgroups.name(identity)}")]
    return found
