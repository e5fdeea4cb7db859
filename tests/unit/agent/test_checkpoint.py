"""The contract: what is committed is whole, what is not whole does not count, whatever is killed when."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from footplate import checkpoint
from footplate.checkpoint import Marker, Part


def write(root: Path, step: int, content: str = "weights", **options: int) -> None:
    with checkpoint.saving(step, where=root, **options) as directory:
        (directory / "state.pt").write_text(content)


def test_a_saved_checkpoint_is_the_latest_one(tmp_path: Path) -> None:
    write(tmp_path, 10, "ten")
    write(tmp_path, 20, "twenty")
    found = checkpoint.latest(tmp_path)
    assert found is not None
    assert (found.step, (found.path / "state.pt").read_text()) == (20, "twenty")


def test_there_is_none_at_first(tmp_path: Path) -> None:
    assert checkpoint.latest(tmp_path / "not there") is None


def test_the_directory_comes_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTPLATE_CHECKPOINT_DIR", str(tmp_path))
    with checkpoint.saving(3) as directory:
        (directory / "state.pt").write_text("x")
    assert [found.step for found in checkpoint.committed()] == [3]


def test_an_exception_while_writing_commits_nothing(tmp_path: Path) -> None:
    write(tmp_path, 1)
    with pytest.raises(RuntimeError, match="out of memory"), checkpoint.saving(2, where=tmp_path) as directory:
        (directory / "state.pt").write_text("half")
        raise RuntimeError("out of memory")
    found = checkpoint.latest(tmp_path)
    assert found is not None
    assert found.step == 1


def test_an_empty_checkpoint_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nothing was written"), checkpoint.saving(2, where=tmp_path):
        pass
    assert checkpoint.committed(tmp_path) == []


def test_parts_count_only_together(tmp_path: Path) -> None:
    for part in (2, 0):
        with checkpoint.saving(5, part=part, parts=3, where=tmp_path) as directory:
            (directory / f"shard-{part}.pt").write_text("x")
        assert checkpoint.latest(tmp_path) is None
    with checkpoint.saving(5, part=1, parts=3, where=tmp_path) as directory:
        (directory / "deep").mkdir()
        (directory / "deep" / "shard-1.pt").write_text("x")
    found = checkpoint.latest(tmp_path)
    assert found is not None
    assert (found.path / "deep" / "shard-1.pt").exists()


def test_parts_of_different_attempts_do_not_mix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for part, attempt in ((0, "1"), (1, "2")):
        monkeypatch.setenv("FOOTPLATE_ATTEMPT", attempt)
        with checkpoint.saving(5, part=part, parts=2, where=tmp_path) as directory:
            (directory / f"shard-{part}.pt").write_text("x")
    assert checkpoint.latest(tmp_path) is None


def test_a_file_of_another_size_than_committed_does_not_count(tmp_path: Path) -> None:
    write(tmp_path, 1)
    write(tmp_path, 2)
    (tmp_path / checkpoint.step_name(2) / "state.pt").write_text("torn")
    found = checkpoint.latest(tmp_path)
    assert found is not None
    assert found.step == 1


def test_a_step_can_be_saved_again(tmp_path: Path) -> None:
    write(tmp_path, 7, "first")
    write(tmp_path, 7, "second time")
    found = checkpoint.latest(tmp_path)
    assert found is not None
    assert (found.path / "state.pt").read_text() == "second time"


def test_the_newest_are_kept(tmp_path: Path) -> None:
    for step in range(6):
        write(tmp_path, step, keep=2)
    assert checkpoint.steps_in(tmp_path) == [4, 5]


def test_all_are_kept_on_request(tmp_path: Path) -> None:
    for step in range(6):
        write(tmp_path, step, keep=0)
    assert checkpoint.steps_in(tmp_path) == [0, 1, 2, 3, 4, 5]


def test_what_is_being_uploaded_is_kept(tmp_path: Path) -> None:
    write(tmp_path, 1, keep=1)
    (tmp_path / checkpoint.SYNC_STATE).write_text(json.dumps({"uploading": 1}))
    write(tmp_path, 2, keep=1)
    write(tmp_path, 3, keep=1)
    assert checkpoint.steps_in(tmp_path) == [1, 3]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.symlink_to("/etc/passwd"), "files and directories only"),
        (lambda path: path.with_name(".hidden").touch(), "begin with a dot"),
    ],
)
def test_what_cannot_be_uploaded_is_not_committed(tmp_path: Path, make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match=message), checkpoint.saving(1, where=tmp_path) as directory:
        make(directory / "link")
    assert checkpoint.committed(tmp_path) == []


@pytest.mark.parametrize("options", [{"part": 2, "parts": 2}, {"part": -1}, {"keep": -1}])
def test_nonsense_is_refused(tmp_path: Path, options: dict[str, int]) -> None:
    with pytest.raises(ValueError), checkpoint.saving(1, where=tmp_path, **options):
        pass
    assert checkpoint.steps_in(tmp_path) == []


WRITER = """
import sys
from pathlib import Path
from footplate import checkpoint
found = checkpoint.latest(sys.argv[1])
for step in range(found.step + 1 if found else 1, 10**6):
    with checkpoint.saving(step, where=sys.argv[1], keep=2) as directory:
        for name in "abc":
            (directory / name).write_bytes(bytes([step % 251]) * (step * 997 % 50_000 + 1))
