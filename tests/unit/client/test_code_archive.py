import gzip
import hashlib
import io
import os
import tarfile
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from footplate.client.code.archive import pack
from footplate.client.code.tree import Limits, Tree, survey
from footplate.errors import BadUsage


def surveyed(root: Path) -> Tree:
    return survey(root, Limits(), lambda _: None)


def packed(root: Path) -> tuple[str, bytes]:
    with pack(surveyed(root), lambda _: None) as archive:
        data = archive.file.read()
        assert len(data) == archive.size
        assert hashlib.sha256(data).hexdigest() == archive.sha256
        return archive.sha256, data


def test_the_same_content_gives_the_same_archive_whenever_and_wherever(tmp_path: Path) -> None:
    for place in ("here", "there"):
        root = tmp_path / place
        (root / "pkg").mkdir(parents=True)
        names = ["train.py", "pkg/a.py", "pkg/b.py"]
        for name in names if place == "here" else reversed(names):
            (root / name).write_text(name)
        (root / "run.sh").write_text("echo")
        (root / "run.sh").chmod(0o755 if place == "here" else 0o700)
        (root / "train.py").chmod(0o644 if place == "here" else 0o600)
        os.utime(root / "train.py", (1, 1 if place == "here" else 2))
    assert packed(tmp_path / "here") == packed(tmp_path / "there")


def test_one_changed_byte_gives_another_name(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("a")
    before = packed(tmp_path)[0]
    (tmp_path / "train.py").write_text("b")
    assert packed(tmp_path)[0] != before


def test_it_unpacks_with_the_safe_filter_to_what_was_there(tmp_path: Path) -> None:
    root = tmp_path / "code"
    (root / "empty").mkdir(parents=True)
    (root / "run.sh").write_text("echo")
    (root / "run.sh").chmod(0o755)
    (root / "ünïcode.txt").write_text("é")
    (root / ("long-" * 40)).write_text("long")
    (root / "link").symlink_to("run.sh")
    out = tmp_path / "out"
    with tarfile.open(fileobj=io.BytesIO(packed(root)[1])) as tar:
        tar.extractall(out, filter="data")
    assert (out / "empty").is_dir()
    assert (out / "run.sh").stat().st_mode & 0o111
    assert (out / "ünïcode.txt").read_text() == "é"
    assert (out / ("long-" * 40)).read_text() == "long"
    assert (out / "link").readlink() == Path("run.sh")


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.dictionaries(st.text("abcé/-", min_size=1, max_size=12).filter(lambda n: "//" not in n), st.binary()))
def test_any_content_comes_back(tmp_path: Path, content: dict[str, bytes]) -> None:
    root = tmp_path / str(time.monotonic_ns())
    root.mkdir()
    written: dict[str, bytes] = {}
    for name, data in content.items():
        path = root / name.strip("/")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        except (OSError, ValueError):
            continue  # A file where a directory is needed.
        written[path.relative_to(root).as_posix()] = data
    with tarfile.open(fileobj=io.BytesIO(packed(root)[1])) as tar:
        found = {m.name: tar.extractfile(m).read() for m in tar.getmembers() if m.isfile()}  # type: ignore[union-attr]
    assert found == written


def test_gzip_carries_no_time_and_no_name(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("a")
    data = packed(tmp_path)[1]
    assert data[4:8] == b"\0\0\0\0"
    assert data[3] == 0
    assert gzip.decompress(data)


def test_a_file_that_changes_meanwhile_is_named(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("a")
    tree = surveyed(tmp_path)
    (tmp_path / "train.py").write_text("longer")
    with pytest.raises(BadUsage, match=r"train.py changed while it was being packed"), pack(tree, lambda _: None):
        pass


def test_a_file_that_vanishes_meanwhile_is_named(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("x")
    tree = surveyed(tmp_path)
    (tmp_path / "train.py").unlink()
    with pytest.raises(BadUsage, match=r"train.py changed while it was being packed"), pack(tree, lambda _: None):
        pass


def test_a_file_that_has_become_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("a")
    tree = surveyed(tmp_path)
    (tmp_path / "train.py").unlink()
    (tmp_path / "train.py").symlink_to("/etc/passwd")
    with pytest.raises(BadUsage, match="Cannot read"), pack(tree, lambda _: None):
        pass


def test_nothing_is_left_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    code = tmp_path / "code"
    code.mkdir()
    (code / "train.py").write_text("a")
    with pack(surveyed(code), lambda _: None):
        assert list(scratch.iterdir()) == []
