import re
from pathlib import Path

import pytest
from msgspec import structs

from footplate.api import TrainingJobSpec
from footplate.client import manifests
from footplate.client.requests import JobRequest
from footplate.errors import BadUsage

MANIFEST = """
apiVersion: footplate.dev/v1alpha1
kind: TrainingJob
metadata: {name: digits}
spec:
  environment: pytorch
  command: [python3, train.py]
"""


def test_a_script_runs_in_its_own_directory(tmp_path: Path) -> None:
    (tmp_path / "digits").mkdir()
    script = tmp_path / "digits" / "train.py"
    script.touch()
    source = manifests.from_script(script, None)
    assert source == manifests.Source(tmp_path / "digits", ("python3", "train.py"), "digits")


def test_a_wider_code_directory_keeps_the_script_s_place_in_it(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "finetune.py").touch()
    source = manifests.from_script(tmp_path / "src" / "finetune.py", tmp_path)
    assert source.command == ("python3", "src/finetune.py")
    assert source.root == tmp_path
    assert source.name == "finetune"
    with pytest.raises(BadUsage, match="is not in the code directory"):
        manifests.from_script(tmp_path / "src" / "finetune.py", tmp_path / "other")


def test_how_a_script_is_run_follows_from_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "go.sh").touch()
    (tmp_path / "tool").touch(mode=0o755)
    (tmp_path / "notes.txt").touch(mode=0o644)
    assert manifests.from_script(tmp_path / "go.sh", None).command == ("bash", "go.sh")
    assert manifests.from_script(tmp_path / "tool", None).command == ("./tool",)
    with pytest.raises(BadUsage, match="not clear what runs"):
        manifests.from_script(tmp_path / "notes.txt", None)


def test_a_missing_script_brings_the_close_one(tmp_path: Path) -> None:
    (tmp_path / "train.py").touch()
    with pytest.raises(BadUsage, match="There is no script") as raised:
        manifests.from_script(tmp_path / "trian.py", None)
    assert raised.value.remedy == "did you mean train.py?"
    with pytest.raises(BadUsage, match="There is no script"):
        manifests.from_script(tmp_path / "nowhere" / "train.py", None)
    with pytest.raises(BadUsage, match="is a directory"):
        manifests.from_script(tmp_path, None)


def test_a_manifest_is_read() -> None:
    loaded = manifests.load(MANIFEST, "job.yaml")
    assert loaded["metadata"] == {"name": "digits"}
    assert loaded["spec"]["command"] == ["python3", "train.py"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [", "not valid YAML"),
        ("- 1", "holds no object"),
        ("", "has 0 documents"),
        (MANIFEST + "---" + MANIFEST, "has 2 documents"),
        (MANIFEST.replace("TrainingJob", "Workspace"), "is no TrainingJob"),
        (MANIFEST.replace("v1alpha1", "v9"), "is no TrainingJob"),
        ("apiVersion: footplate.dev/v1alpha1\nkind: TrainingJob", "has no spec"),
        (MANIFEST + "  nodez: 2\n", "no field spec.nodez"),
        (MANIFEST + "  resources: {gpu: {cuont: 2}}\n", "no field spec.resources.gpu.cuont"),
        (MANIFEST + "  datasets: [{name: a, url: 's3://a'}]\n", r"no field spec.datasets\[0\].url"),
    ],
)
def test_what_is_no_job_is_told_apart(text: str, says: str) -> None:
    with pytest.raises(BadUsage, match=says):
        manifests.load(text, "job.yaml")


def test_an_unknown_field_brings_the_close_one() -> None:
    with pytest.raises(BadUsage) as raised:
        manifests.load(MANIFEST + "  nodez: 2\n", "job.yaml")
    assert raised.value.remedy == "did you mean nodes?"


def test_keys_of_maps_are_free() -> None:
    assert manifests.load(MANIFEST + "  env: {ANYTHING: '1', environment: x}\n", "f")["spec"]["env"]["ANYTHING"] == "1"


def test_options_change_a_manifest_and_leave_the_rest() -> None:
    spec = {"environment": "a", "resources": {"cpu": "1", "gpu": {"count": 1}}, "env": {"A": "1", "image": "x"}}
    changes = {"image": "i", "resources": {"gpu": {"count": 2}}, "env": {"B": "2"}}
    assert manifests.respecified(spec, changes) == {
        "image": "i",
        "resources": {"cpu": "1", "gpu": {"count": 2}},
        "env": {"A": "1", "image": "x", "B": "2"},
    }


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("s3://b/digits", {"name": "d", "uri": "s3://b/digits"}),
        ("s3://b/digits:/data", {"name": "d", "uri": "s3://b/digits", "path": "/data"}),
        ("pvc://claim/sub:/x/y", {"name": "d", "uri": "pvc://claim/sub", "path": "/x/y"}),
    ],
)
def test_datasets(words: str, expected: dict[str, str]) -> None:
    assert manifests.datasets({"d": words}) == [expected]


