from datetime import UTC, datetime

import pytest

from footplate.api.meta import Condition
from footplate.kube.conditions import find_condition, is_true, remove_condition, set_condition

EARLY, LATE = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)


def ready(status: str, reason: str = "Because", at: datetime = EARLY, generation: int = 1) -> Condition:
    return Condition("Ready", status, reason, "", at, generation)  # pyright: ignore[reportArgumentType]


def test_the_transition_time_moves_with_the_status_only() -> None:
    first = set_condition((), ready("False"))
    same = set_condition(first, ready("False", "Otherwise", LATE, 2))
    assert same[0].last_transition_time == EARLY
    assert (same[0].reason, same[0].observed_generation) == ("Otherwise", 2)
    assert set_condition(same, ready("True", at=LATE))[0].last_transition_time == LATE


def test_setting_what_is_already_so_changes_nothing() -> None:
    conditions = set_condition((), ready("True"))
    assert set_condition(conditions, ready("True", at=LATE)) == conditions


def test_a_condition_needs_a_reason() -> None:
    with pytest.raises(ValueError, match="Ready needs a reason"):
        set_condition((), ready("True", reason=""))


def test_conditions_are_found_and_removed_by_type() -> None:
    conditions = set_condition((), ready("True"))
    assert is_true(conditions, "Ready")
    assert not is_true(conditions, "Idle")
    assert find_condition(remove_condition(conditions, "Ready"), "Ready") is None
