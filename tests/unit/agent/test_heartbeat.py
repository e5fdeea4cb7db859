"""Ranks as the agent sees them, their stacks, and what it tells the collector: real processes, a collector over HTTP."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import msgspec
import pytest

from footplate import checkpoint
from footplate.agent import heartbeat, stacks
from footplate.agent.heartbeat import Heart, Written
from footplate.agent.ranks import Ranks, pace
from footplate.agent.store import Store
from footplate.api.podreport import PodReport
from footplate.api.reports import Answer, HeartbeatReport, LastBeat, Stack
from footplate.training import Steps

TRAIN = """
import sys, time
from footplate import training
def train_step(step):
    training.report(step, total_steps=1000, loss=1.0)
    if step == int(sys.argv[1]):
        wait_for_ever()
    time.sleep(0.01)
def wait_for_ever():
    time.sleep(1000)
for step in range(1, 1000):
    train_step(step)
"""
DEAF = "import time\ndef wait_for_ever(): time.sleep(1000)\nwait_for_ever()"


def until(condition: Callable[[], Any], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not within its bound"
        time.sleep(0.05)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """A rank: its script and its number."""
    begun: list[subprocess.Popen[bytes]] = []

    def begin(script: str, rank: int, *arguments: str) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "FOOTPLATE_RUN_DIR": str(tmp_path), "RANK": str(rank)}
        process = subprocess.Popen([sys.executable, "-c", script, *arguments], env=environment)
        begun.append(process)
        return process

    yield begin
    for process in begun:
        process.kill()
        process.wait()


def ledger(directory: Path, *processes: subprocess.Popen[bytes], output: float = 0.0) -> None:
    ranks = {str(rank): {"pid": process.pid, "output": output} for rank, process in enumerate(processes)}
    (directory / "ranks.json").write_text(json.dumps(ranks))


def looked(directory: Path, ranks: Ranks | None = None) -> Ranks:
    found = ranks or Ranks(directory, {})
    found.look(time.monotonic())
    return found


def steps_of(directory: Path, rank: int) -> int:
    found = looked(directory).by_rank.get(rank)
    return found.steps.step if found and found.steps else 0


def test_a_rank_that_reports_and_one_that_is_stopped(tmp_path: Path, start: Any) -> None:
    going, stopped = start(TRAIN, 0, "9999"), start(TRAIN, 1, "30")
    ledger(tmp_path, going, stopped)
    until(lambda: steps_of(tmp_path, 1) == 1 and steps_of(tmp_path, 0) > 60)
    os.kill(stopped.pid, signal.SIGSTOP)
    ranks = Ranks(tmp_path, {})
    until(lambda: [b.state for b in looked(tmp_path, ranks).beats(time.monotonic())][1:] == ["T"])
    time.sleep(0.3)
    first, second = looked(tmp_path, ranks).beats(time.monotonic())
    assert (first.rank, second.rank, ranks.total_steps) == (0, 1, 1000)
    assert first.calls > 60
    assert second.silent is not None and second.silent >= 0.3
    assert second.step is not None
    assert second.memory > 1 << 20
    assert 0 < second.cpu < 60
    assert second.age < 60
    going.kill()
    going.wait()
    assert [beat.state for beat in looked(tmp_path, ranks).beats(time.monotonic())] == ["", "T"]


def test_quiet_is_without_cpu_or_output(tmp_path: Path, start: Any) -> None:
    sleeping, busy = start(DEAF, 0), start("while True: pass", 1)
    ledger(tmp_path, sleeping, busy)
    ranks = Ranks(tmp_path, {})
    now = time.monotonic()
    until(lambda: b"wait_for_ever" in (Path(f"/proc/{sleeping.pid}/cmdline").read_bytes()))
    time.sleep(1.0)  # the interpreter has started
    for _ in range(3):
        looked(tmp_path, ranks)
        time.sleep(0.4)
    now = time.monotonic()
    quiet = [beat.quiet for beat in looked(tmp_path, ranks).beats(now)]
    assert quiet[0] > quiet[1]
    assert quiet[1] < 0.5
    ledger(tmp_path, sleeping, busy, output=now)
    assert looked(tmp_path, ranks).beats(time.monotonic())[0].quiet < 0.3, "it printed something"


@pytest.mark.parametrize("stop", [False, True])
def test_stacks_of_processes_that_cannot_answer(tmp_path: Path, start: Any, stop: bool) -> None:
    stuck, deaf = start(TRAIN, 0, "3"), start(DEAF, 1)
    ledger(tmp_path, stuck, deaf)
    until(lambda: steps_of(tmp_path, 0) >= 1)
    time.sleep(0.5)
    if stop:
        os.kill(stuck.pid, signal.SIGSTOP)
        until(lambda: looked(tmp_path).beats(0.0)[0].state == "T")
    ranks = looked(tmp_path)
    found = stacks.dump(ranks, tmp_path, time.monotonic())
    assert [dump.rank for dump in found] == [0, 1]
    assert found[0].excerpt == "wait_for_ever (<string>:10) < train_step (<string>:7) < <module> (<string>:12)"
    assert found[0].text.startswith(f"rank 0, pid {stuck.pid}, state {'T' if stop else 'S'}, ")
    assert "thread MainThread" in found[0].text
    assert found[1].excerpt.startswith("wait_for_ever (<string>:2)")


def test_a_process_writes_its_stacks_itself_where_others_may_not_read_them(
    tmp_path: Path, start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stacks, "spy", lambda: None)
    stuck, deaf = start(TRAIN, 0, "3"), start(DEAF, 1)
    ledger(tmp_path, stuck, deaf)
    until(lambda: steps_of(tmp_path, 0) >= 1)
    time.sleep(0.5)
    first, second = stacks.dump(looked(tmp_path), tmp_path, time.monotonic())
    assert 'line 10 in wait_for_ever < File "<string>", line 7 in train_step' in first.excerpt
    assert stuck.poll() is None, "it goes on"
    assert second.excerpt.startswith("no Python stack, state S"), second.excerpt
    assert "py-spy is not installed" in second.text
    assert deaf.poll() is None, "who does not listen to the signal does not get it"
    stuck.kill()
    stuck.wait()
    gone = stacks.dump(looked(tmp_path), tmp_path, time.monotonic())[0]
    assert gone.excerpt == "its process has ended"


def test_stacks_for_whoever_looks_into_the_pod(tmp_path: Path, start: Any) -> None:
    stuck = start(TRAIN, 0, "3")
    ledger(tmp_path, stuck)
    until(lambda: steps_of(tmp_path, 0) >= 1)
    environment = {**os.environ, "FOOTPLATE_RUN_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "footplate.agent.stacks"]
    done = subprocess.run(command, env=environment, capture_output=True, check=True)
    (found,) = msgspec.json.decode(done.stdout, type=list[Stack])
    assert found.excerpt.startswith("wait_for_ever")


def said(step: int, at: float, own: float = 0.0) -> Steps:
    return Steps(0, 1, step, None, step, own, at, at)


def test_a_steps_time_is_that_between_reports() -> None:
    from collections import deque

    assert pace(deque([said(10, 5.0)])) == (None, None)
    assert pace(deque([said(10, 5.0), said(10, 9.0)])) == (None, None)
    assert pace(deque([said(10, 5.0, 1.0), said(12, 6.0, 1.5), said(14, 9.0, 3.0)])) == (1.0, 0.5)


def test_checkpoints_that_grow_are_seen(tmp_path: Path) -> None:
    written = Written(tmp_path)
    with checkpoint.saving(5, where=tmp_path) as directory:
        (directory / "state").write_text("x")
    written.look(1.0)
    assert (written.at, written.saving) == (None, False), "what was there before says nothing"
    with checkpoint.saving(10, where=tmp_path) as directory:
        written.look(2.0)
        assert written.saving
        (directory / "state").write_text("x")
        written.look(3.0)
        assert written.at == 3.0
        written.look(4.0)
        assert written.at == 3.0
    written.look(5.0)
    assert (written.at, written.saving) == (5.0, False)


class Collector:
    """Speaks `POST /v1/report`; `status` and `answer` are what it says next."""

    def __init__(self) -> None:
        self.reports: list[HeartbeatReport] = []
        self.tokens: list[str] = []
        self.status, self.answer = 200, Answer(every=0.3, sample=0.1)
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if outer.status == 200:
                    outer.reports.append(msgspec.json.decode(body, type=HeartbeatReport))
                    outer.tokens.append(self.headers["Authorization"])
                self.send_response(outer.status)
                self.end_headers()
                self.wfile.write(msgspec.json.encode(outer.answer))

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def beating(tmp_path: Path, records: str = "") -> Iterator[Collector]:
    collector, stop = Collector(), Event()
    (tmp_path / "token").write_text("secret\n")
    environment = {
        **os.environ,
        "FOOTPLATE_COLLECTOR": collector.url,
        "FOOTPLATE_TOKEN_FILE": str(tmp_path / "token"),
        "FOOTPLATE_RUN_DIR": str(tmp_path),
        "FOOTPLATE_CHECKPOINT_DIR": str(tmp_path / "checkpoints"),
        "FOOTPLATE_RECORDS_URI": records,
    }
    told = PodReport(checkpoint_step=20)
    thread = Thread(target=Heart(environment, lambda: told).run, args=(stop,), daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        stop.set()
        thread.join(30.0)
        collector.close()


def test_a_heart_beats_at_the_collectors_pace_and_tells_of_stacks_once_asked(
    tmp_path: Path, start: Any, bucket: str
) -> None:
    stuck = start(TRAIN, 0, "3")
    ledger(tmp_path, stuck)
    with beating(tmp_path, f"{bucket}/jobs/a/uid/attempt-1") as collector:
        until(lambda: any(report.ranks and report.ranks[0].step for report in collector.reports))
        last = collector.reports[-1]
        assert (last.total_steps, last.checkpoint_step, collector.tokens[-1]) == (1000, 20, "Bearer secret")
        shown = msgspec.json.decode((tmp_path / "beat.json").read_bytes(), type=LastBeat)
        assert (shown.ranks[0].step, shown.total_steps) == (last.ranks[0].step, 1000)
        collector.answer = Answer(every=0.3, sample=0.1, dump="r1")
        until(lambda: collector.reports[-1].dumped == "r1")
        assert collector.reports[-1].stacks[0].text.startswith("wait_for_ever")
        store = Store(f"{bucket}/jobs/a/uid/attempt-1", os.environ)
        until(lambda: [item.path for item in store.list()] == ["stacks/rank-0.txt"])
        assert b"thread MainThread" in store.read("stacks/rank-0.txt")
        count = len(collector.reports)
        until(lambda: len(collector.reports) > count + 2)
        sequences = [report.sequence for report in collector.reports]
        assert sequences == sorted(set(sequences))


def test_a_process_that_stops_is_told_at_once_and_a_silent_collector_is_tried_again(
    tmp_path: Path, start: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(heartbeat, "SOON", 0.2)
    rank = start(DEAF, 0)
    ledger(tmp_path, rank)
    with beating(tmp_path) as collector:
        collector.answer = Answer(every=1000.0, sample=0.1)
        until(lambda: collector.reports)
        collector.status = 503
        os.kill(rank.pid, signal.SIGSTOP)
        until(lambda: "are not reported" in capfd.readouterr().err)
        collector.status = 200
        until(lambda: collector.reports[-1].ranks[0].state == "T")


def test_the_last_step_is_told_at_the_end(tmp_path: Path, start: Any) -> None:
    rank = start("from footplate import training\nfor step in range(1, 40): training.report(step)", 0)
    ledger(tmp_path, rank)
    rank.wait()
    with beating(tmp_path) as collector:
        collector.answer = Answer(every=1000.0, sample=1000.0)
        until(lambda: collector.reports)
        count = len(collector.reports)
    assert len(collector.reports) == count + 1
    assert (collector.reports[-1].ranks[0].step, collector.reports[-1].ranks[0].state) == (39, "")


def test_a_store_that_is_away_loses_the_stacks_file_and_nothing_else(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    dump = Stack(3, "excerpt", "text")
    heartbeat.keep([dump], "s3://nowhere/x", {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"})
    assert "the stacks of rank 3 could not be stored" in capfd.readouterr().err


def test_nobody_listens(tmp_path: Path) -> None:
    heartbeat.start({"FOOTPLATE_RUN_DIR": str(tmp_path)}, lambda: None, Event())
