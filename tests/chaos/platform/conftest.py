from pathlib import Path

import pytest

from tests import standard_images


def pytest_collection_finish(session: pytest.Session) -> None:
    standard_images.build_before(session, Path(__file__).parent)
