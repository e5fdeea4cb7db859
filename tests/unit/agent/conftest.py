"""An object store of the session, and a bucket of each test."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from rich.console import Console

from devcluster import artifacts, build, paths
from devcluster.progress import ConsoleProgress
from footplate.agent.store import Store
from tests.unit.agent.s3_gateway import Gateway


@pytest.fixture(scope="session")
def versitygw() -> Path:
    tool = next(tool for tool in artifacts.TOOLS if tool.name == "versitygw")
    return build.ensure([tool], paths.cache_directory(), ConsoleProgress(Console(stderr=True)))["versitygw"]


@pytest.fixture(scope="session")
def shared_gateway(versitygw: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    gateway = Gateway(versitygw, tmp_path_factory.mktemp("s3"))
    gateway.start()
    yield gateway
    gateway.kill()


@pytest.fixture
def gateway(shared_gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    """The test may kill it."""
    for name, value in shared_gateway.environment.items():
        monkeypatch.setenv(name, value)
    yield shared_gateway
    shared_gateway.kill()
    shared_gateway.start()


@pytest.fixture
def bucket(gateway: Gateway) -> str:
    """Its URI."""
    name = f"test-{uuid4().hex[:12]}"
    (gateway.root / "buckets" / name).mkdir(parents=True)
    return f"s3://{name}"


@pytest.fixture
def store(bucket: str) -> Store:
    return Store(f"{bucket}/data", os.environ)


@pytest.fixture
def termination_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "termination-log"
    monkeypatch.setenv("FOOTPLATE_TERMINATION_LOG", str(path))
    return path


@pytest.fixture(scope="session")
def restic() -> str:
    """Debian's, as in the platform's image; installed where this machine may."""
    if shutil.which("restic") is None and os.geteuid() == 0 and shutil.which("apt-get"):
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "restic"]
        for command in (install, ["apt-get", "update", "-qq"], install):
            subprocess.run(command, check=False, capture_output=True)
            if shutil.which("restic"):
                break
    return shutil.which("restic") or pytest.skip("restic is not installed (apt-get install restic)")
