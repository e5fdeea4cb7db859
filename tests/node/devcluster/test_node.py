"""What a workspace or a training job needs of the node, with real pods."""

import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from obstore.store import S3Store

from devcluster import cluster

from .conftest import Kubectl, pod, until

SERVER = (
    "mkdir -p /tmp/www; echo hello from $(hostname) >/tmp/www/index.html; echo serving; httpd -f -p 8080 -h /tmp/www"
)


def service(name: str, **spec: Any) -> dict[str, Any]:
    body = {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8080}], **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": body}


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode().strip()


def test_pods_find_each_other_by_service_and_by_host_name_and_the_machine_finds_them_too(kubectl: Kubectl) -> None:
    named = pod("rank-0", SERVER, hostname="rank-0", subdomain="job")
    named["metadata"]["labels"] = {"app": "job"}
    kubectl.apply(service("web"), service("job", clusterIP="None"), pod("web", SERVER), named, pod("client"))
    kubectl.ready("web", "rank-0", "client")
    patiently = (
        "until wget -qO- http://web; do sleep 0.1; done; until wget -qO- http://rank-0.job:8080; do sleep 0.1; done"
    )
    assert kubectl.sh("client", patiently).split("\n")[:2] == ["hello from web", "hello from rank-0"]
    assert kubectl("logs", "web").strip() == "serving"
    address = kubectl.get("pod", "web")["status"]["podIP"]
    assert fetch(f"http://{address}:8080") == "hello from web"
    forward = subprocess.Popen(kubectl.command("port-forward", "pod/web", ":8080"), stdout=subprocess.PIPE, text=True)
    try:
        assert forward.stdout is not None
        port = forward.stdout.readline().split()[2].rpartition(":")[2]
        assert fetch(f"http://127.0.0.1:{port}") == "hello from web"
    finally:
        forward.kill()
        forward.wait()


def test_a_claim_keeps_its_files_from_one_pod_to_the_next_and_its_directory_goes_with_it(
    kubectl: Kubectl, node: Any
) -> None:
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "home"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    volumes = [{"name": "home", "persistentVolumeClaim": {"claimName": "home"}}]
    mount = {"volumeMounts": [{"name": "home", "mountPath": "/home/user"}]}
    kubectl.apply(claim, pod("first", container=mount, volumes=volumes))
    kubectl.ready("first")
    kubectl.sh("first", "echo kept >/home/user/notes")
    kubectl("delete", "pod", "first")
    kubectl.apply(pod("second", container=mount, volumes=volumes))
    kubectl.ready("second")
    assert kubectl.sh("second", "cat /home/user/notes").strip() == "kept"
    directory = Path(node.kubeconfig).parent / "volumes"
    assert list(directory.glob(f"*_{kubectl.namespace}_home"))
    kubectl("delete", "pod/second", "pvc/home")
    until("the volume's directory to go", lambda: not list(directory.glob(f"*_{kubectl.namespace}_home")))


async def test_the_object_store_answers_the_machine_and_pods_at_one_address(kubectl: Kubectl, node: Any) -> None:
    store = node.object_store
    s3 = S3Store(
        store.bucket,
        endpoint=store.endpoint,
        region=store.region,
        access_key_id=store.access_key,
        secret_access_key=store.secret_key,
        client_options={"allow_http": True},
    )
    key = f"{kubectl.namespace}/part-0"
    await s3.put_async(key, b"weights", mode="create")
    assert bytes(await (await s3.get_async(key)).bytes_async()) == b"weights"
    kubectl.apply(pod("client"))
    kubectl.ready("client")
    host, _, port = store.endpoint.removeprefix("http://").partition(":")
    answer = kubectl.sh("client", rf"echo -e 'GET /{store.bucket}/{key} HTTP/1.0\r\n\r\n' | nc {host} {port}")
    assert "AccessDenied" in answer  # it answers, and not without credentials
    await s3.delete_async(key)


def test_gpus_are_given_to_containers_and_one_that_fails_is_no_longer_offered(kubectl: Kubectl, node: Any) -> None:
    limits = {"resources": {"limits": {"nvidia.com/gpu": 3}}}
    kubectl.apply(pod("trainer", container=limits))
    kubectl.ready("trainer")
    devices = kubectl.sh("trainer", "echo $NVIDIA_VISIBLE_DEVICES").strip().split(",")
    known = {gpu.id: gpu for gpu in cluster.gpus(node.name, environment=node.environment)}
    assert len(set(devices)) == 3 and set(devices) <= set(known)
    idle = next(gpu for gpu in known.values() if gpu.id not in devices)

    def offered() -> str:
        return kubectl.get("node", f"footplate-{node.name}")["status"]["allocatable"]["nvidia.com/gpu"]

    cluster.mark_gpus(node.name, [idle.index], healthy=False, environment=node.environment)
    until("the node to offer one GPU fewer", lambda: offered() == "3")
    cluster.mark_gpus(node.name, [idle.index], healthy=True, environment=node.environment)
    until("the node to offer all GPUs", lambda: offered() == "4")


def test_a_gang_starts_whole_or_not_at_all(kubectl: Kubectl) -> None:
    group = {
        "apiVersion": "scheduling.k8s.io/v1beta1",
        "kind": "PodGroup",
        "metadata": {"name": "gang"},
        "spec": {"schedulingPolicy": {"gang": {"minCount": 2}}},
    }
    limits = {"resources": {"limits": {"nvidia.com/gpu": 3}}}
    members = [pod(f"rank-{rank}", container=limits, schedulingGroup={"podGroupName": "gang"}) for rank in (0, 1)]
    kubectl.apply(group, *members)

    def refusal() -> str | None:
        conditions = kubectl.get("podgroup", "gang").get("status", {}).get("conditions", [])
        return next((found["message"] for found in conditions if found["status"] == "False"), None)

    assert "minCount (2) cannot be satisfied" in until("a refusal", refusal)
    assert not any("nodeName" in found["spec"] for found in kubectl.get("pods")["items"])
    for member in members:
        member["spec"]["containers"][0]["resources"] = {"limits": {"nvidia.com/gpu": 2}}
    kubectl("delete", "pod", "rank-0", "rank-1")
    kubectl.apply(*members)
    kubectl.ready("rank-0", "rank-1")


def test_programs_in_pods_reach_the_world_by_name(kubectl: Kubectl) -> None:
    outside = subprocess.run(["getent", "hosts", "deb.debian.org"], check=False, capture_output=True)
    if outside.returncode:
        pytest.skip("this machine resolves no names of the internet")
    kubectl.apply(pod("client"))
    kubectl.ready("client")
    assert "Address" in kubectl.sh("client", "nslookup deb.debian.org ")


def test_the_machines_kernel_settings_are_left_alone(node: Any) -> None:
    inside = cluster.inside_command(node.name, ["cat", "/proc/sys/kernel/panic"], environment=node.environment)
    assert subprocess.run(inside, capture_output=True, text=True, check=True).stdout.strip() == "10"
    assert "/var/lib/kubelet" not in Path("/proc/self/mounts").read_text()
