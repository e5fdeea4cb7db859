from __future__ import annotations

import hashlib
import json
import os
import secrets
import tarfile
from pathlib import Path

import pytest

from footplate.client.kinds import TRAINING_JOB
from tests.integration.cli.conftest import Footplate
from tests.integration.cli.platform import Platform


@pytest.fixture
def name() -> str:
    return f"j{secrets.token_hex(3)}"


@pytest.fixture
def code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with a script, as the current one; its content is no other test's."""
    folder = tmp_path / "digits"
    (folder / ".venv").mkdir(parents=True)
    (folder / ".venv" / "big").write_text("x")
    (folder / "train.py").write_text(f"print('hello')  # {secrets.token_hex(8)}\n")
    (folder / ".gitignore").write_text("*.ckpt\n")
    (folder / "last.ckpt").write_text("x")
    monkeypatch.chdir(folder)
    return folder


def archives(platform: Platform) -> set[str]:
    folder = platform.bucket / "teams" / platform.team / "code"
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def jobs(platform: Platform) -> set[str]:
    listing = platform.kube(lambda client: client.list(TRAINING_JOB, platform.namespace))
    return {item["metadata"]["name"] for item in listing.items}


def test_a_script_becomes_a_job_without_yaml(footplate: Footplate, platform: Platform, code: Path) -> None:
    before = archives(platform)
    submitted = footplate(
        *("job", "submit", "train.py", "--nodes", "2", "--environment", "pytorch", "-o", "json", "--", "--epochs", "3")
    )
    assert submitted.code == 0, submitted.err
    job = json.loads(submitted.out)
    assert job["metadata"]["name"].startswith("digits-")
    spec = job["spec"]
    assert spec["command"] == ["python3", "train.py"]
    assert spec["args"] == ["--epochs", "3"]
    assert (spec["nodes"], spec["environment"], spec["owner"]) == (2, "pytorch", "ada")

    (archive,) = archives(platform) - before
    assert spec["code"]["uri"] == f"s3://footplate/teams/{platform.team}/code/{archive}"
    stored = platform.bucket / "teams" / platform.team / "code" / archive
    assert archive == f"{hashlib.sha256(stored.read_bytes()).hexdigest()}.tar.gz"
    with tarfile.open(stored) as tar:
        assert tar.getnames() == [".gitignore", "train.py"]


def test_code_that_the_store_has_is_not_sent_again(footplate: Footplate, platform: Platform, code: Path) -> None:
    first = footplate("job", "submit", "train.py", "-e", "pytorch")
    after = archives(platform)
    stored = [platform.bucket / "teams" / platform.team / "code" / archive for archive in after]
    times = {path: path.stat().st_mtime_ns for path in stored}
    second = footplate("job", "submit", "train.py", "-e", "pytorch", "--nodes", "3")
    assert "already in the store" not in first.out
    assert "already in the store" in second.out
    assert "(3 nodes × 1, pytorch)" in second.out
    assert archives(platform) == after
    assert {path: path.stat().st_mtime_ns for path in stored} == times


def test_a_job_to_its_cancellation_and_deletion(footplate: Footplate, code: Path, name: str) -> None:
    assert footplate("job", "submit", "train.py", "-e", "pytorch", "--name", name).code == 0
    assert name in footplate("job", "list").out
    shown = footplate("job", "show", name).out
    assert "python3 train.py" in shown
    assert f"footplate job cancel {name}" in shown
    refused = footplate("job", "delete", name)
    assert refused.code == 2
    assert "has not ended" in refused.err
    cancelled = footplate("job", "cancel", name)
    assert (cancelled.code, cancelled.err) == (0, f"Job {name} is cancelled.\n")
    assert footplate("job", "cancel", name).code == 0
    waited = footplate("job", "wait", name)
    assert waited.code == 8
    assert name in waited.out
    assert "Cancelled" in footplate("job", "list").out
    assert footplate("job", "delete", name).code == 0
    assert footplate("job", "show", name).code == 3


