"""Checkpoints uploaded to a real S3 gateway while writer, agent and gateway are killed."""

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

from footplate import checkpoint
from footplate.agent import prepare, stored
from footplate.agent.store import Missing, Object, Patience, Store
from footplate.agent.stored import Stored
from footplate.api import podreport
from tests.unit.agent.s3_gateway import Gateway


def listing(store: Store) -> dict[int, Stored]:
    def read(item: Object) -> bytes | None:
        try:
            return store.read(item.path)
        except Missing:  # deleted meanwhile
            return None

    return stored.from_listing(store.list(), read)


def complete(store: Store) -> list[int]:
    return stored.complete_steps(listing(store))


def until(condition: Callable[[], bool], seconds: float = 40.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not within its bound"
        time.sleep(0.05)


def catches_sigterm(process: subprocess.Popen[str]) -> bool:
    """Before that, SIGTERM ends it."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return bool(int(status.split("SigCgt:")[1].split()[0], 16) & 1 << (signal.SIGTERM - 1))


@contextmanager
def agent(root: Path, uri: str) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "FOOTPLATE_CHECKPOINT_DIR": str(root), "FOOTPLATE_CHECKPOINT_URI": uri}
    process = subprocess.Popen(
        [sys.executable, "-m", "footplate.agent.sync"], env=environment, stderr=subprocess.PIPE, text=True
    )
    try:
        until(lambda: catches_sigterm(process))
        yield process
    finally:
        process.kill()
        process.wait()


def stop(process: subprocess.Popen[str]) -> int:
    process.send_signal(signal.SIGTERM)
    return process.wait(40)


def write(root: Path, step: int, content: bytes = b"weights", *, keep: int = 3, part: int = 0, parts: int = 1) -> None:
    with checkpoint.saving(step, where=root, keep=keep, part=part, parts=parts) as directory:
        (directory / f"state-{part}.pt").write_bytes(content)


def restored(store: Store, directory: Path) -> checkpoint.Checkpoint | None:
    prepare.restore_checkpoint(store.uri, directory, Patience(10), os.environ)
    return checkpoint.latest(directory)


def test_committed_checkpoints_are_uploaded_and_retention_holds_in_the_store(store: Store, tmp_path: Path) -> None:
    root = tmp_path / "checkpoints"
    with agent(root, store.uri) as process:
        for step in (10, 20, 30, 40):
            write(root, step, b"%d" % step, keep=2)
            until(lambda step=step: step in complete(store))
        until(lambda: list(listing(store)) == [30, 40])
        assert stop(process) == 0
    found = restored(store, tmp_path / "next attempt")
    assert found is not None
    assert (found.step, (found.path / "state-0.pt").read_bytes()) == (40, b"40")


def test_what_was_restored_stays_in_the_store_and_is_not_sent_again(store: Store, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    with agent(first, store.uri) as process:
        write(first, 10)
        assert stop(process) == 0
    before = {item.path: item.version for item in store.list()}
    assert restored(store, second) is not None
    with agent(second, store.uri) as process:
        until(lambda: "step-000000000010/.commit-0-of-1" in state(second).get("settled", {}))
        assert stop(process) == 0
    assert {item.path: item.version for item in store.list()} == before


def state(root: Path) -> dict[str, dict[str, int]]:
    try:
        return json.loads((root / checkpoint.SYNC_STATE).read_bytes())
    except FileNotFoundError:
        return {}


def test_sigterm_flushes_what_is_committed(store: Store, tmp_path: Path, termination_log: Path) -> None:
    root = tmp_path / "checkpoints"
    with agent(root, store.uri) as process:
        until(lambda: state(root) != {})
        write(root, 5, os.urandom(20 << 20))
        assert stop(process) == 0
    assert complete(store) == [5]
    said = podreport.parse(termination_log.read_text())
    assert said.checkpoint_step == 5
    assert said.checkpoint_at


def test_an_uncommitted_checkpoint_is_not_uploaded(store: Store, tmp_path: Path) -> None:
    root = tmp_path / "checkpoints"
    with agent(root, store.uri) as process:
        write(root, 10)
        (root / checkpoint.step_name(20)).mkdir()
        (root / checkpoint.step_name(20) / "state.pt").write_text("half")
        assert stop(process) == 0
    assert list(listing(store)) == [10]


def test_a_store_that_is_away_is_waited_for(gateway: Gateway, store: Store, tmp_path: Path) -> None:
    root = tmp_path / "checkpoints"
    gateway.kill()
    with agent(root, store.uri) as process:
        write(root, 10)
        until(lambda: "does not answer" in str(state(root).get("error")))
        write(root, 20)
        gateway.start()
        until(lambda: complete(store) == [10, 20])
        until(lambda: state(root).get("error") is None)
        assert stop(process) == 0


def test_a_missing_bucket_is_reported_and_does_not_end_the_agent(gateway: Gateway, tmp_path: Path) -> None:
    root = tmp_path / "checkpoints"
    with agent(root, "s3://no-such-bucket/c") as process:
        write(root, 10)
        until(lambda: "The bucket s3://no-such-bucket does not exist" in str(state(root).get("error")))
        assert process.poll() is None


def test_without_a_uri_it_waits_for_its_end(tmp_path: Path) -> None:
    with agent(tmp_path, "") as process:
        until(lambda: state(tmp_path).get("enabled") is False)
        assert stop(process) == 0


def test_a_file_that_changed_after_its_commit_is_left_out(store: Store, tmp_path: Path) -> None:
    root = tmp_path / "checkpoints"
    write(root, 10)
    write(root, 20)
    (root / checkpoint.step_name(20) / "state-0.pt").write_bytes(b"changed later")
    with agent(root, store.uri) as process:
        until(lambda: complete(store) == [10])
        assert stop(process) == 0
        assert process.stderr is not None
        assert "step-000000000020 is left out" in process.stderr.read()


def test_parts_of_two_nodes_meet_in_the_store(store: Store, tmp_path: Path) -> None:
    roots = [tmp_path / "node-0", tmp_path / "node-1"]
    with agent(roots[0], store.uri) as first, agent(roots[1], store.uri) as second:
        for step in (10, 20):
            for number in (1, 0):
                write(roots[number], step, b"%d" % number, part=number, parts=2)
        until(lambda: 20 in complete(store))
        assert (stop(first), stop(second)) == (0, 0)
    assert not [item.path for item in store.list() if ".uploading" in item.path]
    found = restored(store, tmp_path / "next")
    assert found is not None
    assert sorted(path.name for path in found.path.glob("state-*")) == ["state-0.pt", "state-1.pt"]


WRITER = """
import sys, time
from footplate import checkpoint
found = checkpoint.latest(sys.argv[1])
for step in range(found.step + 1 if found else 1, 10**6):
    with checkpoint.saving(step, where=sys.argv[1], keep=2) as directory:
        for name in "abc":
            (directory / name).write_bytes(bytes([step % 251]) * (step * 99_991 % 900_000 + 1))
    time.sleep(0.02)
"""


def test_whatever_is_killed_the_store_holds_a_whole_checkpoint(gateway: Gateway, store: Store, tmp_path: Path) -> None:
    """Writer, agent and gateway are killed in turn, at odd moments; after each the newest in the store is whole."""
    root = tmp_path / "checkpoints"
    newest = 0
    for round_, victim in enumerate(["agent", "gateway", "writer", "agent", "writer", "gateway", "agent"]):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(root)])
        try:
            with agent(root, store.uri) as process:
                until(lambda newest=newest: max(complete(store), default=0) > newest)
                time.sleep(0.07 * round_)
                if victim == "agent":
                    process.kill()
                elif victim == "gateway":
                    gateway.kill()
                else:
                    writer.kill()
                time.sleep(0.2)
                if victim == "gateway":
                    gateway.start()
        finally:
            writer.kill()
            writer.wait()
        target = tmp_path / f"restored-{round_}"
        found = restored(store, target)
        assert found is not None
        assert found.step >= newest
        for name in "abc":
            expected = bytes([found.step % 251]) * (found.step * 99_991 % 900_000 + 1)
            assert (found.path / name).read_bytes() == expected
        newest = found.step
    with agent(root, store.uri) as process:
        assert stop(process) == 0
    last = checkpoint.latest(root)
    assert last is not None
    assert complete(store)[-1] == last.step


@pytest.mark.parametrize("again", [b"other weights", b"longer than before"])
def test_a_step_saved_again_is_uploaded_again(store: Store, tmp_path: Path, again: bytes) -> None:
    root = tmp_path / "checkpoints"
    with agent(root, store.uri) as process:
        write(root, 10)
        until(lambda: complete(store) == [10])
        write(root, 10, again)
        until(lambda: store.read("step-000000000010/state-0.pt") == again)
        assert stop(process) == 0
    assert complete(store) == [10]


def test_asked_to_end_before_it_is_loaded_it_ends_at_once_where_nothing_is_to_be_uploaded(tmp_path: Path) -> None:
    slow = tmp_path / "slow" / "obstore" / "__init__.py"
    slow.parent.mkdir(parents=True)
    slow.write_text("import pathlib, time\npathlib.Path(__file__).with_name('loading').touch()\ntime.sleep(600)\n")
    root = tmp_path / "checkpoints"
    path = os.pathsep.join([str(tmp_path / "slow"), str(Path(__file__).parents[3])])
    environment = {**os.environ, "PYTHONPATH": path, "FOOTPLATE_CHECKPOINT_DIR": str(root)}
    process = subprocess.Popen([sys.executable, "-m", "footplate.agent.sync"], env=environment)
    try:
        until(slow.with_name("loading").exists)
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
