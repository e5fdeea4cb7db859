"""What outlives a pod, on a real S3 gateway: output in segments, artifacts, and what is lost when something dies."""

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from footplate import checkpoint
from footplate.agent import expiry, launch, recording, streams
from footplate.agent.launch import Kept
from footplate.agent.store import Store
from footplate.agent.streams import Rotated, Upload
from footplate.agent.trees import Tree
from footplate.api import records
from footplate.api.records import Segment
from tests.unit.agent.s3_gateway import Gateway


def until(condition: Callable[[], bool], seconds: float = 40.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not within its bound"
        time.sleep(0.05)


def segments(store: Store, path: str) -> list[Segment]:
    found = (records.parse_segment(item.path.rsplit("/", 1)[1]) for item in store.list(path))
    return sorted(segment for segment in found if segment)


def content(store: Store, path: str) -> bytes:
    """As a reader has it; gaps are marked."""
    text, position = b"", 0
    for segment in records.chain(segments(store, path)):
        text += b"<gap>" * (segment.start > position)
        text += store.read(f"{path}/{segment.name}")[max(position - segment.start, 0) :]
        position = segment.end
    return text


def texts(content: bytes) -> list[str]:
    return [line.split(b" ", 1)[1].decode() for line in content.splitlines()]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 12)), max_size=12), st.integers(0, 20))
def test_a_chain_of_segments_goes_on_and_leaves_nothing_out(pairs: list[tuple[int, int]], position: int) -> None:
    there = [Segment(start, start + length) for start, length in pairs]
    found = records.chain(there, position)
    covered = {byte for segment in there for byte in range(segment.start, segment.end) if byte >= position}
    read, at = set[int](), position
    for segment in found:
        assert segment.end > at
        read |= set(range(max(segment.start, at), segment.end))
        at = segment.end
    assert read == covered


def test_segments_and_streams_have_names() -> None:
    assert records.parse_segment(Segment(5, 17).name) == Segment(5, 17)
    assert records.parse_segment("17-5") is None
    assert records.parse_segment(Segment(17, 5).name) is None
    assert records.parse_stream("rank-12") == ("rank", 12)
    assert records.parse_stream("other-1") is None


def test_small_segments_become_large_ones_and_leave_this_disk(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "SEGMENT", 1000)
    monkeypatch.setattr(launch, "LOG_FILE", 500)
    kept = Kept(tmp_path / "rank-0")
    upload = Upload(store, "logs/rank-0", Rotated(tmp_path / "rank-0"), tmp_path / "notes.json")
    now = 0.0
    for number in range(100):
        kept.write([b"line %d" % number])
        now += streams.DELAY / 2
        while upload.round(now, final=False):
            pass
    assert len(list((tmp_path / "rank-0").iterdir())) <= 4
    while upload.round(now, final=True):
        pass
    assert texts(content(store, "logs/rank-0")) == [f"line {number}" for number in range(100)]
    found = segments(store, "logs/rank-0")
    assert len(found) <= 5
    assert all(after.start == before.end for before, after in itertools.pairwise(found))


def test_output_that_trickles_for_long_has_few_segments(store: Store, tmp_path: Path) -> None:
    kept = Kept(tmp_path / "rank-0")
    upload = Upload(store, "logs/rank-0", Rotated(tmp_path / "rank-0"), tmp_path / "notes.json")
    for number in range(300):
        kept.write([b"line %d" % number])
        upload.round(number * 100.0, final=False)
        assert upload.round(number * 100.0 + streams.DELAY, final=False)
    found = segments(store, "logs/rank-0")
    assert len(found) == 1 + 2 + 12, "of 256, of 16, and of 1"
    assert texts(content(store, "logs/rank-0")) == [f"line {number}" for number in range(300)]


def test_an_agent_that_is_started_again_goes_on_where_it_stopped(store: Store, tmp_path: Path) -> None:
    kept = Kept(tmp_path / "rank-0")
    for number in range(3):
        kept.write([b"line %d" % number])
        upload = Upload(store, "logs/rank-0", Rotated(tmp_path / "rank-0"), tmp_path / "notes.json")
        assert upload.round(0.0, final=True)
    assert texts(content(store, "logs/rank-0")) == ["line 0", "line 1", "line 2"]


