from pathlib import Path

import pytest

from footplate.agent.workspace import cuda
from footplate.agent.workspace.observer import tell


@pytest.mark.parametrize(
    ("toolkit", "driver", "fits"),
    [
        ("12.9.79", "525.60.13", True),
        ("12.9.79", "525.60.12", False),
        ("12.4.1", "580.65.06", True),
        ("13.2.86", "580.65.06", True),
        ("13.0.1", "570.133.20", False),
        ("11.8", "450.80.02", True),
        ("11.8", "440.33", False),
        ("14.0", "450.80.02", True),
    ],
)
def test_a_driver_runs_toolkits_of_its_age(toolkit: str, driver: str, fits: bool) -> None:
    """One that the table does not know is not judged."""
    assert (cuda.problem(cuda.parse(toolkit), cuda.parse(driver)) is None) is fits


def test_a_mismatch_names_both_versions_and_what_would_do() -> None:
    assert cuda.problem((13, 0, 1), (570, 133, 20)) == (
        "This environment has CUDA 13.0, which needs driver 580.65.6 or newer; the node has 570.133.20: choose an "
        "environment with CUDA 12 or older, or ask a platform engineer for newer drivers."
    )
    assert "its driver runs no supported CUDA" in (cuda.problem((12, 1), (390, 1)) or "")


def test_without_a_toolkit_or_a_driver_there_is_nothing_to_say() -> None:
    assert cuda.problem(None, (570, 1)) is None
    assert cuda.problem((13, 0), None) is None
    assert cuda.toolkit({}) is None
    assert cuda.toolkit({"CUDA_VERSION": "12.6.3"}) == (12, 6, 3)


def test_what_is_wrong_is_left_for_login_shells_until_it_is_right(tmp_path: Path) -> None:
    tell("a notice", tmp_path / "notice")
    assert (tmp_path / "notice").read_text() == "a notice\n"
    tell(None, tmp_path / "notice")
    assert not (tmp_path / "notice").exists()
