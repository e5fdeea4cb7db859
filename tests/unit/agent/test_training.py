"""How far training is: what a process says of itself, and what of it is written."""

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from footplate import training
from footplate.training import Reporter, Steps, read_steps, steps_path
from tests.unit.agent.test_checkpoint import find_python


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now + 1e9


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(training, "time", clock)
    return clock


def steps(directory: Path, rank: int = 0) -> Steps:
    found = read_steps(steps_path(directory, rank))
    assert found is not None
    return found


def lines(directory: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]


def test_the_first_call_is_there_at_once(tmp_path: Path, clock: Clock) -> None:
    Reporter(tmp_path / "run", 3).report(7, 100, {"loss": 0.5})
    assert steps(tmp_path / "run", 3) == Steps(3, os.getpid(), 7, 100, 1, 0.0, 1000.0, 1e9 + 1000)
    assert not (tmp_path / "run" / "metrics.jsonl").exists(), "of rank 0 only"


def test_what_comes_within_a_second_is_written_later(tmp_path: Path, clock: Clock) -> None:
    reporter = Reporter(tmp_path, 0)
    for step in range(1, 6):
        reporter.report(step, 50 if step == 1 else None, {"loss": 1 / step})
        clock.now += 0.1
    assert (steps(tmp_path).step, len(lines(tmp_path))) == (1, 1)
    clock.now += 1.0
    reporter.report(6, None, {"loss": 1 / 6})
    assert (steps(tmp_path).step, steps(tmp_path).total_steps, steps(tmp_path).calls) == (6, 50, 6)
    assert [line["step"] for line in lines(tmp_path)] == [1, 2, 3, 4, 5, 6]
    assert lines(tmp_path)[1] == {"step": 2, "time": 1e9 + 1000.1, "loss": 0.5}


def test_what_is_held_back_comes_with_a_flush(tmp_path: Path, clock: Clock) -> None:
    reporter = Reporter(tmp_path, 0)
    reporter.report(1, None, {})
    reporter.report(2, None, {"loss": 1.0})
    reporter.flush()
    assert (steps(tmp_path).step, len(lines(tmp_path))) == (2, 1)


def test_a_process_that_ends_leaves_its_last_step(tmp_path: Path) -> None:
    script = "from footplate import training\nfor step in range(1, 30): training.report(step, loss=step)"
    environment = {**os.environ, "FOOTPLATE_RUN_DIR": str(tmp_path), "RANK": "0"}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment)
    assert steps(tmp_path).step == 29
    assert len(lines(tmp_path)) == 29


def test_many_metrics_are_thinned_out_by_the_names_that_come_together(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "UNTHINNED", 10)
    reporter = Reporter(tmp_path, 0)
    for step in range(1, 101):
        reporter.report(step, None, {"loss": 1.0})
        if step == 70:
            reporter.report(step, None, {"accuracy": 0.9})
        clock.now += 0.1
    reporter.flush()
    found = lines(tmp_path)
    assert [line["step"] for line in found if "accuracy" in line] == [70]
    assert 18 <= len(found) <= 21, "ten, and one a second"


class Tensor:
    def __init__(self, value: float) -> None:
        self._value = value

    def __float__(self) -> float:
        return self._value


def test_values_are_numbers_and_text(tmp_path: Path, clock: Clock) -> None:
    metrics = {"a": Tensor(0.5), "b": 3, "c": "warm-up", "d": float("nan"), "e": Tensor(float("-inf")), "f": None}
    Reporter(tmp_path, 0).report(1, None, metrics)
    expected = {"a": 0.5, "b": 3, "c": "warm-up", "d": "NaN", "e": "-Infinity", "f": None}
    assert lines(tmp_path)[0] == {"step": 1, "time": 1e9 + 1000, **expected}


def test_what_is_no_number_is_named(tmp_path: Path, clock: Clock) -> None:
    reporter = Reporter(tmp_path, 0)
    with pytest.raises(TypeError, match="metric losses is a number or text, not list"):
        reporter.report(1, None, {"losses": [1.0, 2.0]})
    with pytest.raises(TypeError, match=r"step is an integer, not 1\.5"):
        reporter.report(1.5, None, {})  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="total_steps is between 0 and"):
        reporter.report(1, -1, {})


def test_own_work_adds_up(tmp_path: Path, clock: Clock) -> None:
    reporter = Reporter(tmp_path, 1)
    for step in (1, 2):
        with reporter.own_work():
            clock.now += 3.0
        clock.now += 5.0
        reporter.report(step, None, {})
    assert steps(tmp_path, 1).own_seconds == 6.0


def test_a_full_disk_does_not_end_training(tmp_path: Path, clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "steps").write_text("in the way")
    reporter = Reporter(tmp_path, 0)
    for step in (1, 2):
        clock.now += 2.0
        reporter.report(step, None, {"loss": 1.0})
    assert capsys.readouterr().err.count("the step cannot be reported") == 1


def test_without_the_platform_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FOOTPLATE_RUN_DIR", raising=False)
    monkeypatch.setattr(training, "_reporter", None)
    with training.own_work():
        training.report(1, loss=0.1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("environment", "rank"),
    [
        ({"RANK": "5", "NODE_RANK": "2"}, 5),
        ({"JAX_PROCESS_ID": "4", "NODE_RANK": "2"}, 4),
        ({"NODE_RANK": "2"}, 2),
        ({"RANK": "first"}, 0),
    ],
)
def test_the_rank_comes_from_the_launcher(tmp_path: Path, environment: dict[str, str], rank: int) -> None:
    training._new({**environment, "FOOTPLATE_RUN_DIR": str(tmp_path)}).report(1, None, {})  # pyright: ignore[reportPrivateUsage]
    assert steps(tmp_path, rank).rank == rank


def test_several_threads_may_report(tmp_path: Path) -> None:
    reporter = Reporter(tmp_path, 0)
    threads = [threading.Thread(target=lambda: [reporter.report(i, None, {"x": i}) for i in range(50)]) for _ in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    reporter.flush()
    assert (steps(tmp_path).calls, len(lines(tmp_path))) == (200, 200)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"rank": 0}', "null"])
def test_what_is_torn_is_nothing(tmp_path: Path, content: str) -> None:
    path = tmp_path / "rank-0.json"
    path.write_text(content)
    assert read_steps(path) is None


@pytest.mark.parametrize("version", ["3.8", "3.9", "3.13"])
def test_it_runs_with_the_python_of_old_and_new_images(version: str, tmp_path: Path) -> None:
    python = find_python(version)
    if python is None:
        pytest.skip(f"no Python {version} on this machine")
    shutil.copy(training.__file__, tmp_path / "training.py")
    environment = {"PYTHONPATH": str(tmp_path), "PATH": os.environ["PATH"], "FOOTPLATE_RUN_DIR": str(tmp_path / "run")}
    subprocess.run([python, "-c", "import training\ntraining.report(4, loss=1)"], check=True, env=environment)
    assert steps(tmp_path / "run").step == 4
