"""The platform brought up on the shared node by the command that `make up` calls, once for this folder."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from devcluster.progress import ConsoleProgress
from footplate.images import build
from tests.conftest import NodeCluster

ROOT = Path(__file__).parents[3]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Build what is not built before the first test, whose time limit a cold build could exceed."""
    here = Path(__file__).parent
    selected = [item for item in session.items if here in item.path.parents and not item.get_closest_marker("skip")]
    if selected and not session.config.option.collectonly:
        build.ensure((), ConsoleProgress(Console(stderr=True)), builder="buildah")


@dataclass(frozen=True)
class Command:
    """`footplate` as a person on this machine runs it, with the cluster of the tests as theirs."""

    cluster: NodeCluster

    @property
    def environment(self) -> dict[str, str]:
        left_out = ("KUBECONFIG", "FOOTPLATE_TEAM", "FOOTPLATE_STACK")
        kept = {name: value for name, value in self.cluster.environment.items() if name not in left_out}
        return {**kept, "FOOTPLATE_CONTEXT": self.cluster.context}

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "footplate.cli.main", *words],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def __call__(self, *words: str, given: bytes = b"", code: int = 0, seconds: float = 400) -> str:
        """Standard output. Fails where the exit code is not `code`."""
        return self._run(words, given, code, seconds).stdout.decode()

    def both(self, *words: str) -> str:
        """Standard output and what is said beside it."""
        done = self._run(words, b"", 0, 400)
        return done.stdout.decode() + done.stderr.decode()

    def _run(
        self, words: tuple[str, ...], given: bytes, code: int, seconds: float
    ) -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run(
            [sys.executable, "-m", "footplate.cli.main", *words],
            check=False,
            cwd=ROOT,
            env=self.environment,
            input=given,
            capture_output=True,
            timeout=seconds,
        )
        said = (
            f"footplate {' '.join(words)} ended with {done.returncode}:\n{done.stdout.decode()}\n{done.stderr.decode()}"
        )
        assert done.returncode == code, said
        return done


@pytest.fixture(scope="module")
def footplate(node_cluster: NodeCluster) -> Command:
    if node_cluster.name == "default":
        pytest.skip("this takes the platform down at the end: not on somebody's default cluster")
    return Command(node_cluster)


@pytest.fixture(scope="module")
def platform(footplate: Command) -> Iterator[str]:
    """What bringing it up said at its end."""
    try:
        yield footplate("bringup")
    finally:
        footplate("workspace", "close", "--all")
        footplate("destroy", "--yes")
