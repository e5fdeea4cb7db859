"""The standard images, for tests whose pods run them."""

from pathlib import Path

import pytest
from rich.console import Console

from devcluster.progress import ConsoleProgress
from footplate.images import build


def build_before(session: pytest.Session, folder: Path) -> None:
    """Where tests of `folder` were selected: before the first, whose time limit a cold build could exceed."""
    selected = [item for item in session.items if folder in item.path.parents and not item.get_closest_marker("skip")]
    if selected and not session.config.option.collectonly:
        build.ensure((), ConsoleProgress(Console(stderr=True)), builder="buildah")
