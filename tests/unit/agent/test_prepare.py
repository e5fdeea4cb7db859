"""Code, data sets and checkpoints brought into a pod from a real S3 gateway, which is sometimes away."""

import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path

import pytest

from footplate import checkpoint
from footplate.agent import prepare
from footplate.agent.ending import AT_FAULT, TEMPORARY, AgentError, StoreAway
from footplate.agent.store import CHUNK, Patience, Store
from footplate.api import podreport
from footplate.checkpoint import Marker, Part
from tests.unit.agent.s3_gateway import Gateway


def packed(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def submit(store: Store, files: dict[str, bytes]) -> str:
    content = packed(files)
    name = f"code/{hashlib.sha256(content).hexdigest()}.tar.gz"
    store.write(name, content)
    return f"{store.uri}/{name}"


def store_checkpoint(store: Store, step: int, content: bytes, *, marker: bool = True) -> None:
    name = checkpoint.step_name(step)
    store.write(f"{name}/model/state.pt", content)
    if marker:
        commit = Marker(step, {"model/state.pt": len(content)}, attempt="1").encode()
        store.write(f"{name}/{checkpoint.marker_name(Part(0, 1))}", commit)


def start(root: Path, termination_log: Path, **environment: str) -> subprocess.Popen[str]:
    settings = {"FOOTPLATE_ROOT": str(root), "FOOTPLATE_TERMINATION_LOG": str(termination_log), **environment}
    return subprocess.Popen(
        [sys.executable, "-m", "footplate.agent.prepare"],
        env={**os.environ, **settings},
        stderr=subprocess.PIPE,
        text=True,
    )


def test_all_of_it(store: Store, tmp_path: Path, termination_log: Path) -> None:
    uri = submit(store, {"train.py": b"print(1)", "lib/model.py": b"x = 1"})
    store.write("digits/train/a.csv", b"1,2")
    store.write("digits/empty.txt", b"")
    store.write("labels.csv", b"7")
    store_checkpoint(store, 10, b"ten")
    store_checkpoint(store, 20, b"twenty")
    store_checkpoint(store, 30, b"torn", marker=False)
    root = tmp_path / "footplate"
    datasets = [
        {"name": "digits", "uri": f"{store.uri}/digits", "path": str(tmp_path / "digits")},
        {"name": "labels", "uri": f"{store.uri}/labels.csv", "path": str(tmp_path / "labels")},
    ]
    environment = {
        **os.environ,
        "FOOTPLATE_CODE_URI": uri,
        "FOOTPLATE_DATASETS": json.dumps(datasets),
        "FOOTPLATE_CHECKPOINT_URI": store.uri,
    }
    for _ in range(2):  # Repeated, it changes nothing.
        prepare.run(environment, root)
        assert (root / "code" / "lib" / "model.py").read_bytes() == b"x = 1"
        assert (tmp_path / "digits" / "train" / "a.csv").read_bytes() == b"1,2"
        assert (tmp_path / "digits" / "empty.txt").read_bytes() == b""
        assert (tmp_path / "labels" / "labels.csv").read_bytes() == b"7"
        found = checkpoint.committed(root / "checkpoints")
        assert [one.step for one in found] == [20]
        assert (found[0].path / "model" / "state.pt").read_bytes() == b"twenty"
    assert sorted(path.name for path in root.iterdir()) == [".code.uri", "bin", "checkpoints", "code", "lib"]
    assert podreport.parse(termination_log.read_text()).restored_step == 20, "the controllers learn of it"


def test_the_launcher_and_the_sdk_work_with_another_python_than_ours(tmp_path: Path) -> None:
    """Nothing of site-packages (-S -I): only what was put into the pod."""
    prepare.run({}, tmp_path)
    script = f"import sys; sys.path.insert(0, {str(tmp_path / 'lib')!r}); from footplate import checkpoint; print(checkpoint.KEEP)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout == "3\n", done.stderr
    launch = [sys.executable, "-I", "-S", str(tmp_path / "bin" / "launch.py"), "--launcher", "torchrun", "--", "true"]
    done = subprocess.run(launch, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_files_put_into_the_gateways_directory_by_hand_are_found(gateway: Gateway, bucket: str, tmp_path: Path) -> None:
    """They have no ETag."""
    folder = gateway.root / "buckets" / bucket.removeprefix("s3://") / "set"
    folder.mkdir()
    (folder / "a.csv").write_text("1,2")
    prepare.copy_dataset("set", f"{bucket}/set", tmp_path / "set", Patience(5), os.environ)
    assert (tmp_path / "set" / "a.csv").read_text() == "1,2"


def test_a_large_object_comes_in_chunks_and_whole(store: Store, tmp_path: Path) -> None:
    content = os.urandom(2 * CHUNK + 12345)
    (tmp_path / "source").write_bytes(content)
    store.upload("big/file", tmp_path / "source", len(content))
    prepare.copy_dataset("big", f"{store.uri}/big", tmp_path / "big", Patience(), os.environ)
    assert (tmp_path / "big" / "file").read_bytes() == content
    assert [path.name for path in (tmp_path / "big").iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"FOOTPLATE_CODE_URI": "{store}/code/none.tar.gz"}, "does not exist in the object store"),
        ({"FOOTPLATE_CODE_URI": "s3://no-such-bucket/code/none.tar.gz"}, "does not exist"),
        ({"FOOTPLATE_CODE_URI": "ftp://host/code.tar.gz"}, "is not the URI of an object store"),
        ({"FOOTPLATE_CODE_URI": "{store}/code/" + "0" * 64 + ".tar.gz"}, "not what was submitted"),
        ({"FOOTPLATE_CODE_URI": "{store}/code/evil.tar.gz"}, "leads out of the code directory"),
        (
            {"FOOTPLATE_DATASETS": '[{{"name": "d", "uri": "{store}/nothing", "path": "/x"}}]'},
            "The data set d was not found",
        ),
        ({"FOOTPLATE_DATASETS": '[{{"name": "d", "uri": "s3://no-such-bucket/d", "path": "/x"}}]'}, "does not exist"),
        ({"FOOTPLATE_DATASETS": '[{{"name": "d"}}]'}, "FOOTPLATE_DATASETS"),
        ({"FOOTPLATE_CHECKPOINT_URI": "s3://no-such-bucket/c"}, "The bucket s3://no-such-bucket does not exist"),
        ({"FOOTPLATE_CHECKPOINT_URI": "{store}/c", "AWS_SECRET_ACCESS_KEY": "wrong"}, "refuses this job access"),
    ],
)
def test_a_request_at_fault_ends_with_one_sentence(
    store: Store, tmp_path: Path, termination_log: Path, environment: dict[str, str], sentence: str
) -> None:
    store.write("code/evil.tar.gz", packed({"../x": b""}))
    store.write("code/" + "0" * 64 + ".tar.gz", packed({"x": b""}))
    wanted = {name: value.format(store=store.uri) for name, value in environment.items()}
    process = start(tmp_path / "root", termination_log, **wanted)
    assert process.wait(30) == AT_FAULT
    message = termination_log.read_text()
    assert sentence in message
    assert message.count("\n") == 0
    assert message.endswith(".")
    assert "Traceback" not in (process.stderr.read() if process.stderr else "")


