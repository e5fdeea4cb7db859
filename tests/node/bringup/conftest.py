"""The platform brought up on the shared node by the command that `make up` calls, once for this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import standard_images
from tests.conftest import NodeCluster
from tests.platform_command import Command


def pytest_collection_finish(session: pytest.Session) -> None:
    standard_images.build_before(session, Path(__file__).parent)


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
