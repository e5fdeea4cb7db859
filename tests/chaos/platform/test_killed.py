"""SIGKILL to `make up` again and again, then to each process of the cluster and to the controllers while a job runs."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from devcluster import addresses, cgroups, cluster
from tests.leftovers import fresh
from tests.platform_command import Command

pytestmark = [pytest.mark.node, pytest.mark.timeout(1500)]

NAME = "killed"
#: Seconds after its start at which `make up` is killed: in the cluster's start, the images' loading, the stack, the demo.
MOMENTS = (2.0, 9.0, 20.0, 35.0)


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    environment = {**os.environ, "FOOTPLATE_DATA": str(fresh("killed"))}
    yield environment
    if cluster.exists(NAME, environment=environment):
        cluster.delete(NAME, environment=environment)


@pytest.fixture(scope="module")
def footplate(environment: dict[str, str]) -> Command:
    left_out = ("KUBECONFIG", "FOOTPLATE_CONTEXT", "FOOTPLATE_TEAM", "FOOTPLATE_STACK")
    return Command({name: value for name, value in environment.items() if name not in left_out})


@pytest.fixture(scope="module")
def on_cluster(footplate: Command) -> Command:
    return Command.on(footplate.environment, f"footplate-{NAME}")


def until(what: str, found: Callable[[], Any], seconds: float = 120.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < deadline, f"{what} did not come about within {seconds:.0f} s"
        time.sleep(0.2)
    return value


def test_make_up_is_killed_at_any_moment_and_the_next_one_carries_on(footplate: Command, on_cluster: Command) -> None:
    for moment in MOMENTS:
        running = footplate.start("bringup", "--cluster", NAME)
        time.sleep(moment)
        running.kill()
        running.communicate()
    said = footplate("bringup", "--cluster", NAME)
    assert "Footplate runs on the embedded cluster" in said
    assert json.loads(on_cluster("job", "show", "demo-digits", "-o", "json"))["status"]["phase"] == "Succeeded"
    names = [item["metadata"]["name"] for item in json.loads(on_cluster("workspace", "list", "-o", "json"))]
    assert names == ["demo"]


def components(on_cluster: Command) -> dict[str, dict[str, Any]]:
    status = json.loads(on_cluster("cluster", "status", "--name", NAME, "-o", "json", code=None))
    return {component["name"]: component for component in status["components"]}


def controllers(environment: dict[str, str]) -> list[int]:
    """Processes of the controllers' containers of this very cluster."""
    own = cgroups.name(addresses.identity(cluster.cluster_paths(NAME, environment).root))
    found: list[int] = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            command, group = (directory / "cmdline").read_bytes(), (directory / "cgroup").read_text()
        except OSError:
            continue
        if b"footplate.controllers" in command and own in group:
            found.append(int(directory.name))
    return found


def test_a_job_survives_the_death_of_each_component_and_of_the_controllers(
    on_cluster: Command, environment: dict[str, str]
) -> None:
    words = ["--name", "enduring", "--nodes", "2", "--cpu", "200m", "--memory", "1Gi", "--environment", "pytorch"]
    on_cluster("job", "submit", "examples/digits/train.py", *words, "--", "--epochs", "12", "--pause", "5")

    def phase() -> str:
        return json.loads(on_cluster("job", "show", "enduring", "-o", "json"))["status"].get("phase", "")

    until("the job", lambda: phase() == "Running")
    victims = list(components(on_cluster))
    assert {"etcd", "kube-apiserver", "kubelet", "containerd", "kube-scheduler"} <= set(victims)
    for victim in victims:
        before = components(on_cluster)[victim]
        os.kill(before["pid"], signal.SIGKILL)
        until(
            victim,
            lambda victim=victim, before=before: (
                (now := components(on_cluster)[victim])["state"] == "Ready" and now["pid"] != before["pid"]
            ),
        )
    for pid in controllers(environment):
        os.kill(pid, signal.SIGKILL)
    assert until("the controllers", lambda: len(controllers(environment)) == 2)
    on_cluster("job", "wait", "enduring", "--timeout", "5m")
    job = json.loads(on_cluster("job", "show", "enduring", "-o", "json"))
    assert job["status"]["phase"] == "Succeeded"
    assert len(job["status"]["attempts"]) == 1, "no component's death is a reason to start a job again"
    lines = on_cluster("job", "logs", "enduring", "--node", "0")
    assert '"accuracy"' in lines
    assert len([line for line in lines.splitlines() if "epoch" in line and "/12" in line]) == 12


def test_the_workspace_went_on_and_takes_commands(on_cluster: Command) -> None:
    shown = json.loads(on_cluster("workspace", "show", "demo", "-o", "json"))
    assert shown["status"]["phase"] == "Running"
    assert int(on_cluster("workspace", "exec", "demo", "--", "cat", ".first-steps")) >= 1


def test_make_down_leaves_nothing(footplate: Command, environment: dict[str, str]) -> None:
    footplate("teardown", "--yes", "--cluster", NAME)
    assert not cluster.exists(NAME, environment=environment)
    data = Path(environment["FOOTPLATE_DATA"])
    assert not [path for path in (data / "clusters").iterdir() if path.is_dir()]
    assert not list((data / "tunnels").glob("*.json"))
    assert not list((data / "stacks").rglob("state.json"))