"""


def test_a_killed_writer_leaves_a_whole_checkpoint(tmp_path: Path) -> None:
    """At whatever moment it is killed; the next writer goes on in the same directory."""
    newest = 0
    for pause in (0.0, 0.013, 0.029, 0.041, 0.057, 0.083):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)])
        before = {found.step for found in checkpoint.committed(tmp_path)}
        deadline = time.monotonic() + 30
        while {found.step for found in checkpoint.committed(tmp_path)} == before:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        time.sleep(pause)
        process.send_signal(signal.SIGKILL)
        process.wait()
        found = checkpoint.latest(tmp_path)
        assert found is not None
        for name in "abc":
            content = (found.path / name).read_bytes()
            assert content == bytes([found.step % 251]) * (found.step * 997 % 50_000 + 1)
        assert found.step > newest
        newest = found.step


def find_python(version: str) -> str | None:
    candidates = [
        shutil.which(f"python{version}"),
        *map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/python")),
    ]
    for candidate in candidates:
        if candidate and not subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode:
            return candidate
    return None


@pytest.mark.parametrize("version", ["3.8", "3.9", "3.13"])
def test_it_runs_with_the_python_of_old_and_new_images(version: str, tmp_path: Path) -> None:
    python = find_python(version)
    if python is None:
        pytest.skip(f"no Python {version} on this machine")
    shutil.copy(checkpoint.__file__, tmp_path / "checkpoint.py")
    script = "import checkpoint\nwith checkpoint.saving(4) as d: (d / 'x').write_text('x')\nprint(checkpoint.latest())"
    environment = {"PYTHONPATH": str(tmp_path), "PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    done = subprocess.run(
        [python, "-c", script], check=False, cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert "step=4" in done.stdout, done.stderr


parts = st.integers(1, 4).flatmap(lambda of: st.tuples(st.integers(0, of - 1), st.just(of))).map(lambda p: Part(*p))


@given(parts)
def test_marker_names_round_trip(part: Part) -> None:
    assert checkpoint.parse_marker_name(checkpoint.marker_name(part)) == part


@given(st.text(max_size=40))
def test_no_other_name_is_a_marker(name: str) -> None:
    part = checkpoint.parse_marker_name(name)
    assert part is None or checkpoint.marker_name(part) == name


@given(st.integers(0, 10**12 - 1), st.dictionaries(st.text(), st.integers(0)), st.integers(0), st.text())
def test_markers_round_trip(step: int, files: dict[str, int], keep: int, attempt: str) -> None:
    marker = Marker(step, files, keep, attempt)
    assert checkpoint.parse_marker(marker.encode()) == marker


@given(st.binary(max_size=60))
def test_torn_markers_are_none(content: bytes) -> None:
    whole = Marker(5, {"state.pt": 100}, 3, "1").encode()
    for end in range(len(whole)):
        assert checkpoint.parse_marker(whole[:end]) is None
    parsed = checkpoint.parse_marker(content)
    assert parsed is None or parsed.encode()


@settings(max_examples=300)
@given(
    st.dictionaries(parts, st.tuples(st.sampled_from(["1", "2"]), st.booleans()), max_size=8),
)
def test_complete_means_every_part_of_one_attempt_with_all_its_files(found: dict[Part, tuple[str, bool]]) -> None:
    """Against a plain statement of the rule; the second of each value says whether the part's file is whole."""
    markers = {
        part: Marker(9, {f"{part.number}-{part.of}": 10}, attempt=attempt) for part, (attempt, _) in found.items()
    }
    sizes = {f"{part.number}-{part.of}": 10 if whole else 9 for part, (_, whole) in found.items()}
    expected = any(
        all(found.get(Part(number, of), ("", False)) == (attempt, True) for number in range(of))
        for of in range(1, 5)
        for attempt in ("1", "2")
    )
    chosen = checkpoint.complete_parts(9, markers, sizes)
    assert (chosen is not None) == expected
    assert checkpoint.complete_parts(8, markers, sizes) is None


@given(
    st.dictionaries(st.integers(0, 30), st.sampled_from(["unmarked", "marked", "complete"]), max_size=12),
    st.integers(1, 4),
)
def test_retention_keeps_what_is_needed(steps: dict[int, str], keep: int) -> None:
    marked = {step for step, kind in steps.items() if kind != "unmarked"}
    complete = {step for step, kind in steps.items() if kind == "complete"}
    deleted = set(checkpoint.superseded(steps, marked, complete, keep))
    assert not deleted & set(sorted(marked)[-keep:])
    assert not complete or max(complete) not in deleted
    assert len(marked - deleted) <= keep + 1
    assert all(step < max(marked) for step in deleted)