def test_a_pod_that_takes_the_place_of_another_goes_on_after_what_that_left(store: Store, tmp_path: Path) -> None:
    for pod in ("first", "second"):
        Kept(tmp_path / pod).write([f"of the {pod}".encode()])
        Upload(store, "logs/rank-0", Rotated(tmp_path / pod), tmp_path / f"{pod}.json").round(0.0, final=True)
    assert texts(content(store, "logs/rank-0")) == ["of the first", "of the second"]


def test_output_that_cannot_be_uploaded_has_a_bound_on_the_disk_and_a_gap_in_the_store(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "LOG_FILE", 100)
    monkeypatch.setattr(launch, "LOG_FILES", 3)
    kept = Kept(tmp_path / "rank-0")
    for number in range(50):
        kept.write([b"line %d" % number])
    assert len(list((tmp_path / "rank-0").iterdir())) == 3
    upload = Upload(store, "logs/rank-0", Rotated(tmp_path / "rank-0"), tmp_path / "notes.json")
    while upload.round(0.0, final=True):
        pass
    text = content(store, "logs/rank-0")
    assert text.startswith(b"<gap>")
    assert text.endswith(b"line 49\n")


@contextmanager
def agent(root: Path, uri: str, **more: str) -> Iterator[subprocess.Popen[str]]:
    environment = {
        **os.environ,
        "FOOTPLATE_RUN_DIR": str(root / "run"),
        "FOOTPLATE_CHECKPOINT_DIR": str(root / "checkpoints"),
        "FOOTPLATE_RECORDS_URI": uri,
        **more,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "footplate.agent.sync"], env=environment, stderr=subprocess.PIPE, text=True
    )
    try:
        until((root / "run" / recording.RECORDING).exists)
        yield process
    finally:
        process.kill()
        process.wait()


def launched(root: Path, script: str, **more: str) -> subprocess.Popen[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONUNBUFFERED": "1",
        "FOOTPLATE_RUN_DIR": str(root / "run"),
        "FOOTPLATE_CHECKPOINT_DIR": str(root / "checkpoints"),
        "FOOTPLATE_TERMINATION_LOG": str(root / "message"),
        **more,
    }
    command = [sys.executable, launch.__file__, "--launcher", "torchrun", "--", sys.executable, "-c", script]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_nothing_is_lost_when_a_rank_is_killed(store: Store, tmp_path: Path) -> None:
    script = "import os, signal; [print('line', n) for n in range(2000)]; os.kill(os.getpid(), signal.SIGKILL)"
    with agent(tmp_path, store.uri) as process:
        launcher = launched(tmp_path, script)
        launcher.communicate(timeout=30)
        assert launcher.returncode == 137
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert texts(content(store, "logs/rank-0")) == [f"line {n}" for n in range(2000)]
    assert "was killed by SIGKILL" in texts(content(store, "logs/node-0"))[0]


def test_lines_and_metrics_are_in_the_store_while_the_job_runs(store: Store, tmp_path: Path) -> None:
    script = (
        "import time; from footplate import training\nprint('hello'); training.report(1, loss=0.5)\ntime.sleep(120)"
    )
    with agent(tmp_path, store.uri):
        launcher = launched(tmp_path, script, PYTHONPATH=str(Path.cwd()))
        until(lambda: texts(content(store, "logs/rank-0")) == ["hello"])
        until(lambda: content(store, "metrics") != b"")
        launcher.terminate()
        launcher.communicate(timeout=30)
    assert json.loads(content(store, "metrics"))["loss"] == 0.5


def test_a_store_that_was_away_gets_all_of_it_in_the_end(store: Store, gateway: Gateway, tmp_path: Path) -> None:
    with agent(tmp_path, store.uri) as process:
        gateway.kill()
        launcher = launched(tmp_path, "print('while it was away')")
        launcher.communicate(timeout=30)
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        gateway.start()
        assert process.wait(30) == 0
    assert texts(content(store, "logs/rank-0")) == ["while it was away"]


