import pytest

from footplate.api.platform import Team
from footplate.client import teams
from footplate.errors import BadUsage, NotFound

ALPHA, BETA = Team("alpha", "s3://b/alpha"), Team("beta", "s3://b/beta")


@pytest.mark.parametrize(
    ("flag", "environ", "namespace", "expected"),
    [
        ("a", {"FOOTPLATE_TEAM": "b"}, "team-c", "a"),
        (None, {"FOOTPLATE_TEAM": "b"}, "team-c", "b"),
        (None, {}, "team-c", "c"),
        (None, {}, "default", None),
    ],
)
def test_flag_then_environment_then_the_namespace_of_the_context(
    flag: str | None, environ: dict[str, str], namespace: str, expected: str | None
) -> None:
    assert teams.wanted(flag, environ, namespace) == expected


def test_the_only_team_needs_no_name() -> None:
    assert teams.choose([ALPHA], None) is ALPHA


def test_among_several_the_question_lists_them() -> None:
    with pytest.raises(BadUsage, match=r"alpha, beta\. Which one") as raised:
        teams.choose([ALPHA, BETA], None)
    assert "--team" in (raised.value.remedy or "")


def test_an_unknown_team_brings_the_close_one() -> None:
    with pytest.raises(NotFound) as raised:
        teams.choose([ALPHA, BETA], "alhpa")
    assert raised.value.remedy == "did you mean alpha?"


def test_a_platform_without_teams_and_a_person_without_one_are_told_apart() -> None:
    with pytest.raises(NotFound, match="has no teams"):
        teams.choose([], None)
    with pytest.raises(NotFound, match="in none of this platform's teams"):
        teams.choose([], None, known=[ALPHA])
