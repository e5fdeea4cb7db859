import pytest

from footplate.cli.options import seconds
from footplate.errors import BadUsage


def test_a_timeout_is_a_duration() -> None:
    assert (seconds("30m"), seconds(None)) == (1800, None)


@pytest.mark.parametrize("text", ["9999999999999999d", "soon", ""])
def test_a_timeout_that_is_none_is_a_usage_error(text: str) -> None:
    with pytest.raises(BadUsage, match="--timeout"):
        seconds(text)