def test_a_store_that_is_away_for_a_while_is_waited_for(
    gateway: Gateway, store: Store, tmp_path: Path, termination_log: Path
) -> None:
    uri = submit(store, {"train.py": b"print(1)"})
    gateway.kill()
    process = start(tmp_path, termination_log, FOOTPLATE_CODE_URI=uri)
    time.sleep(3.0)
    assert process.poll() is None
    gateway.start()
    assert process.wait(60) == 0
    assert (tmp_path / "code" / "train.py").exists()


def test_a_store_that_stays_away_is_a_temporary_failure(
    gateway: Gateway, store: Store, tmp_path: Path, termination_log: Path
) -> None:
    uri = submit(store, {"train.py": b"print(1)"})
    gateway.kill()
    process = start(tmp_path, termination_log, FOOTPLATE_CODE_URI=uri, FOOTPLATE_PATIENCE_SECONDS="2")
    assert process.wait(60) == TEMPORARY
    assert "does not answer" in termination_log.read_text()


def test_a_transfer_goes_on_where_it_broke(gateway: Gateway, store: Store, tmp_path: Path) -> None:
    """The gateway is killed again and again while objects are copied."""
    content = {f"part-{n}": os.urandom(CHUNK + n) for n in range(6)}
    for name, data in content.items():
        (tmp_path / name).write_bytes(data)
        store.upload(f"set/{name}", tmp_path / name, len(data))
    done = threading.Event()

    def disturb() -> None:
        while not done.wait(0.15):
            gateway.kill()
            time.sleep(0.1)
            gateway.start()

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        prepare.copy_dataset("set", f"{store.uri}/set", tmp_path / "copy", Patience(60), os.environ)
    finally:
        done.set()
        thread.join()
    for name, data in content.items():
        assert (tmp_path / "copy" / name).read_bytes() == data


