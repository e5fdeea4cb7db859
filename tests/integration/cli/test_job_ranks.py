"""`job top` and `job stacks` of a job whose pods' commands run on this machine: the ranks are processes of the test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

import footplate as sdk
from footplate.agent import heartbeat
from footplate.agent.ranks import Ranks
from footplate.api.reports import LastBeat, Stack
from footplate.errors import Conflict, NotFound
from tests.conftest import ApiCluster
from tests.integration.cli.conftest import Footplate
from tests.integration.cli.platform import Kubelet, Platform, installed
from tests.integration.cli.played import PlayedJob


@pytest.fixture(scope="module")
def platform(api_cluster: ApiCluster, object_store: tuple[str, Path]) -> Iterator[Platform]:
    with installed(api_cluster, object_store) as made:
        yield made


TRAIN = """
import time
from footplate import training
def train_step():
    time.sleep(0.05)
for step in range(1, 100000):
    train_step()
    training.report(step, total_steps=100000)
"""


@pytest.fixture
def running(kubelet: Kubelet) -> Iterator[PlayedJob]:
    """Of one node with two ranks, of which the agent has told."""
    job = PlayedJob(kubelet, processes=2)
    attempt = {"number": 1, "nodes": 1, "start": "2026-01-01T00:00:00Z"}
    slow = {"rank": 1, "node": kubelet.node, "times": 2.5, "since": "2026-01-01T00:00:00Z"}
    job.status("Running", "It is running.", attempts=[attempt], stragglers=[slow])
    job.pod()
    environment = {**os.environ, "FOOTPLATE_RUN_DIR": str(kubelet.run)}
    begun = [subprocess.Popen([sys.executable, "-c", TRAIN], env={**environment, "RANK": str(rank)}) for rank in (0, 1)]
    (kubelet.run / "ranks.json").write_text(
        json.dumps({str(rank): {"pid": process.pid, "output": 0.0} for rank, process in enumerate(begun)})
    )
    ranks = Ranks(kubelet.run, {})
    ends = time.monotonic() + 30.0
    while not (beats := ranks.beats(time.monotonic())) or any(beat.step_seconds is None for beat in beats):
        assert time.monotonic() < ends
        ranks.look(time.monotonic())
        time.sleep(0.1)
    seen = LastBeat(time.time() - 5.0, beats, ranks.total_steps)
    (kubelet.run / "beat.json").write_bytes(msgspec.json.encode(seen))
    yield job
    for process in begun:
        process.kill()
        process.wait()
    job.delete()


def test_top_shows_each_rank(footplate: Footplate, running: PlayedJob) -> None:
    found = footplate("job", "top", running.name)
    assert found.code == 0, found.err
    assert not found.err
    headline, heads, first, second = found.out.splitlines()
    assert headline.startswith(f"Job {running.name}, attempt 1: step ")
    assert headline.endswith(" of 100000")
    assert heads.split() == ["RANK", "NODE", "STEP", "STEPS/S", "CPU", "MEMORY", "REPORTED", "STATE"]
    assert first.split()[:2] == ["0", running.kubelet.node]
    assert second.split()[-1] in ("sleeping", "running")
    data = json.loads(footplate("job", "top", running.name, "-o", "json").out)
    one = data["ranks"][1]
    assert (one["rank"], one["node"], data["totalSteps"], data["slowNodes"]) == (1, running.kubelet.node, 100000, [])
    assert 5 < one["stepsPerSecond"] < 20
    assert 5 <= one["lastReportSeconds"] < 600, "five seconds at least when the agent last looked"
    assert one["memoryBytes"] > 1 << 20


def test_stacks_show_what_each_rank_is_doing(footplate: Footplate, running: PlayedJob) -> None:
    shown = footplate("job", "stacks", running.name)
    assert shown.code == 0, shown.err
    assert shown.out.count("thread MainThread") == 2
    assert "train_step (<string>:5)" in shown.out or "<module>" in shown.out
    data = json.loads(footplate("job", "stacks", running.name, "--rank", "1", "-o", "json").out)
    assert [stack["rank"] for stack in data] == [1]
    missing = footplate("job", "stacks", running.name, "--rank", "2")
    assert missing.code != 0
    assert f"Job {running.name} has no rank 2." in missing.err


def test_stacks_of_an_attempt_that_hung_are_kept(
    footplate: Footplate, running: PlayedJob, kubelet: Kubelet, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = f"s3://footplate/state/jobs/{kubelet.platform.team}/{running.name}/attempt"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-key")
    store = {**os.environ, "AWS_ENDPOINT_URL": kubelet.platform.store}
    heartbeat.keep([Stack(0, "", "rank 0: waits\n"), Stack(11, "", "rank 11: stopped\n")], f"{uri}-1", store)
    end = "2026-01-01T00:00:00Z"
    attempts = [{"number": n, "logUri": f"{uri}-{n}", **({"end": end} if n < 3 else {})} for n in (1, 2, 3)]
    running.status("Running", attempts=attempts)
    shown = footplate("job", "stacks", running.name, "--attempt", "1")
    assert (shown.code, shown.out) == (0, "rank 0: waits\n\nrank 11: stopped\n"), shown.err
    assert "attempt 1, before it was ended" in shown.err
    assert footplate("job", "stacks", running.name, "--attempt", "1", "--rank", "11").out == "rank 11: stopped\n"
    none = footplate("job", "stacks", running.name, "--attempt", "2")
    assert none.code != 0
    assert f"There are no stacks of attempt 2 of job {running.name}." in none.err
    running.status("Failed", attempts=[{**one, "end": end} for one in attempts])
    assert footplate("job", "stacks", running.name).out.startswith("rank 0: waits"), "the last that has some"


def test_explain_names_the_slow_ranks(footplate: Footplate, running: PlayedJob) -> None:
    shown = footplate("job", "explain", running.name).out
    assert "Slow ranks, for which the others wait" in shown
    assert "2.5 × the others' time" in shown
    data = json.loads(footplate("job", "explain", running.name, "-o", "json").out)
    assert data["slow"][0]["rank"] == 1


def test_the_sdk_has_both(
    footplate: Footplate, running: PlayedJob, kubelet: Kubelet, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform = kubelet.platform
    for name, value in platform.environment(kubelet.run.parent).items():
        monkeypatch.setenv(name, value)
    with sdk.Client(team=platform.team, kubeconfig=platform.kubeconfig) as client:
        job = client.job(running.name)
        assert [row.beat.rank for row in job.top().rows] == [0, 1]
        assert "MainThread" in job.stacks(1)[1]
        with pytest.raises(NotFound, match="no rank 7"):
            job.stacks(7)
        running.status("Suspended", attempts=[{"number": 1, "end": "2026-01-01T00:00:00Z"}])
        with pytest.raises(Conflict, match=r"does not run now \(Suspended\)"):
            job.top()


def test_what_an_agent_cannot_tell_is_said(footplate: Footplate, running: PlayedJob, kubelet: Kubelet) -> None:
    (kubelet.run / "beat.json").unlink()
    found = footplate("job", "top", running.name)
    assert "its agent has not looked at its ranks yet" in found.err
