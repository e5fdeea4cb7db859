"""`footplate dataset index` as a person meets it."""

import json
import subprocess
import sys
from pathlib import Path

from footplate.data.layout import INDEX


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "footplate.cli.main", "dataset", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_it_says_what_it_has_indexed(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.txt").write_bytes(b"x" * 1024)
    done = run("index", str(tmp_path))
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{tmp_path}: 3 samples, 3Ki, in 1 blocks.\n", "")
    assert (tmp_path / INDEX).is_file()
    done = run("index", str(tmp_path), "--block-size", "1Ki", "--output", "json")
    assert json.loads(done.stdout) == {"uri": str(tmp_path), "samples": 3, "bytes": 3072, "blocks": 3}


def test_what_cannot_be_indexed_is_said_in_a_line(tmp_path: Path) -> None:
    done = run("index", str(tmp_path))
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{tmp_path} has no tar shards and no files to index." in done.stderr
    done = run("index", str(tmp_path), "--block-size", "8 MB")
    assert done.returncode == 2
    assert "--block-size '8 MB' is not a quantity" in done.stderr