def test_a_manifest_and_what_options_change_of_it(
    footplate: Footplate, platform: Platform, code: Path, name: str
) -> None:
    manifest = (
        f"apiVersion: footplate.dev/v1alpha1\nkind: TrainingJob\nmetadata: {{name: {name}}}\n"
        "spec:\n  environment: pytorch\n  command: [python3, -m, mine]\n  nodes: 2\n  resources: {cpu: 100m}\n"
    )
    (code / "job.yaml").write_text(manifest)
    before = archives(platform)
    job = json.loads(footplate("job", "submit", "-f", "job.yaml", "--memory", "64Mi", "-o", "json", "--", "--x").out)
    assert job["metadata"]["name"] == name
    assert job["spec"]["command"] == ["python3", "-m", "mine"]
    assert job["spec"]["args"] == ["--x"]
    assert job["spec"]["resources"] == {"cpu": "100m", "memory": "64Mi"}
    assert "code" not in job["spec"]
    assert archives(platform) == before
    again = footplate("job", "submit", "-f", "job.yaml")
    assert again.code == 4
    assert f"There is a job {name} in team {platform.team} already" in again.err
    shipped = json.loads(
        footplate("job", "submit", "-f", "job.yaml", "--name", f"{name}b", "--code", ".", "-o", "json").out
    )
    assert shipped["spec"]["code"]["uri"].startswith("s3://")
    assert shipped["spec"]["command"] == ["python3", "-m", "mine"]


def test_a_command_of_ones_own(footplate: Footplate, code: Path) -> None:
    job = json.loads(footplate("job", "submit", "-e", "pytorch", "-o", "json", "--", "nvidia-smi", "-L").out)
    assert job["spec"]["command"] == ["nvidia-smi", "-L"]
    assert "code" not in job["spec"]
    module = footplate("job", "submit", "--code", ".", "-e", "pytorch", "-o", "json", "--", "python3", "-m", "pkg")
    assert json.loads(module.out)["spec"]["command"] == ["python3", "-m", "pkg"]
    assert "code" in json.loads(module.out)["spec"]


def test_a_dry_run_checks_everything_and_leaves_nothing(footplate: Footplate, platform: Platform, code: Path) -> None:
    before = jobs(platform), archives(platform)
    dry = footplate("job", "submit", "train.py", "-e", "pytorch", "--dry-run")
    assert dry.code == 0
    assert "would be submitted" in dry.out
    assert (jobs(platform), archives(platform)) == before


@pytest.mark.parametrize(
    ("arguments", "code_expected", "says"),
    [
        (("train.py", "-e", "pytroch"), 3, "There is no environment pytroch.\nhint: did you mean pytorch?"),
        (("train.py", "--nodes", "-1"), 5, "spec.nodes must be at least 1, not -1"),
        (("train.py", "--nodes", "two"), 2, "--nodes"),
        (("train.py", "--gpus", "100"), 5, "spec.resources.gpu.count must be at most 64, not 100"),
        (("train.py", "--name", "n" * 46), 5, "metadata.name can be at most 45 characters long"),
        (("train.py", "--name", "Digits_1"), 5, "metadata.name must be lower-case letters"),
        (("train.py", "--launcher", "mpi"), 5, "spec.launcher must be one of jax, none, ray, torchrun, not mpi"),
        (("train.py", "--deadline", "soon"), 2, "deadline 'soon' is not a duration"),
        (("train.py", "--deadline", "0s"), 2, "deadline '0s' would end the job as it starts"),
        (("train.py", "--ttl", f"{'9' * 23}h"), 2, "is too long a duration: at most 9999d"),
        (("trian.py",), 2, "There is no script trian.py.\nhint: did you mean train.py?"),
        (("train.py", "--code", "/nowhere"), 2, "is not in the code directory"),
        (("-f", "nowhere.yaml"), 2, "There is no file nowhere.yaml"),
        ((), 2, "What should run?"),
        (("train.py", "--team", "no-such-team"), 3, "There is no team no-such-team"),
        (("train.py", "--dataset", "d=data"), 2, "Dataset d: 'data' is no address"),
    ],
)
def test_bad_requests_are_refused_and_leave_nothing(
    footplate: Footplate, platform: Platform, code: Path, arguments: tuple[str, ...], code_expected: int, says: str
) -> None:
    before = jobs(platform), archives(platform)
    refused = footplate("job", "submit", *(arguments if "-e" in arguments else (*arguments, "-e", "pytorch")))
    assert refused.code == code_expected, refused.err
    assert says in refused.err
    assert "Traceback" not in refused.err
    assert refused.out == ""
    assert (jobs(platform), archives(platform)) == before


