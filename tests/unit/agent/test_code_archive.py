"""Code archives: what is unpacked, and that nothing leads out of the directory."""

import gzip
import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from footplate.agent import archive
from footplate.agent.ending import AtFault


def file(name: str, content: bytes = b"x", mode: int = 0o644) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = len(content), mode, 1_700_000_000
    return info, content


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info, b""


def directory(name: str) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.mode = tarfile.DIRTYPE, 0o755
    return info, b""


def pack(path: Path, members: list[tuple[tarfile.TarInfo, bytes]]) -> Path:
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return path


def test_files_directories_and_links_are_unpacked(tmp_path: Path) -> None:
    members = [
        file("train.py", b"print()"),
        file("./bin/run.sh", b"#!/bin/sh", 0o4755),
        directory("empty"),
        link("data/latest", "../train.py"),
        file("data/one", b"1"),
        link("data/two", "data/one", tarfile.LNKTYPE),
        file("secret", b"s", 0o000),
    ]
    code = tmp_path / "code"
    assert archive.unpack(pack(tmp_path / "a.tar.gz", members), code) == 7
    assert (code / "data" / "latest").read_bytes() == b"print()"
    assert (code / "data" / "two").read_bytes() == b"1"
    assert (code / "empty").is_dir()
    assert (code / "bin" / "run.sh").stat().st_mode & 0o7777 == 0o755
    assert (code / "secret").stat().st_mode & 0o777 == 0o644
    assert (code / "train.py").stat().st_mtime == 1_700_000_000


@pytest.mark.parametrize(
    "members",
    [
        [file("../outside")],
        [file("/etc/cron.d/job")],
        [file("a/../../outside")],
        [link("out", "/etc")],
        [link("out", "../..")],
        [link("a/out", "../../x")],
        [link("a", "."), link("b", "a/..")],
        [link("a", "b"), file("a/x")],
        [link("a", "b"), file("a")],
        [link("x", "../outside", tarfile.LNKTYPE)],
        [link("x", "/etc/passwd", tarfile.LNKTYPE)],
        [link("l", "d"), link("x", "l/file", tarfile.LNKTYPE)],
        [link("device", "", tarfile.CHRTYPE)],
        [link("pipe", "", tarfile.FIFOTYPE)],
    ],
)
def test_what_leads_out_is_refused(tmp_path: Path, members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    packed = pack(tmp_path / "a.tar.gz", members)
    with pytest.raises(AtFault, match="The code archive was refused"):
        archive.unpack(packed, tmp_path / "inner" / "code")
    assert {path.name for path in tmp_path.iterdir()} == {"a.tar.gz", "inner"}
    assert {path.name for path in (tmp_path / "inner").iterdir()} == {"code"}


@pytest.mark.parametrize("cut", [0, 1, 40, 150, 700])
def test_a_torn_archive_is_refused(tmp_path: Path, cut: int) -> None:
    content = pack(tmp_path / "whole", [file("a", os.urandom(400)), file("b", os.urandom(300))]).read_bytes()
    (tmp_path / "torn").write_bytes(content[:cut])
    with pytest.raises(AtFault, match="cannot be read"):
        archive.unpack(tmp_path / "torn", tmp_path / "code")


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(gzip.compress(b"no tar" * 500))
    with pytest.raises(AtFault, match="cannot be read"):
        archive.unpack(tmp_path / "a", tmp_path / "code")


def test_the_digest_is_checked(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"code")
    archive.check_digest(tmp_path / "a", hashlib.sha256(b"code").hexdigest())
    with pytest.raises(AtFault, match="not what was submitted"):
        archive.check_digest(tmp_path / "a", hashlib.sha256(b"other").hexdigest())


def test_many_files(tmp_path: Path) -> None:
    packed = pack(tmp_path / "a.tar.gz", [file(f"{n % 100}/{n}.txt") for n in range(5_000)])
    assert archive.unpack(packed, tmp_path / "code") == 5_000
    assert sum(1 for _ in (tmp_path / "code").rglob("*.txt")) == 5_000


names = st.lists(st.sampled_from(["a", "b", "c", "..", ".", ""]), min_size=1, max_size=4).map("/".join)
members = st.one_of(
    st.builds(file, names),
    st.builds(directory, names),
    st.builds(link, names, names),
    st.builds(link, names, names, st.just(tarfile.LNKTYPE)),
)


@settings(max_examples=200)
@given(st.lists(members, max_size=8))
def test_whatever_is_in_an_archive_nothing_lands_or_points_outside(
    tmp_path_factory: pytest.TempPathFactory, found: list[tuple[tarfile.TarInfo, bytes]]
) -> None:
    home = tmp_path_factory.mktemp("case")
    outer = home / "a" / "b" / "c"
    outer.mkdir(parents=True)
    code = outer / "code"
    try:
        archive.unpack(pack(home / "packed", found), code)
    except AtFault:
        pass
    assert {path.name for path in home.iterdir()} == {"packed", "a"}
    assert [path.name for path in outer.iterdir()] == ["code"]
    for path in code.rglob("*"):
        if path.exists():  # What leads nowhere, or in a circle, leads not out.
            assert path.resolve().is_relative_to(code.resolve())
