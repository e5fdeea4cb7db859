"""Clusters that tests share: one API server for `tests/integration`, one node with real pods for `tests/node`.

Each is started at its first use in a data directory of its own and removed at the end of the session. With
`FOOTPLATE_TEST_CLUSTER` (`FOOTPLATE_TEST_NODE_CLUSTER`) set to a kubeconfig, that running cluster is used and left alone.
Tests keep to namespaces of their own.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import yaml
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from devcluster import artifacts, build, cluster, paths
from devcluster.object_store import ObjectStore
from devcluster.progress import ConsoleProgress
from tests import leftovers

# A deadline is a timed assertion, and these machines are shared.
hypothesis.settings.register_profile("footplate", deadline=None)
hypothesis.settings.load_profile("footplate")

FOLDER_MARKERS = {"integration": "api", "node": "full"}
#: Folders whose tests run one after the other on one worker, where there are several (`pytest -n 2`): they share a
#: cluster, or take the machine's time.
GROUPS = {"integration": "api", "node": "node", "chaos": "node", "faults": "node"}


@dataclass(frozen=True)
class ApiCluster:
    """A control plane with three simulated nodes of eight H100 each: pods are Running at once and never end by themselves."""

    kubeconfig: Path
    context: str


class ByCluster(LoadScopeScheduling):
    def _split_scope(self, nodeid: str) -> str:
        """What runs on one worker, in one go: a group's tests, else a file's."""
        return GROUPS.get(nodeid.split("/")[1]) or super()._split_scope(nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByCluster:
    config.option.loadscopereorder = False  # those with clusters come first: they take longest
    return ByCluster(config, log)


def pytest_configure(config: pytest.Config) -> None:
    """No test writes into the data directory of the user who runs it."""
    if not hasattr(config, "workerinput"):
        lock = leftovers.begin()
        config.add_cleanup(lambda: leftovers.end(leftovers.directory(), lock))
    os.environ["FOOTPLATE_DATA"] = str(leftovers.fresh("user"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # `tests/node/bringup` installs the platform, and leaves alone what faults' tests install in its place.
    items.sort(key=lambda item: "/tests/faults/" in item.path.as_posix())
    for item in items:
        for marker in FOLDER_MARKERS:
            if f"/tests/{marker}/" in item.path.as_posix():
                item.add_marker(marker)
    if os.geteuid() != 0:
        for item in items:
            if item.get_closest_marker("node"):
                item.add_marker(pytest.mark.skip(reason="a cluster with real pods needs root"))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Compile what the selected tests need before the first of them, whose time limit a build would exceed."""
    from rich.console import Console

    if session.config.option.collectonly:
        return
    for marker, profile in FOLDER_MARKERS.items():
        if any(item.get_closest_marker(marker) and not item.get_closest_marker("skip") for item in session.items):
            tools = artifacts.tools_for(profile)
            with ConsoleProgress(Console(stderr=True)) as progress:
                build.ensure(tools, paths.cache_directory(), progress)


def running_cluster(variable: str) -> ApiCluster | None:
    if not (kubeconfig := os.environ.get(variable)):
        return None
    return ApiCluster(Path(kubeconfig), yaml.safe_load(Path(kubeconfig).read_text())["current-context"])


@dataclass(frozen=True)
class NodeCluster:
    """A cluster with one real node, four simulated H100 GPUs and an S3 endpoint. `environment` leads devcluster to it."""

    name: str
    kubeconfig: Path
    context: str
    environment: Mapping[str, str]
    object_store: ObjectStore


@pytest.fixture(scope="session")
def node_cluster() -> Iterator[NodeCluster]:
    if given := os.environ.get("FOOTPLATE_TEST_NODE_CLUSTER"):
        home = Path(given).absolute().parent
        environment = {**os.environ, "FOOTPLATE_DATA": str(home.parents[1])}
        yield _node_cluster(cluster.running(home.name, environment=environment), environment)
        return
    environment = {**os.environ, "FOOTPLATE_DATA": str(leftovers.fresh("node"))}
    started = cluster.start("test", {"profile": "full", "gpus": "H100:4"}, environment=environment)
    try:
        yield _node_cluster(started, environment)
    finally:
        cluster.delete("test", environment=environment)


def _node_cluster(found: cluster.Running, environment: Mapping[str, str]) -> NodeCluster:
    assert found.object_store is not None
    return NodeCluster(found.name, found.kubeconfig, found.context, environment, found.object_store)


@pytest.fixture(scope="session")
def api_cluster() -> Iterator[ApiCluster]:
    if given := running_cluster("FOOTPLATE_TEST_CLUSTER"):
        yield given
        return
    environment = {**os.environ, "FOOTPLATE_DATA": str(leftovers.fresh("api"))}
    changes = {"profile": "api", "kwok_nodes": 3, "kwok_gpus": "H100:8"}
    started = cluster.start("test", changes, environment=environment)
    try:
        yield ApiCluster(started.kubeconfig, started.context)
    finally:
        cluster.delete("test", environment=environment)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The table of `tests/faults`: one row a fault."""
    reports = [r for key in ("passed", "failed") for r in terminalreporter.stats.get(key, ()) if r.when == "call"]
    rows = [value for report in reports for name, value in report.user_properties if name == "fault"]
    if not rows:
        return
    terminalreporter.section("faults")
    cells = [list(rows[0]), *([str(value) for value in row.values()] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    for row in cells:
        terminalreporter.write_line("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)))