def test_a_dataset_without_an_address_is_refused() -> None:
    with pytest.raises(BadUsage, match="is no address"):
        manifests.datasets({"d": "/local/path"})


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("s3://b/x:relative", "no absolute path"),
        ("s3://b/x:/home/../etc", "must not have . or .. in it"),
        ("s3://b/x:/", "is not of the form /data/digits"),
        ("s3://b/x:/data//d", "is not of the form"),
        ("s3://b/x:/etc", "must not be a directory of the system"),
        ("pvc://c/x:/usr/lib/python3", "must not be a directory of the system"),
        ("s3://b/x:/footplate/code", "or of the platform"),
        ("s3://b/x:/home/footplate", "must not be home itself"),
    ],
)
def test_a_path_at_which_no_data_can_be_is_refused(words: str, says: str) -> None:
    with pytest.raises(BadUsage, match=f"Dataset d: .*{re.escape(says)}"):
        manifests.datasets({"d": words})


def test_two_datasets_at_one_path_are_refused() -> None:
    with pytest.raises(BadUsage, match="Datasets a and b have one path, /data/a"):
        manifests.datasets({"a": "s3://b/x", "b": "s3://b/y:/data/a"})


def test_pairs() -> None:
    assert manifests.pairs(["A=1", "B=x=y", "C="], "--env") == {"A": "1", "B": "x=y", "C": ""}
    with pytest.raises(BadUsage, match="--env 'A' is not of the form"):
        manifests.pairs(["A"], "--env")


def test_a_request_says_only_what_was_said() -> None:
    assert JobRequest(command=("true",)).spec(None) == {"command": ["true"]}


@pytest.mark.parametrize("owner", ["", " ", "ada\n", "a\x1b[31m"])
def test_an_owner_that_is_no_name_is_refused(owner: str) -> None:
    with pytest.raises(BadUsage, match="is no name"):
        JobRequest(command=("true",), owner=owner).spec(None)


def test_a_request_has_the_names_of_the_api() -> None:
    request = JobRequest(
        command=("python3", "-m", "x"),
        args=("--epochs", "3"),
        environment="pytorch",
        nodes=2,
        processes_per_node=4,
        gpus=4,
        gpu_type="H100",
        cpu="8",
        memory="32Gi",
        launcher="jax",
        env={"A": "1"},
        datasets={"d": "s3://b/d"},
        checkpoints="s3://b/c/",
        deadline="12h",
        ttl="1d",
        retries=2,
        queue="q",
        priority="batch",
        owner="ada",
    )
    fields = {field.encode_name for field in structs.fields(TrainingJobSpec)}
    spec = request.spec(None)
    assert spec.keys() <= fields
    assert spec["resources"] == {"cpu": "8", "memory": "32Gi", "gpu": {"count": 4, "type": "H100"}}
    assert spec["retries"] == {"app": 2}


JOB = "apiVersion: footplate.dev/v1alpha1\nkind: TrainingJob\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("spec:\n  nodes: .inf\n", "job.yaml, line 4: the value of nodes must be a finite number, not .inf"),
        ("spec:\n  nodes: .nan\n", "must be a finite number, not .nan"),
        ("spec:\n  nodes: -1.0e+999\n", "must be a finite number"),
        ("spec:\n  args: [.inf]\n", "job.yaml, line 4: the value must be a finite number"),
        ("spec:\n  nodes: 1\n  nodes: 2\n", "job.yaml, line 5: nodes is there already, on line 4"),
        ("spec: {}\nspec: {}\n", "job.yaml, line 4: spec is there already, on line 3"),
        ("spec: " + "[" * 5000, "nested too deeply"),
        ("metadata: {name: 1}\nspec: {}\n", "metadata.name must be text, not 1"),
        ("metadata: x\nspec: {}\n", "metadata must hold fields, not 'x'"),
    ],
)
def test_what_yaml_lets_pass_is_refused(text: str, says: str) -> None:
    with pytest.raises(BadUsage) as refusal:
        manifests.load(JOB + text, "job.yaml")
    assert says in refusal.value.message


def test_a_key_that_overrides_a_merged_one_is_not_there_twice() -> None:
    text = JOB + "metadata: {}\nspec:\n  env: &a {A: '1'}\n  resources:\n    <<: {cpu: '1'}\n    cpu: '2'\n"
    assert manifests.load(text, "job.yaml")["spec"]["resources"] == {"cpu": "2"}
