import subprocess
import sys
from pathlib import Path

from footplate.api import ObjectMeta, Workspace, WorkspaceSpec
from footplate.client.tunnel import record as records
from footplate.client.tunnel.opening import bind
from footplate.client.tunnel.record import Record

HOLD = """
import sys, time
from pathlib import Path
from footplate.client.tunnel.record import acquire
lock = acquire(Path(sys.argv[1]))
print(lock is not None, flush=True)
sys.stdin.read()
"""


def hold(file: Path) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(file)], stdin=pipe, stdout=pipe, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "True\n"
    return holder


def test_the_lock_ends_with_the_process_however_it_ends(tmp_path: Path) -> None:
    file = tmp_path / "tunnels" / "a.json"
    holder = hold(file)
    assert records.acquire(file) is None
    assert records.alive(file)
    holder.kill()
    holder.communicate()
    assert not records.alive(file)
    lock = records.acquire(file)
    assert lock is not None
    lock.release()


def test_a_record_is_for_its_owner_only_and_is_read_back(tmp_path: Path) -> None:
    file = tmp_path / "tunnels" / "a.json"
    lock = records.acquire(file)
    assert lock is not None
    written = Record("https://h", "team-a", "demo", "uid", 20000, 7, 1.5)
    lock.write(written)
    assert records.read(file) == written
    shorter = Record("h", "t", "d", "u", 1)
    lock.write(shorter)
    assert records.read(file) == shorter
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    lock.release()


def test_a_file_that_was_removed_meanwhile_is_made_again(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    holder = hold(file)
    file.unlink()
    lock = records.acquire(file)
    assert lock is not None
    assert file.exists()
    lock.release()
    holder.kill()
    holder.communicate()


def test_half_a_record_is_none(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"server": "https')
    assert records.read(tmp_path / "a.json") is None
    assert records.read(tmp_path / "none.json") is None


def test_one_a_workspace_on_whatever_cluster(tmp_path: Path) -> None:
    environ = {"FOOTPLATE_DATA": str(tmp_path)}
    paths = {records.path(s, n, "demo", environ) for s in ("https://a", "https://b") for n in ("team-a", "team-b")}
    assert len(paths) == 4
    assert all(path.parent == tmp_path / "tunnels" for path in paths)


def workspace(name: str) -> Workspace:
    return Workspace(ObjectMeta(name=name, namespace="team-a", uid="u"), WorkspaceSpec(environment="jupyter"))


def test_the_port_follows_from_the_name_and_stays(tmp_path: Path) -> None:
    environ = {"FOOTPLATE_DATA": str(tmp_path)}
    file = records.path("https://h", "team-a", "demo", environ)
    with bind("https://h", workspace("demo"), None, file, environ) as first:
        host, port = first.getsockname()
        assert host == "127.0.0.1"
        assert 20_000 <= port < 30_000
        with bind("https://h", workspace("demo"), None, file, environ) as second:
            assert second.getsockname()[1] != port
    before = Record("https://h", "team-a", "demo", "u", port + 1)
    with bind("https://h", workspace("demo"), before, file, environ) as again:
        assert again.getsockname()[1] == port + 1


def test_ports_that_other_workspaces_had_are_left_to_them(tmp_path: Path) -> None:
    environ = {"FOOTPLATE_DATA": str(tmp_path)}
    file = records.path("https://h", "team-a", "demo", environ)
    with bind("https://h", workspace("demo"), None, file, environ) as first:
        port = first.getsockname()[1]
    other = records.acquire(records.path("https://h", "team-a", "other", environ))
    assert other is not None
    other.write(Record("https://h", "team-a", "other", "u", port))
    with bind("https://h", workspace("demo"), None, file, environ) as second:
        assert second.getsockname()[1] != port
    other.release()
