"""Snapshots of homes by the real restic in a real S3 gateway."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import msgspec
import pytest

from footplate.agent.ending import AtFault, StoreAway
from footplate.agent.home import restic as restics
from footplate.agent.home import tasks
from footplate.agent.home.restic import Restic, container_credentials
from footplate.api.home import HomeReport
from footplate.api.platform import HomePolicy
from tests.unit.agent.s3_gateway import Gateway

UID = "uid-1"


@pytest.fixture
def own(restic: str, bucket: str, tmp_path: Path) -> Restic:
    return Restic(f"{bucket}/homes/vision/alice/demo", {**os.environ, "RESTIC_PASSWORD": "p"}, tmp_path / "cache")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    path = tmp_path / "home"
    (path / "work").mkdir(parents=True)
    (path / "notes.md").write_text("one")
    (path / "work" / "data").write_bytes(os.urandom(200_000))
    (path / "link").symlink_to("notes.md")
    (path / "lost+found").mkdir()
    (path / "cache").mkdir()
    (path / "cache" / "CACHEDIR.TAG").write_text("Signature: 8a477f597d28d172789f06886806bc55")
    (path / "cache" / "big").write_text("can be had again")
    return path


def contents(home: Path) -> dict[str, bytes | str]:
    return {
        str(path.relative_to(home)): str(path.readlink()) if path.is_symlink() else path.read_bytes()
        for path in home.rglob("*")
        if (path.is_symlink() or path.is_file()) and "cache" not in path.parts
    }


def test_a_second_snapshot_adds_only_what_is_new_and_all_of_it_is_restored(
    own: Restic, home: Path, tmp_path: Path
) -> None:
    first = tasks.save(own, home, UID)
    was = contents(home)
    (home / "notes.md").write_text("two")
    second = tasks.save(own, home, UID)
    assert second.total == 2 and [one.id for one in second.snapshots][1] == first.snapshots[0].id
    assert second.snapshots[0].added is not None and second.snapshots[0].added < 50_000
    assert first.snapshots[0].size is not None and first.snapshots[0].size > 200_000

    new = tmp_path / "new"
    (new / "lost+found").mkdir(parents=True)
    tasks.fill(own, new, first.snapshots[0].id, "claim")
    assert contents(new) == was
    assert not (new / "cache" / "big").exists(), "what calls itself a cache is left out"
    assert not list(new.glob(".footplate*"))


def test_a_home_with_something_in_it_is_not_filled(own: Restic, home: Path) -> None:
    tasks.save(own, home, UID)
    with pytest.raises(AtFault, match="not empty"):
        tasks.fill(own, home, "latest", "claim")


def test_a_restore_keeps_what_it_replaces_and_latest_does_not_mean_that(own: Restic, home: Path) -> None:
    first = tasks.save(own, home, UID).snapshots[0]
    (home / "notes.md").write_text("never saved before")
    (home / "new").mkdir()
    (home / "new" / "file").write_text("x")
    (home / "new").chmod(0o500)
    report = tasks.restore(own, own, home, "latest", "request-1", UID)
    assert (home / "notes.md").read_text() == "one" and not (home / "new").exists()
    replaced = report.snapshots[0]
    assert replaced.id != first.id and replaced.id in report.message
    assert tasks.find(own, "latest").id == first.id
    tasks.restore(own, own, home, replaced.id, "request-2", UID)
    assert (home / "notes.md").read_text() == "never saved before"


def test_a_restore_that_was_killed_goes_on_and_does_not_save_the_half(own: Restic, home: Path) -> None:
    first = tasks.save(own, home, UID).snapshots[0]
    (home / "notes.md").write_text("later")
    tasks.save(own, home, UID)
    (home / ".footplate-restore").write_text(json.dumps({"key": "r", "snapshot": first.id}))
    (home / "notes.md").unlink()
    report = tasks.restore(own, own, home, "latest", "r", UID)
    assert (home / "notes.md").read_text() == "one", "of the snapshot that it had begun with"
    assert report.total == 2


def test_single_files_come_beside_and_overwrite_nothing(own: Restic, home: Path) -> None:
    (home / "odd [1]*.txt").write_text("odd")
    id_ = tasks.save(own, home, UID).snapshots[0].id
    (home / "notes.md").write_text("two")
    tasks.restore_paths(own, home, "latest", ["notes.md", "work", "odd [1]*.txt"], None)
    assert (home / f"restored-{id_}" / "notes.md").read_text() == "one"
    assert (home / f"restored-{id_}" / "work" / "data").stat().st_size == 200_000
    tasks.restore_paths(own, home, "latest", ["notes.md"], ".")
    assert (home / "notes.md").read_text() == "one"
    assert (home / f"notes.md.before-{id_}").read_text() == "two"
    with pytest.raises(AtFault, match=r"There is no gone\.md in snapshot"):
        tasks.restore_paths(own, home, "latest", ["gone.md"], None)
    assert not list(home.glob(".footplate*"))


def test_a_snapshot_is_found_by_time_and_who_asks_for_none_hears_which_there_are(own: Restic, home: Path) -> None:
    with pytest.raises(AtFault, match="there are: none"):
        tasks.find(own, "latest")
    first = tasks.save(own, home, UID).snapshots[0]
    tasks.save(own, home, UID)
    assert tasks.find(own, f"{first.at:%Y-%m-%dT%H:%M:%SZ}".replace("Z", ".999Z")).id is not None
    with pytest.raises(AtFault, match=first.id):
        tasks.find(own, "2020-01-01T00:00Z")


def test_old_snapshots_are_removed_and_the_rest_can_be_restored(own: Restic, home: Path) -> None:
    for text in "abcd":
        (home / "notes.md").write_text(text)
        tasks.save(own, home, UID)
    report = tasks.prune(own, HomePolicy("OnStop", keep_last=2, keep_daily=1, keep_weekly=0))
    assert report.total == 2
    (home / "notes.md").unlink()
    tasks.restore_paths(own, home, report.snapshots[1].id, ["notes.md"], ".")
    assert (home / "notes.md").read_text() == "c"


def test_locks_of_killed_tasks_hold_nothing_up(own: Restic, home: Path, gateway: Gateway) -> None:
    tasks.save(own, home, UID)
    locks = gateway.root / "buckets" / own.uri.removeprefix("s3://") / "locks"
    writer = subprocess.Popen(
        ["restic", "backup", "--stdin"], stdin=subprocess.PIPE, env={**own.environment, **own._repository()}
    )
    while not locks.is_dir() or not any(locks.iterdir()):
        assert writer.poll() is None
    writer.kill()
    writer.wait()
    tasks.prune(own, HomePolicy())


def test_another_password_is_said_and_nothing_is_begun_anew(own: Restic, home: Path) -> None:
    tasks.save(own, home, UID)
    other = Restic(own.uri, {**own.environment, "RESTIC_PASSWORD": "q"}, own.cache)
    with pytest.raises(AtFault, match=r"another password.*Secret footplate-homes"):
        tasks.save(other, home, UID)


def test_a_store_that_is_away_is_temporary(own: Restic, home: Path, gateway: Gateway) -> None:
    tasks.save(own, home, UID)
    gateway.kill()
    with pytest.raises(StoreAway, match="does not answer"):
        tasks.save(own, home, UID)


def test_a_store_that_goes_away_meanwhile_is_not_waited_for_without_end(
    own: Restic, home: Path, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    own.ready()
    monkeypatch.setattr(restics, "PATIENCE", 0.5)
    gateway.kill()
    with pytest.raises(StoreAway):
        own.run("snapshots", "--no-lock")


def test_a_file_that_cannot_be_read_is_named(own: Restic, home: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root reads everything")
    (home / "secret").write_text("x")
    (home / "secret").chmod(0)
    assert "secret" in tasks.save(own, home, UID).message


def test_the_pod_says_its_report_or_one_sentence(own: Restic, home: Path, termination_log: Path) -> None:
    environment = {
        **own.environment,
        "FOOTPLATE_HOME": str(home),
        "FOOTPLATE_HOME_URI": own.uri,
        "FOOTPLATE_WORKSPACE_UID": UID,
        "FOOTPLATE_CACHE": str(own.cache),
        "FOOTPLATE_TERMINATION_LOG": str(termination_log),
    }

    def run(*words: str) -> int:
        return subprocess.run(
            [sys.executable, "-m", "footplate.agent.home", *words], env=environment, check=False
        ).returncode

    assert run("save") == 0
    assert msgspec.json.decode(termination_log.read_bytes(), type=HomeReport).total == 1
    assert run("fill", "--snapshot", "latest", "--key", "k") == 64
    assert "not empty" in termination_log.read_text()


@pytest.fixture
def pod_identity(tmp_path: Path) -> Iterator[dict[str, str]]:
    """EKS' agent on the node: credentials for whoever has the pod's token."""

    class Agent(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.headers["Authorization"] == "the-token"
            self.send_response(200 if known else 403)
            self.end_headers()
            if known:
                self.wfile.write(b'{"AccessKeyId": "A", "SecretAccessKey": "S", "Token": "T", "Expiration": ""}')

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Agent)
    Thread(target=server.serve_forever, daemon=True).start()
    (tmp_path / "token").write_text("the-token\n")
    yield {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{server.server_port}/v1/credentials",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(tmp_path / "token"),
    }
    server.shutdown()
    server.server_close()


def test_a_pods_identity_becomes_restics_credentials(pod_identity: dict[str, str], tmp_path: Path) -> None:
    wanted = {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "S", "AWS_SESSION_TOKEN": "T"}
    assert container_credentials(pod_identity) == wanted
    assert container_credentials({**pod_identity, "AWS_ACCESS_KEY_ID": "own"}) == {}
    (tmp_path / "token").write_text("another's")
    with pytest.raises(StoreAway, match="no credentials"):
        container_credentials(pod_identity)
