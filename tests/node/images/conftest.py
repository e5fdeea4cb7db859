"""The three images, built and on the shared node, and a namespace of each test with the object store's credentials."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from rich.console import Console

from devcluster import cluster
from devcluster.progress import ConsoleProgress
from footplate.api.platform import ObjectStore, Platform, Team
from footplate.images import build, delivery, index
from tests import standard_images
from tests.conftest import NodeCluster

Json = dict[str, Any]


def pytest_collection_finish(session: pytest.Session) -> None:
    standard_images.build_before(session, Path(__file__).parent)


def until(what: str, found: Callable[[], Any], seconds: float = 120.0) -> Any:
    """The first true value of ``found``."""
    deadline = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < deadline, f"{what} did not come about within {seconds:.0f} s"
        time.sleep(0.3)
    return value


@dataclass(frozen=True)
class Place:
    """A namespace, and kubectl in it."""

    kubectl: Path
    kubeconfig: Path
    namespace: str
    cluster: NodeCluster
    images: dict[str, str]

    def run(self, *arguments: str, given: str | None = None) -> str:
        command = [str(self.kubectl), f"--kubeconfig={self.kubeconfig}", f"--namespace={self.namespace}", *arguments]
        done = subprocess.run(command, check=False, input=given, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def apply(self, *objects: Json) -> None:
        self.run("apply", "-f", "-", given=json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}))

    def get(self, *arguments: str) -> Json:
        return json.loads(self.run("get", *arguments, "-o", "json"))

    @property
    def team(self) -> Team:
        return Team(name="test", data_uri=f"s3://{self.cluster.object_store.bucket}/{self.namespace}")

    @property
    def platform(self) -> Platform:
        return Platform(
            version="test",
            platform_image=self.images["platform"],
            state_uri=f"s3://{self.cluster.object_store.bucket}/state",
            teams=(self.team,),
            object_store=ObjectStore(endpoint=self.cluster.object_store.endpoint),
        )


@pytest.fixture(scope="session")
def images(node_cluster: NodeCluster) -> dict[str, str]:
    progress = ConsoleProgress(Console(stderr=True))
    builts = [outcome.built for outcome in build.ensure((), progress, builder="buildah")]
    target = delivery.Embedded(node_cluster.name, node_cluster.environment)
    delivery.load(builts, target, index.cache_directory(), progress)
    return {built.reference.split("/")[1].split(":")[0]: built.reference for built in builts}


@pytest.fixture
def place(node_cluster: NodeCluster, images: dict[str, str]) -> Iterator[Place]:
    name = f"images-{uuid4().hex[:8]}"
    found = Place(
        cluster.program("kubectl", node_cluster.environment), node_cluster.kubeconfig, name, node_cluster, images
    )
    found.run("create", "namespace", name)
    found.run("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    until("the ServiceAccount", lambda: "/default" in found.run("get", "serviceaccounts", "-o", "name"))
    store = node_cluster.object_store
    secret = {"AWS_ACCESS_KEY_ID": store.access_key, "AWS_SECRET_ACCESS_KEY": store.secret_key}
    found.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "footplate-object-store"}, "stringData": secret})  # fmt: skip
    yield found
    found.run("delete", "namespace", name, "--wait=false")
