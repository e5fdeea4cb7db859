from typing import Any

import pytest

from components.config import ConfigError, parse


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (
            {"teams": [{"name": "a", "qouta": {}}]},
            "footplate:teams[0]: there is no field 'qouta'; did you mean 'quota'?",
        ),
        ({"teams": [{"name": "a", "quota": {"gpus": 1}}]}, "footplate:teams[0].quota: .* did you mean 'gpu'?"),
        ({"teams": [{"name": "A team"}]}, "footplate:teams[0].name: expected"),
        ({"teams": [{"name": "a"}, {"name": "a"}]}, "footplate:teams: two teams are named a"),
        ({"queueing": "kueu"}, "footplate:queueing: invalid enum value 'kueu'"),
        ({"controllers": {"replicas": 0}}, "footplate:controllers.replicas: expected `int` >= 1"),
        ({"objectStore": {"uri": "ftp://x"}}, "footplate:objectStore.uri: expected"),
    ],
)
def test_a_wrong_config_names_the_key_and_the_field(raw: dict[str, Any], message: str) -> None:
    pattern = message.replace("[", r"\[").replace("]", r"\]").replace("?", r"\?")
    with pytest.raises(ConfigError, match=pattern):
        parse(raw)


def test_an_empty_config_is_a_platform_without_teams() -> None:
    config = parse({})
    assert config.provider == "local"
    assert config.teams == ()
    assert config.controllers.replicas == 2
