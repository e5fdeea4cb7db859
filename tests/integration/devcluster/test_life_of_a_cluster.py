"""A cluster from its first start to its deletion, as a person drives it: the `footplate cluster` command."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devcluster import addresses, cluster, processes
from devcluster.apiclient import ApiClient
from footplate.cli.exit_codes import ExitCode
from tests.leftovers import fresh

Result = subprocess.CompletedProcess[str]


class Command:
    """`footplate cluster` with a data directory of its own."""

    def __init__(self, data: Path) -> None:
        self.environment = {**os.environ, "FOOTPLATE_DATA": str(data)}

    def __call__(self, *arguments: str) -> Result:
        whole = [sys.executable, "-m", "footplate.cli.main", "cluster", *arguments]
        return subprocess.run(whole, check=False, capture_output=True, text=True, env=self.environment, timeout=120)

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "-o", "json").stdout)

    @property
    def place(self) -> cluster.ClusterPaths:
        return cluster.cluster_paths("life", self.environment)

    def api(self) -> ApiClient:
        endpoints = addresses.read(self.place)
        assert endpoints is not None
        return ApiClient(endpoints, self.place)


@pytest.fixture
def footplate() -> Iterator[Command]:
    command = Command(fresh("life"))
    yield command
    if cluster.exists("life", environment=command.environment):
        cluster.delete("life", environment=command.environment)


def test_a_cluster_is_started_changed_stopped_started_again_and_deleted(footplate: Command) -> None:
    started = footplate("start", "--name=life", "--profile=api", "--kwok-nodes=2", "--kwok-gpu=L4:1")
    assert started.returncode == 0, started.stderr
    assert started.stdout.startswith("export KUBECONFIG=/")
    assert footplate.json("list")[0]["state"] == "Running"
    kept = "/api/v1/namespaces/kept"
    with footplate.api() as api:
        api.apply(kept, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kept"}})

    before = {found["name"]: found["pid"] for found in footplate.json("status", "--name=life")["components"]}
    assert footplate("start", "--name=life", "--kwok-nodes=1").returncode == 0
    assert {found["name"]: found["pid"] for found in footplate.json("status", "--name=life")["components"]} == before
    with footplate.api() as api:
        assert [node["metadata"]["name"] for node in (api.get("/api/v1/nodes") or {})["items"]] == ["kwok-0000"]

    assert footplate("stop", "--name=life").returncode == 0
    assert processes.of_cluster(footplate.place.root) == []
    stopped = footplate("status", "--name=life")
    assert (stopped.returncode, stopped.stdout.split()[:2]) == (ExitCode.FAILED, ["State", "Stopped"])

    assert footplate("start", "--name=life").returncode == 0
    with footplate.api() as api:
        assert api.get(kept) is not None
    assert "kube-scheduler" in footplate("logs", "nonsense", "--name=life").stderr
    assert footplate("kubeconfig", "--name=life").stdout == footplate.place.kubeconfig.read_text()

    asked = footplate("delete", "--name=life")
    assert (asked.returncode, "say it with --yes" in asked.stderr) == (ExitCode.USAGE, True)
    assert footplate.place.kubeconfig.exists()
    assert footplate("delete", "--name=life", "--yes").returncode == 0
    assert processes.of_cluster(footplate.place.root) == []
    assert not footplate.place.root.exists()
    assert footplate("delete", "--name=life").returncode == ExitCode.NOT_FOUND


def test_a_start_that_cannot_succeed_says_why_and_leaves_nothing(footplate: Command) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        refused = footplate("start", "--name=life", "--profile=api", f"--api-port={port}")
    assert refused.returncode == ExitCode.MACHINE_LACKS
    assert f"--api-port {port} is in use" in refused.stderr
    late = footplate("start", "--name=life", "--profile=api", "--timeout=0")
    assert late.returncode == ExitCode.TIMED_OUT
    assert "did not become ready in time" in late.stderr
    assert footplate("start", "--name=life", "--profile=api", "--kwok-gpu=H100:8").returncode == ExitCode.USAGE
    assert processes.of_cluster(footplate.place.root) == []
    assert not footplate.place.root.exists()


def test_a_component_that_cannot_run_is_named_with_its_last_words(footplate: Command) -> None:
    gate = footplate("start", "--name=life", "--profile=api", "--feature-gate=NoSuchGate=true")
    assert gate.returncode == ExitCode.FAILED
    assert "kube-apiserver ends as soon as it starts" in gate.stderr
    assert "NoSuchGate" in gate.stderr
    assert not footplate.place.root.exists()
