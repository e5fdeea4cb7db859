"""The SDK on a platform without controllers: tests play their part."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ApiCluster
from tests.integration.cli.platform import Platform, installed, kubelet, object_store

__all__ = ["kubelet", "object_store"]


@pytest.fixture(scope="module")
def platform(api_cluster: ApiCluster, object_store: tuple[str, Path]) -> Iterator[Platform]:
    with installed(api_cluster, object_store) as made:
        yield made


@pytest.fixture(autouse=True)
def environment(platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FOOTPLATE_TEAM", "FOOTPLATE_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in platform.environment(tmp_path / "data").items():
        monkeypatch.setenv(name, value)
