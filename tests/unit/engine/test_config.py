import textwrap
from pathlib import Path

import pytest

from footplate.engine.crypter import Keyring
from footplate.engine.errors import ConfigInvalid, ProjectInvalid, StackLocked, Unsupported
from footplate.engine.project.config import Config, load_config
from footplate.engine.project.manifest import find_root, load_project
from footplate.engine.state.lock import locked

MANIFEST = """
name: shop
runtime: {name: python, options: {virtualenv: .venv}}
stackConfigDir: stacks
config:
  size: {type: integer, description: How many., default: 3}
  region: {type: string, description: Where it stands.}
  teams: {type: array, items: {type: object}, default: []}
  token: {type: string, secret: true, default: none}
  colour: blue
  aws:region: eu-west-1
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "Pulumi.yaml").write_text(MANIFEST)
    (tmp_path / "__main__.py").write_text("")
    (tmp_path / "stacks").mkdir()
    return tmp_path


def load(root: Path, stack: str, overrides: dict[str, str] | None = None) -> Config:
    return load_config(load_project(root), stack, Keyring(root / "passphrase.json", {}), overrides)


def write(root: Path, text: str, stack: str = "dev") -> None:
    (root / "stacks" / f"Pulumi.{stack}.yaml").write_text(textwrap.dedent(text))


def test_values_defaults_and_short_forms_come_together(root: Path) -> None:
    write(root, "config: {shop:region: north, shop:teams: [{name: red}], kubernetes:context: kind}")
    config = load(root, "dev")
    assert dict(config.values) == {
        "shop:region": "north",
        "shop:teams": '[{"name": "red"}]',
        "kubernetes:context": "kind",
        "shop:size": "3",
        "shop:token": "none",
        "shop:colour": "blue",
        "aws:region": "eu-west-1",
    }
    assert config.package("kubernetes") == {"context": "kind"}


def test_secure_values_are_opened_wherever_they_stand(root: Path) -> None:
    keyring = Keyring(root / "passphrase.json", {})
    crypter = keyring.new()
    sealed = crypter.encrypt("hunter2")
    write(
        root,
        f"""
        encryptionsalt: {crypter.salt}
        config:
          shop:region: north
          shop:token: {{secure: "{sealed}"}}
          shop:teams: [{{name: red, key: {{secure: "{sealed}"}}}}]
        """,
    )
    config = load(root, "dev")
    assert config.values["shop:token"] == "hunter2"
    assert config.values["shop:teams"] == '[{"name": "red", "key": "hunter2"}]'
    assert config.secrets == {"shop:token", "shop:teams"}


@pytest.mark.parametrize(
    ("config", "message", "hint"),
    [
        ("{shop:region: n, shop:sise: 3}", "no configuration key 'sise'", "did you mean 'size'"),
        ("{shop:region: n, shop:zzz: 3}", "no configuration key 'zzz'", "the keys are: size, region"),
        ("{shop:region: n, shop:size: many}", "must be of type integer, not 'many'", "How many."),
        ("{shop:region: n, shop:size: [1]}", "must be of type integer, not a list", "How many."),
        ("{shop:region: n, shop:teams: [x]}", r"must be of type object at \[0\], not 'x'", ""),
        ("{shop:region: n, shop:token: clear}", "is a secret and stands there in clear", "config set --secret"),
        ("{shop:size: 4}", "'shop:region' is required and missing", "Where it stands."),
    ],
)
def test_wrong_configuration_is_named(root: Path, config: str, message: str, hint: str) -> None:
    write(root, f"config: {config}")
    with pytest.raises(ConfigInvalid, match=message) as caught:
        load(root, "dev")
    assert hint in (caught.value.remedy or "")
    assert "Pulumi.dev.yaml" in caught.value.message


def test_an_override_counts_before_the_file_and_stays_secret(root: Path) -> None:
    write(root, "config: {shop:region: north}")
    config = load(root, "dev", {"region": "south", "token": "hunter2"})
    assert (config.values["shop:region"], config.values["shop:token"]) == ("south", "hunter2")
    assert config.secrets == {"shop:token"}
    with pytest.raises(ConfigInvalid, match="no configuration key 'regoin'"):
        load(root, "dev", {"regoin": "x"})


@pytest.mark.parametrize("text", ['[{"name": "blue"}]', "[{name: blue}]", "- name: blue"])
def test_an_override_of_a_list_or_an_object_is_json_or_yaml(root: Path, text: str) -> None:
    write(root, "config: {shop:region: n}")
    assert load(root, "dev", {"teams": text}).values["shop:teams"] == '[{"name": "blue"}]'


def test_an_override_changes_a_part_of_what_the_file_has(root: Path) -> None:
    write(root, "config: {shop:region: n, shop:teams: [{name: red, gpus: 1}]}")
    changed = load(root, "dev", {"teams[0].gpus": "8", "shop:teams[1].name": "blue", "teams[2]": "{name: green}"})
    assert changed.values["shop:teams"] == '[{"name": "red", "gpus": 8}, {"name": "blue"}, {"name": "green"}]'
    write(root, "config: {shop:region: n}")
    assert load(root, "dev", {"teams[0].name": "red"}).values["shop:teams"] == '[{"name": "red"}]'


@pytest.mark.parametrize(
    ("key", "text", "message"),
    [
        ("teams", "red", r"--config shop:teams must be of type array<object>, not 'red'"),
        ("teams", "[{name: ", r"--config teams: '\[\{name: ' is neither JSON nor YAML"),
        ("teams[7].name", "red", r"--config teams\[7\]\.name: the list has no \[7\]"),
        ("size", "many", r"--config shop:size must be of type integer, not 'many'"),
        ("tames[0].name", "red", r"--config: there is no configuration key 'tames\[0\]\.name'"),
    ],
)
def test_an_override_that_makes_no_sense_is_named(root: Path, key: str, text: str, message: str) -> None:
    write(root, "config: {shop:region: n}")
    with pytest.raises(ConfigInvalid, match=message):
        load(root, "dev", {key: text})


def test_an_unknown_stack_is_named_with_its_likely_spelling(root: Path) -> None:
    write(root, "config: {shop:region: n}", "production")
    with pytest.raises(ConfigInvalid, match="'producton'") as caught:
        load(root, "producton")
    assert caught.value.remedy == "did you mean 'production'?"


def test_secrets_kept_elsewhere_need_the_pulumi_cli(root: Path) -> None:
    write(root, "{secretsprovider: awskms://x, config: {shop:region: {secure: abc}}}")
    with pytest.raises(Unsupported, match="awskms"):
        load(root, "dev")


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        ("runtime: python", "has no name"),
        ("{name: x, runtime: nodejs}", "the runtime is 'nodejs'"),
        ("{name: x, runtime: python, main: nowhere}", "does not exist"),
        ("{name: x, runtime: python, config: {a: {type: colour}}}", "is of type 'colour'"),
        ("{name: x, runtime: python, config: {a: {type: integer, default: x}}}", "the default of config.a must be"),
        ("{name: x, runtime: python, config: {a: {typ: integer}}}", "has 'typ'"),
        ("name: [", "not valid YAML"),
    ],
)
def test_a_wrong_manifest_is_named(root: Path, manifest: str, message: str) -> None:
    (root / "Pulumi.yaml").write_text(manifest)
    with pytest.raises((ProjectInvalid, Unsupported), match=message):
        load_project(root)


def test_the_project_is_found_from_within(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    inner = root / "stacks"
    assert find_root(inner) == root
    with pytest.raises(ProjectInvalid, match=r"no Pulumi\.yaml"):
        find_root(tmp_path_factory.mktemp("elsewhere"))


def test_a_locked_stack_says_who_has_it(tmp_path: Path) -> None:
    with locked(tmp_path / "lock", "up", "shop/dev"):
        holder = pytest.raises(StackLocked, match=r"'shop/dev' is in use: `footplate up` of .* \(process \d+ on")
        with holder, locked(tmp_path / "lock", "destroy", "shop/dev"):
            pass
    with locked(tmp_path / "lock", "destroy", "shop/dev"):
        pass
