from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from footplate.api import duration, quantity


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("500m", Decimal("0.5")),
        ("2", Decimal(2)),
        ("4Gi", Decimal(4 * 1024**3)),
        ("1.5k", Decimal(1500)),
        (".5", Decimal("0.5")),
    ],
)
def test_a_quantity_is_read_in_its_base_unit(text: str, value: Decimal) -> None:
    assert quantity.parse(text) == value


@pytest.mark.parametrize("text", ["", "4GB", "-1", "1 Gi", "Gi"])
def test_what_is_no_quantity_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity"):
        quantity.parse(text)


def test_bytes_are_written_for_people() -> None:
    assert [quantity.human_bytes(count) for count in (512, 1536, 5 * 1024**3, 1024**5, 3 * 1024**6)] == [
        "512",
        "1.5Ki",
        "5Gi",
        "1Pi",
        "3Ei",
    ]


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("1h30m", 5400), ("2d", 172800)])
def test_a_duration_is_the_sum_of_its_parts(text: str, seconds: int) -> None:
    assert duration.parse(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "10", "5 m", "1w", "-3s"])
def test_what_is_no_duration_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        duration.parse(text)


@pytest.mark.parametrize("text", ["99999999999h", f"{'9' * 23}h", "9999999999999999d", "10000d", "1h" * 5])
def test_a_duration_that_dates_cannot_bear_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is too long a duration: at most 9999d"):
        duration.parse(text)


def test_the_longest_duration_is_still_within_the_calendar() -> None:
    longest = duration.parse("9999d99999h9999999m999999999s")
    assert (datetime(2100, 1, 1, tzinfo=UTC) + longest).year < 2200


def test_a_duration_is_written_with_its_two_largest_units() -> None:
    assert duration.human(timedelta(seconds=93784)) == "1d2h"
    assert duration.human(timedelta(0)) == "0s"
