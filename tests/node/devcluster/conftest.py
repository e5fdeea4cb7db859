"""kubectl against the shared node, and an image with busybox for its pods."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from devcluster import cluster, oci

IMAGE = "footplate.local/busybox-test:1"
PATIENCE = 60.0


def until(what: str, found: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """The first true value of `found`."""
    deadline = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < deadline, f"{what} did not come about within {seconds:.0f} s"
        time.sleep(0.2)
    return value


@dataclass(frozen=True)
class Kubectl:
    kubeconfig: Path
    namespace: str
    program: Path

    def command(self, *arguments: str) -> list[str]:
        return [str(self.program), f"--kubeconfig={self.kubeconfig}", f"--namespace={self.namespace}", *arguments]

    def __call__(self, *arguments: str, given: str | None = None) -> str:
        done = subprocess.run(
            self.command(*arguments), check=False, input=given, capture_output=True, text=True, timeout=90
        )
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def apply(self, *objects: dict[str, Any]) -> None:
        self("apply", "-f", "-", given=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))

    def get(self, *arguments: str) -> dict[str, Any]:
        return json.loads(self("get", *arguments, "-o", "json"))

    def ready(self, *pods: str) -> None:
        self("wait", "--for=condition=Ready", f"--timeout={PATIENCE:.0f}s", *(f"pod/{pod}" for pod in pods))

    def sh(self, pod: str, script: str) -> str:
        return self("exec", pod, "--", "sh", "-ec", script)


def pod(
    name: str, script: str = "sleep 100000", *, container: dict[str, Any] | None = None, **spec: Any
) -> dict[str, Any]:
    """As restricted as a team's namespace wants it."""
    main: dict[str, Any] = {
        "name": "main",
        "image": IMAGE,
        "command": ["sh", "-ec", script],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    } | (container or {})
    main["volumeMounts"] = [{"name": "tmp", "mountPath": "/tmp"}, *main.get("volumeMounts", [])]
    security = {"runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 1000, "runAsNonRoot": True}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "terminationGracePeriodSeconds": 0,
            "securityContext": {**security, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [main],
            **spec,
            "volumes": [{"name": "tmp", "emptyDir": {}}, *spec.get("volumes", [])],
        },
    }


def busybox_archive(directory: Path) -> Path:
    """From the distribution's static build: no image registry is needed."""
    subprocess.run(
        "apt-get -qq download busybox-static || { apt-get -qq update && apt-get -qq download busybox-static; }",
        shell=True,
        cwd=directory,
        check=True,
        capture_output=True,
    )
    package = next(directory.glob("busybox-static_*.deb"))
    subprocess.run(["dpkg", "-x", package, directory / "unpacked"], check=True)
    program = next((directory / "unpacked").rglob("bin/busybox")).read_bytes()
    applets = ("sh", "sleep", "cat", "echo", "wget", "nslookup", "httpd", "env", "id", "nc", "mkdir", "ls", "hostname")
    archive = directory / "busybox.tar"
    archive.write_bytes(oci.archive(IMAGE, {f"bin/{name}": program for name in applets}, {"Env": ["PATH=/bin"]}))
    return archive


@pytest.fixture(scope="session")
def node(node_cluster: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    if IMAGE not in cluster.images(node_cluster.name, environment=node_cluster.environment):
        archive = busybox_archive(tmp_path_factory.mktemp("busybox"))
        cluster.import_image(node_cluster.name, archive, environment=node_cluster.environment)
    return node_cluster


@pytest.fixture
def kubectl(node: Any) -> Iterator[Kubectl]:
    name = f"devcluster-{uuid4().hex[:8]}"
    found = Kubectl(node.kubeconfig, name, cluster.program("kubectl", node.environment))
    found("create", "namespace", name)
    until("the namespace's ServiceAccount", lambda: found("get", "serviceaccounts", "-o", "name").count("/default"))
    yield found
    found("delete", "namespace", name, "--wait=false")
