import pytest

from footplate.kube.lease import LeaseSpec, may_take


def held(holder: str | None, duration: int = 10) -> LeaseSpec:
    return LeaseSpec(holder_identity=holder, lease_duration_seconds=duration)


@pytest.mark.parametrize(
    ("lease", "unchanged", "taken"),
    [
        (held("other"), 0.0, False),
        (held("other"), 9.9, False),
        (held("other"), 10.0, True),
        (held("me_1"), 0.0, True),
        (held(""), 0.0, True),
        (held(None), 0.0, True),
        (held("pod-a_77"), 0.0, True),
    ],
)
def test_a_lease_is_taken_when_free_ours_expired_or_of_an_earlier_life(
    lease: LeaseSpec, unchanged: float, taken: bool
) -> None:
    assert may_take(lease, "me_1", "pod-a_", unchanged) is taken