def test_code_with_too_many_files_or_a_file_too_large_is_refused_before_it_is_read(
    footplate: Footplate, platform: Platform, code: Path
) -> None:
    before = jobs(platform), archives(platform)
    with (code / "weights.bin").open("wb") as file:
        file.truncate(5 << 30)
    large = footplate("job", "submit", "train.py", "-e", "pytorch")
    assert large.code == 5
    assert "is 5GiB; at most 1GiB can be shipped" in large.err
    assert "weights.bin (5GiB)" in large.err
    (code / "weights.bin").unlink()
    (code / "data").mkdir()
    for number in range(50_001):
        os.close(os.open(code / "data" / str(number), os.O_CREAT))
    many = footplate("job", "submit", "train.py", "-e", "pytorch")
    assert many.code == 5
    assert "has 50,003 files; at most 50,000 can be shipped" in many.err
    assert "data/ (50,001)" in many.err
    assert (jobs(platform), archives(platform)) == before
    (code / ".footplateignore").write_text("data/\n")
    assert footplate("job", "submit", "train.py", "-e", "pytorch", "--dry-run").code == 0


def test_a_store_that_is_away_is_said_so_and_nothing_is_submitted(
    footplate: Footplate, platform: Platform, code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from footplate.api.platform import CONFIG_MAP as NAME
    from footplate.api.platform import from_config_map_data
    from footplate.client.kinds import CONFIG_MAP

    def patch(endpoint: str) -> None:
        found = platform.kube(lambda client: client.get(CONFIG_MAP, NAME, platform.system))
        settings = from_config_map_data(found["data"])
        import msgspec

        store = msgspec.structs.replace(settings.object_store, endpoint=endpoint)
        data = msgspec.structs.replace(settings, object_store=store).to_config_map_data()
        platform.kube(lambda client: client.patch(CONFIG_MAP, NAME, {"data": data}, platform.system))

    before = jobs(platform)
    patch("http://127.0.0.1:9")
    try:
        away = footplate("job", "submit", "train.py", "-e", "pytorch")
    finally:
        patch(platform.store)
    assert away.code == 6
    assert "Cannot upload the code: the object store at http://127.0.0.1:9 does not answer" in away.err
    assert len(away.err.splitlines()) <= 6
    assert jobs(platform) == before


def test_more_gpus_than_any_node_has_end_the_job_with_the_reason(footplate: Footplate, code: Path, name: str) -> None:
    footplate("job", "submit", "train.py", "-e", "pytorch", "--gpus", "60", "--name", name)
    waited = footplate("job", "wait", name, "--timeout", "60s")
    assert waited.code == 1, waited.err
    assert "GPU" in waited.out


def test_waiting_has_an_end(footplate: Footplate, code: Path, name: str) -> None:
    footplate("job", "submit", "train.py", "-e", "pytorch", "--name", name)
    timed_out = footplate("job", "wait", name, "--timeout", "1s")
    assert timed_out.code == 7
    assert f"Job {name} was not done within 1 s" in timed_out.err
