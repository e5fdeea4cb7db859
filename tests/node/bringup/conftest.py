"""The platform brought up on the shared node by the command that `make up` calls, once for this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from devcluster.progress import ConsoleProgress
from footplate.images import build
from tests.conftest import NodeCluster
from tests.platform_command import Command


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build what is not built before the first test, whose time limit a cold build could exceed."""
    here = Path(__file__).parent
    selected = [item for item in session.items if here in item.path.parents and not item.get_closest_marker("skip")]
    if selected and not session.config.option.collectonly:
        build.ensure((), ConsoleProgress(Console(stderr=True)), builder="buildah")


@pytest.fixture(scope="module")
def footplate(node_cluster: NodeCluster) -> Command:
    if node_cluster.name == "default":
        pytest.skip("this takes the platform down at the end: not on somebody's default cluster")
    return Command.on(node_cluster.environment, node_cluster.context)


@pytest.fixture(scope="module")
def platform(footplate: Command) -> Iterator[str]:
    """What bringing it up said at its end."""
    try:
        yield footplate("bringup")
    finally:
        footplate("workspace", "close", "--all")
        footplate("destroy", "--yes")