def test_a_store_that_stays_away_does_not_hold_the_end_of_the_pod_up(
    store: Store, gateway: Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(recording, "LAST", 0.0)
    Kept(tmp_path / "run" / "logs" / "rank-0").write([b"never seen"])
    gateway.kill()
    environment = {**os.environ, "FOOTPLATE_RECORDS_URI": store.uri, "FOOTPLATE_RUN_DIR": str(tmp_path / "run")}
    recording.Recording(environment).finish()
    assert "some of the last output is not in the object store" in capsys.readouterr().err


def test_checkpoints_are_uploaded_where_logs_cannot_be_kept(store: Store, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("in the way")
    with checkpoint.saving(5, where=tmp_path / "checkpoints") as directory:
        (directory / "state").write_bytes(b"x")
    environment = {
        **os.environ,
        "FOOTPLATE_RUN_DIR": str(tmp_path / "run"),
        "FOOTPLATE_RECORDS_URI": f"{store.uri}/records",
        "FOOTPLATE_CHECKPOINT_DIR": str(tmp_path / "checkpoints"),
        "FOOTPLATE_CHECKPOINT_URI": f"{store.uri}/checkpoints",
    }
    command = [sys.executable, "-m", "footplate.agent.sync"]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        until(lambda: any(item.path.endswith(".commit-0-of-1") for item in store.list("checkpoints")))
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 0
    assert "Logs and artifacts are not kept" in said


def test_artifacts_outlive_the_pod_and_the_launcher_waits_for_them(store: Store, tmp_path: Path) -> None:
    script = (
        "import os; from pathlib import Path\n"
        "path = Path(os.environ['FOOTPLATE_RUN_DIR'], 'artifacts', 'deep', 'model.bin')\n"
        "path.parent.mkdir(parents=True); path.write_bytes(b'x' * 100000)"
    )
    with agent(tmp_path, store.uri, NODE_RANK="1"):
        launcher = launched(tmp_path, script, NODE_RANK="1", NNODES="2", MASTER_ADDR="localhost")
        assert launcher.wait(60) == 0
        assert len(store.read("artifacts/node-1/deep/model.bin")) == 100000


def test_what_is_over_the_limit_is_left_out_and_said(store: Store, tmp_path: Path) -> None:
    said: list[str] = []
    for name, size in (("small", 10), ("large", 500), (".hidden", 1)):
        (tmp_path / name).write_bytes(b"x" * size)
        os.utime(tmp_path / name, (size, size))
    tree = Tree(store, tmp_path, "artifacts/node-0", 100, said.append)
    assert tree.round(1000.0, final=False)
    assert not tree.round(1001.0, final=True)
    assert [item.path for item in store.list()] == ["artifacts/node-0/small"]
    assert tree.left_out == {"large": 500}
    assert len(said) == 1
    assert "large (500 B) is not kept" in said[0]


def test_a_file_that_grows_is_not_uploaded_at_every_look(store: Store, tmp_path: Path) -> None:
    path, now, sent = tmp_path / "events", 10_000.0, 0
    tree = Tree(store, tmp_path, "tensorboard/node-0", 1 << 30, print)
    for _ in range(100):
        with path.open("ab") as file:
            file.write(b"x" * 100)
        os.utime(path, (now, now))
        now += 5.0
        sent += tree.round(now, final=False)
    assert 1 <= sent < 25
    tree.round(now, final=True)
    assert store.head("tensorboard/node-0/events").size == 10_000


def test_old_records_go_where_the_store_does_not_remove_them(store: Store) -> None:
    for job in ("old", "own"):
        store.write(f"jobs/vision/{job}/attempt-1/logs/rank-0/{Segment(0, 1).name}", b"x")
    uri = f"{store.uri}/jobs/vision/own/attempt-1"
    expiry.expire(uri, os.environ, 3600.0)
    assert len(store.list()) == 2
    time.sleep(1.1)
    expiry.expire(uri, os.environ, 0.5)
    assert [item.path.split("/")[2] for item in store.list()] == ["own"]