def test_killed_at_any_moment_it_can_be_repeated(store: Store, tmp_path: Path, termination_log: Path) -> None:
    uri = submit(store, {f"{n}.py": b"x" * n for n in range(3000)})
    store_checkpoint(store, 20, os.urandom(3 * CHUNK))
    environment = {"FOOTPLATE_CODE_URI": uri, "FOOTPLATE_CHECKPOINT_URI": store.uri}
    for pause in (0.3, 0.5, 0.7, 0.9, 1.1):
        process = start(tmp_path, termination_log, **environment)
        time.sleep(pause)
        process.send_signal(signal.SIGKILL)
        process.wait()
        code = tmp_path / "code"
        assert not code.exists() or len(list(code.iterdir())) == 3000
        found = checkpoint.latest(tmp_path / "checkpoints")
        assert found is None or found.step == 20
    process = start(tmp_path, termination_log, **environment)
    assert process.wait(60) == 0
    assert len(list((tmp_path / "code").iterdir())) == 3000
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-000000000020"]


def test_sigterm_ends_it_at_once(gateway: Gateway, store: Store, tmp_path: Path, termination_log: Path) -> None:
    gateway.kill()
    process = start(tmp_path, termination_log, FOOTPLATE_CHECKPOINT_URI=store.uri)
    assert process.stderr is not None
    assert "Trying again" in process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    assert process.wait(2) == 143


def test_an_object_that_changes_meanwhile_is_not_mixed(store: Store, tmp_path: Path) -> None:
    store.write("set/a", b"old")
    item = store.list("set")[0]
    store.write("set/a", b"new")
    from footplate.agent.download import Wanted, fetch

    with pytest.raises(AgentError, match="was changed while") as caught:
        fetch(store, [Wanted(item, tmp_path / "a")], Patience(5), "data set a")
    assert caught.value.code == TEMPORARY


def test_patience_ends_when_nothing_succeeds() -> None:
    def away() -> None:
        raise StoreAway("The object store does not answer.")

    started = time.monotonic()
    with pytest.raises(StoreAway):
        Patience(1.0).call(away)
    assert 1.0 < time.monotonic() - started < 10.0


def test_a_full_disk_is_told_in_a_sentence(store: Store, tmp_path: Path, termination_log: Path) -> None:
    """A file system of one mebibyte, in a mount namespace of the child's own."""
    if os.geteuid() != 0:
        pytest.skip("a small file system needs root")
    store.write("set/a", os.urandom(3 << 20))
    (tmp_path / "small").mkdir()
    script = f"""
import os, subprocess
from pathlib import Path
from footplate.agent import archive, ending, prepare
from footplate.agent.ending import AgentError
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", {str(tmp_path / "small")!r}], check=True)
try:
    archive.unpack(Path({str(tmp_path / "code.tar.gz")!r}), Path({str(tmp_path / "small")!r}) / "code")
except AgentError as error:
    raise SystemExit(ending.fail(error))
"""
    (tmp_path / "code.tar.gz").write_bytes(packed({"big": os.urandom(3 << 20)}))
    done = subprocess.run(
        ["unshare", "--mount", sys.executable, "-c", script],
        env={**os.environ, "FOOTPLATE_TERMINATION_LOG": str(termination_log)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == TEMPORARY, done.stderr
    assert termination_log.read_text() == "The disk of this node is full: the code does not fit."
