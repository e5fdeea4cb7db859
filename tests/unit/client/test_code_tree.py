import os
from pathlib import Path

import pytest

from footplate.client.code.tree import Limits, survey
from footplate.errors import BadUsage, Refused


def write(root: Path, *files: str, text: str = "x") -> None:
    for name in files:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def shipped(root: Path, limits: Limits | None = None) -> list[str]:
    tree = survey(root, limits or Limits(), lambda _: None)
    return [entry.path for entry in tree.entries if not entry.directory]


def test_what_never_belongs_to_code_stays_behind(tmp_path: Path) -> None:
    write(
        tmp_path, "train.py", ".git/HEAD", "pkg/__pycache__/a.pyc", "node_modules/x/y.js", ".venv/bin/python", "a.pyc"
    )
    write(tmp_path, "myenv/pyvenv.cfg", "myenv/lib/x.py", "pkg/mod.py")
    assert shipped(tmp_path) == ["pkg/mod.py", "train.py"]


def test_a_script_in_a_home_directory_takes_no_keys_along(tmp_path: Path) -> None:
    write(tmp_path, "train.py", ".ssh/id_ed25519", ".aws/credentials", ".config/gcloud/x", ".kube/config", ".netrc")
    write(tmp_path, ".bash_history", ".python_history", ".local/lib/x", ".config/mine.toml")
    assert shipped(tmp_path) == [".config/mine.toml", "train.py"]


def test_gitignore_counts_with_git_syntax_in_each_directory(tmp_path: Path) -> None:
    write(tmp_path, "a.log", "keep.log", "build/x", "pkg/build/x", "pkg/data/1", "pkg/a.py")
    write(tmp_path, ".gitignore", text="*.log\n!keep.log\n/build/\n")
    write(tmp_path, "pkg/.gitignore", text="data\n")
    assert shipped(tmp_path) == [".gitignore", "keep.log", "pkg/.gitignore", "pkg/a.py", "pkg/build/x"]


def test_footplateignore_wins_over_gitignore(tmp_path: Path) -> None:
    write(tmp_path, "weights.bin", "notes.md", "train.py")
    write(tmp_path, ".gitignore", text="weights.bin\n")
    write(tmp_path, ".footplateignore", text="!weights.bin\n*.md\n.*ignore\n")
    assert shipped(tmp_path) == ["train.py", "weights.bin"]


def test_a_deeper_file_wins_over_the_one_above(tmp_path: Path) -> None:
    write(tmp_path, "a/x.bin", "b/x.bin")
    write(tmp_path, ".gitignore", text="*.bin\n")
    write(tmp_path, "a/.gitignore", text="!x.bin\n")
    assert "a/x.bin" in shipped(tmp_path)
    assert "b/x.bin" not in shipped(tmp_path)


def test_the_gitignore_of_the_work_tree_above_counts(tmp_path: Path) -> None:
    write(tmp_path, ".git/HEAD", "exp/digits/train.py", "exp/digits/out/log", "exp/digits/top")
    write(tmp_path, ".gitignore", text="out/\n/exp/digits/top\n")
    assert shipped(tmp_path / "exp" / "digits") == ["train.py"]


def test_outside_of_a_work_tree_files_above_do_not_count(tmp_path: Path) -> None:
    write(tmp_path, "code/train.py")
    write(tmp_path, ".gitignore", text="*\n")
    assert shipped(tmp_path / "code") == ["train.py"]


def test_links_within_the_code_go_along_and_others_are_named(tmp_path: Path) -> None:
    write(tmp_path, "pkg/a.py")
    (tmp_path / "pkg" / "b.py").symlink_to("a.py")
    (tmp_path / "c.py").symlink_to("pkg/a.py")
    tree = survey(tmp_path, Limits(), lambda _: None)
    assert {entry.path: entry.link for entry in tree.entries if entry.link} == {"pkg/b.py": "a.py", "c.py": "pkg/a.py"}
    (tmp_path / "pkg" / "data").symlink_to("../../elsewhere")
    with pytest.raises(BadUsage, match=r"pkg/data .* is a link to \.\./\.\./elsewhere"):
        survey(tmp_path, Limits(), lambda _: None)
    (tmp_path / "pkg" / "data").unlink()
    (tmp_path / "absolute").symlink_to("/etc")
    with pytest.raises(BadUsage, match="is a link to /etc"):
        survey(tmp_path, Limits(), lambda _: None)


def test_pipes_and_sockets_are_passed_over(tmp_path: Path) -> None:
    write(tmp_path, "train.py")
    os.mkfifo(tmp_path / "pipe")
    assert shipped(tmp_path) == ["train.py"]


def test_100_000_files_are_refused_with_where_they_are(tmp_path: Path) -> None:
    write(tmp_path, "train.py")
    for part in range(10):
        folder = tmp_path / "data" / f"shard-{part}"
        folder.mkdir(parents=True)
        for number in range(10_000 if part else 10_100):
            os.close(os.open(folder / str(number), os.O_CREAT))
    with pytest.raises(Refused, match=r"has 100,101 files; at most 50,000 can be shipped") as raised:
        survey(tmp_path, Limits(), lambda _: None)
    remedy = raised.value.remedy or ""
    assert "Most are in: data/shard-0/ (10,100), data/shard-" in remedy
    assert ".footplateignore" in remedy


def test_a_file_of_5_gib_is_refused_by_its_name_and_never_read(tmp_path: Path) -> None:
    write(tmp_path, "train.py")
    with (tmp_path / "weights.bin").open("wb") as file:
        file.truncate(5 << 30)
    with pytest.raises(Refused, match=r"is 5GiB; at most 1GiB can be shipped") as raised:
        survey(tmp_path, Limits(), lambda _: None)
    assert "The largest: weights.bin (5GiB), train.py" in (raised.value.remedy or "")
    write(tmp_path, ".footplateignore", text="weights.bin\n")
    assert shipped(tmp_path) == [".footplateignore", "train.py"]


def test_counting_ends_where_it_is_no_code_in_any_case(tmp_path: Path) -> None:
    write(tmp_path, *(f"f{n}" for n in range(30)))
    with pytest.raises(Refused, match="has over 20 files"):
        survey(tmp_path, Limits(files=10, looked_at=20), lambda _: None)


def test_names_that_are_not_utf8_are_refused(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9")).write_text("x")
    with pytest.raises(BadUsage, match="not UTF-8"):
        survey(tmp_path, Limits(), lambda _: None)


def test_a_long_survey_reports_how_far_it_is(tmp_path: Path) -> None:
    write(tmp_path, *(f"f{n}" for n in range(2000)))
    said: list[str] = []
    survey(tmp_path, Limits(), said.append)
    assert any("2,000 files" in text for text in said)
