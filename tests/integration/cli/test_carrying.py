"""Files and ports by way of the API server. The played kubelet runs commands on this machine: paths in the pod
are its own, and it tells no exit codes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.integration.cli.conftest import Footplate
from tests.integration.cli.platform import Kubelet
from tests.integration.cli.played import PlayedWorkspace
from tests.integration.cli.test_open import jupyter, platform, workspace

__all__ = ["jupyter", "platform", "workspace"]


@pytest.fixture
def pod(tmp_path: Path) -> Path:
    """A directory of the workspace."""
    found = tmp_path / "pod"
    found.mkdir()
    return found


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    found = tmp_path / "here"
    found.mkdir()
    monkeypatch.chdir(found)
    return found


def tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def filled(root: Path) -> dict[str, bytes]:
    files = {"a.txt": b"a", "deep/er/b.bin": os.urandom(3_000_000), "deep/with space": b"", "-rf": b"dash"}
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return files


def test_a_directory_goes_in_and_comes_back(
    footplate: Footplate, workspace: PlayedWorkspace, pod: Path, here: Path
) -> None:
    files = filled(here / "data")
    (here / "data" / "run").write_text("#!/bin/sh\n")
    (here / "data" / "run").chmod(0o755)
    (here / "data" / "link").symlink_to("a.txt")
    sent = footplate("workspace", "cp", "data", f"{workspace.name}:{pod}/new")
    assert (sent.code, sent.out) == (0, ""), sent.err
    assert tree(pod / "new") == {**files, "run": b"#!/bin/sh\n", "link": b"a"}
    assert (pod / "new/run").stat().st_mode & 0o111
    assert (pod / "new/link").readlink() == Path("a.txt")

    assert footplate("workspace", "cp", f"{workspace.name}:{pod}/new", "back").code == 0
    assert tree(here / "back") == tree(pod / "new")
    assert footplate("workspace", "cp", f"{workspace.name}:{pod}/new", ".").code == 0, "into a directory that is there"
    assert tree(here / "new") == tree(pod / "new")
    assert not [*here.glob(".footplate-cp-*"), *pod.glob(".footplate-cp-*")]


def test_into_one_that_is_there_files_are_replaced_and_others_stay(
    footplate: Footplate, workspace: PlayedWorkspace, pod: Path, here: Path
) -> None:
    for root, text in ((here / "data", "new"), (pod / "data", "old")):
        (root / "sub").mkdir(parents=True)
        (root / "sub/both").write_text(text)
        (root / f"only-{text}").write_text(text)
    assert footplate("workspace", "cp", "data", f"{workspace.name}:{pod}").code == 0
    assert tree(pod / "data") == {"only-new": b"new", "only-old": b"old", "sub/both": b"new"}
    (here / "data/sub/both").write_text("changed")
    assert footplate("workspace", "cp", f"{workspace.name}:{pod}/data", ".").code == 0
    assert tree(here / "data") == {"only-new": b"new", "only-old": b"old", "sub/both": b"new"}


def test_a_file_takes_a_name_or_goes_into_a_directory(
    footplate: Footplate, workspace: PlayedWorkspace, pod: Path, here: Path
) -> None:
    (here / "a:b").write_text("colon")
    for destination, arrives in (("x", "x"), ("", "a:b"), ("made/", "made/a:b"), ("x", "x")):
        assert footplate("workspace", "cp", "./a:b", f"{workspace.name}:{pod}/{destination}").code == 0
        assert (pod / arrives).read_text() == "colon"
    (pod / "link").symlink_to(pod / "x")
    assert footplate("workspace", "cp", f"{workspace.name}:{pod}/link", "taken").code == 0
    assert (here / "taken").read_text() == "colon"
    assert not (here / "taken").is_symlink()


def test_nothing_leads_out_of_where_a_copy_goes(
    footplate: Footplate, workspace: PlayedWorkspace, pod: Path, here: Path
) -> None:
    (pod / "data").mkdir()
    (pod / "data/kept").write_text("kept")
    (pod / "data/out").symlink_to("/etc/passwd")
    (pod / "data/up").symlink_to("../../secret")
    got = footplate("workspace", "cp", f"{workspace.name}:{pod}/data", ".")
    assert got.code == 0
    assert [path.name for path in (here / "data").iterdir()] == ["kept"]
    assert got.err.count("note: left out") == 2


def test_what_cannot_be_copied_leaves_what_was_there(
    footplate: Footplate, workspace: PlayedWorkspace, pod: Path, here: Path
) -> None:
    (here / "file").write_text("new")
    (here / "dir").mkdir()
    (pod / "dir").write_text("a file")
    name = workspace.name
    for arguments, code, says in (
        (("missing", f"{name}:{pod}"), 3, "There is no missing on this machine"),
        ((f"{name}:{pod}/dir", "no/such/place"), 2, "There is no directory"),
        ((f"{name}:{pod}/dir", "."), 2, "dir is a directory of this machine"),
        (("file", "other"), 2, "One of file and other has to be in a workspace"),
        ((f"{name}:/", "."), 2, "All of a workspace is not copied"),
    ):
        failed = footplate("workspace", "cp", *arguments)
        assert (failed.code, says in failed.err) == (code, True), failed.err
    assert [path.name for path in pod.iterdir()] == ["dir"]
    assert {path.name for path in here.iterdir()} == {"file", "dir"}


def test_a_command_line_runs_as_ssh_runs_it(footplate: Footplate, workspace: PlayedWorkspace) -> None:
    ran = footplate("workspace", "ssh", workspace.name, "--", "echo", "a  b", "|", "tr", "a-z", "A-Z")
    assert (ran.code, ran.out) == (0, "A B\n"), ran.err


def test_a_port_leads_to_the_workspace_through_its_restarts(kubelet: Kubelet, workspace: PlayedWorkspace) -> None:
    command = [sys.executable, "-m", "footplate.cli.main", "workspace", "port-forward", workspace.name, "8888:0"]
    serving = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert serving.stdout is not None
        local, arrow, target = serving.stdout.readline().split()
        assert (arrow, target) == ("->", f"{workspace.name}:8888")
        with urllib.request.urlopen(f"http://{local}/api") as answer:
            assert answer.status == 200
        kubelet.delete_pod(f"{workspace.name}-1")
        workspace.run(2)
        with urllib.request.urlopen(f"http://{local}/api", timeout=60) as answer:
            assert answer.status == 200
    finally:
        serving.send_signal(signal.SIGINT)
        _, said = serving.communicate(timeout=20)
    assert serving.returncode == 130, said
    assert "goes on" in said


@pytest.mark.parametrize("ports", ["0", "a", "70000", "80:x", "80:", ":80"])
def test_what_is_no_port_is_said(footplate: Footplate, ports: str) -> None:
    failed = footplate("workspace", "port-forward", "demo", ports)
    assert failed.code == 2
    assert f"{ports!r} is no port." in failed.err
