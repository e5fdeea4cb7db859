"""Logs through the API server from a kubelet that serves them from a file. All its pods print the same."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import sleep

import pytest

from tests.conftest import ApiCluster
from tests.integration.cli.conftest import Footplate
from tests.integration.cli.platform import Kubelet, Platform, installed
from tests.integration.cli.played import PlayedJob, PlayedWorkspace


@pytest.fixture(scope="module")
def platform(api_cluster: ApiCluster, object_store: tuple[str, Path]) -> Iterator[Platform]:
    with installed(api_cluster, object_store) as made:
        yield made


def cri(second: int, text: str) -> str:
    return f"2026-01-01T00:00:{second:02d}.000000000Z stdout F {text}\n"


@pytest.fixture
def log(kubelet: Kubelet) -> Path:
    kubelet.log.write_text("")
    return kubelet.log


def append(log: Path, text: str) -> None:
    with log.open("a") as file:
        file.write(text)


def later(*steps: Callable[[], object]) -> threading.Thread:
    """Does them one after another, a while apart, while the command runs."""

    def run() -> None:
        for step in steps:
            sleep(1.0)
            step()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_lines_of_a_job_that_has_ended(footplate: Footplate, kubelet: Kubelet, log: Path) -> None:
    log.write_text(cri(1, "one") + cri(2, "two") + cri(3, "three"))
    job = PlayedJob(kubelet)
    kubelet_pod = job.pod()
    kubelet.end(kubelet_pod, 0)
    job.status("Succeeded", attempts=[{"number": 1}])
    assert footplate("job", "logs", job.name).out == "one\ntwo\nthree\n"
    assert footplate("job", "logs", job.name, "--tail", "1").out == "three\n"
    assert footplate("job", "logs", job.name, "-f").out == "one\ntwo\nthree\n"


def test_lines_of_several_nodes_are_in_the_order_of_time_and_say_whose_they_are(
    footplate: Footplate, kubelet: Kubelet, log: Path
) -> None:
    log.write_text(cri(1, "one") + cri(2, "two"))
    job = PlayedJob(kubelet, nodes=2)
    job.pod(0)
    job.pod(1)
    job.status("Running", attempts=[{"number": 1}])
    assert footplate("job", "logs", job.name).out == "node 0 | one\nnode 1 | one\nnode 0 | two\nnode 1 | two\n"
    assert footplate("job", "logs", job.name, "--node", "1").out == "one\ntwo\n"


def test_a_rank_is_a_node_and_the_launcher_s_prefix(footplate: Footplate, kubelet: Kubelet, log: Path) -> None:
    log.write_text(cri(1, "[2] b") + cri(2, "[3] c") + cri(3, "[12] d") + cri(4, "not a rank's"))
    job = PlayedJob(kubelet, nodes=2, processes=2)
    job.pod(0)
    job.pod(1)
    job.status("Running", attempts=[{"number": 1}])
    assert footplate("job", "logs", job.name, "--rank", "3").out == "[3] c\n"
    beyond = footplate("job", "logs", job.name, "--rank", "4")
    assert beyond.code == 2
    assert "has 2 × 2 processes" in beyond.err
    elsewhere = footplate("job", "logs", job.name, "--rank", "3", "--node", "0")
    assert elsewhere.code == 2
    assert "Rank 3 runs on node 1" in elsewhere.err


def test_following_waits_for_pods_and_ends_with_the_job(footplate: Footplate, kubelet: Kubelet, log: Path) -> None:
    job = PlayedJob(kubelet)
    job.status("Queued", "Waits for 1 GPU.")

    def end() -> None:
        append(log, cri(3, "three"))
        kubelet.end(f"{job.name}-1-0", 0)
        job.status("Succeeded", attempts=[{"number": 1}])

    steps = later(lambda: append(log, cri(1, "one")), job.pod, lambda: append(log, cri(2, "two")), end)
    followed = footplate("job", "logs", job.name, "-f")
    steps.join()
    assert followed.code == 0, followed.err
    assert followed.out == "one\ntwo\nthree\n"
    assert "Waits for 1 GPU." in followed.err


def test_following_goes_on_with_the_next_attempt(footplate: Footplate, kubelet: Kubelet, log: Path) -> None:
    log.write_text(cri(1, "one"))
    job = PlayedJob(kubelet)
    first = job.pod(attempt=1)
    job.status("Running", attempts=[{"number": 1}])

    def fail() -> None:
        kubelet.end(first, 1)
        job.status("Recovering", attempts=[{"number": 1}])

    def end() -> None:
        kubelet.end(f"{job.name}-2-0", 0)
        job.status("Succeeded", attempts=[{"number": 1}, {"number": 2}])

    steps = later(fail, lambda: job.pod(attempt=2), end)
    followed = footplate("job", "logs", job.name, "-f")
    steps.join()
    assert followed.out == "one\none\n"
    assert "--- attempt 2 ---" in followed.err
    assert footplate("job", "logs", job.name, "--attempt", "1").out == "one\n"
    missing = footplate("job", "logs", job.name, "--attempt", "3")
    assert missing.code == 2
    assert "There is no --attempt 3" in missing.err


def test_a_job_without_pods_says_why_there_is_nothing(footplate: Footplate, kubelet: Kubelet) -> None:
    job = PlayedJob(kubelet)
    job.status("Queued", "Waits for 1 GPU.")
    waiting = footplate("job", "logs", job.name)
    assert waiting.code == 3
    assert f"Job {job.name} has no log yet: Waits for 1 GPU." in waiting.err
    assert "-f` waits for it" in waiting.err
    job.status("Succeeded", attempts=[{"number": 1}])
    gone = footplate("job", "logs", job.name, "-f")
    assert gone.code == 3
    assert "has no log any more: its pods are gone" in gone.err


def test_following_ends_when_the_job_is_deleted(footplate: Footplate, kubelet: Kubelet) -> None:
    job = PlayedJob(kubelet)
    job.status("Queued", "Waits.")
    steps = later(job.delete)
    followed = footplate("job", "logs", job.name, "-f")
    steps.join()
    assert followed.code == 0
    assert followed.out == ""


def test_a_run_ends_with_the_exit_code_of_the_program_that_failed_first(
    footplate: Footplate, kubelet: Kubelet, log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from footplate.client.kinds import TRAINING_JOB

    name = f"run{tmp_path.name[-4:].strip('_')}".lower().replace("_", "-")
    log.write_text(cri(1, "out of memory"))
    namespace = kubelet.platform.namespace

    def play() -> None:
        job = PlayedJob.__new__(PlayedJob)
        job.kubelet, job.name, job._resource, job._namespace = kubelet, name, TRAINING_JOB, namespace
        for node in range(2):
            job.pod(node)
        kubelet.end(f"{name}-1-0", 143, at="2026-01-01T00:02:00Z")
        kubelet.end(f"{name}-1-1", 42, at="2026-01-01T00:01:00Z")
        job.status("Failed", "The program ended with exit code 42 on node 1.", attempts=[{"number": 1}])

    steps = later(play)
    command = ("job", "run", "--name", name, "-e", "pytorch", "--nodes", "2", "--", "python3", "x.py")
    ran = footplate(*command)
    steps.join()
    assert ran.code == 42, ran.err
    assert ran.out == "node 0 | out of memory\nnode 1 | out of memory\n"
    assert f"Job {name}: The program ended with exit code 42 on node 1." in ran.err


def test_lines_of_a_workspace(footplate: Footplate, kubelet: Kubelet, log: Path) -> None:
    log.write_text(cri(1, "Jupyter Server is running"))
    workspace = PlayedWorkspace(kubelet)
    waiting = footplate("workspace", "logs", workspace.name)
    assert waiting.code == 3
    assert "has no pod" in waiting.err
    workspace.run()
    assert footplate("workspace", "logs", workspace.name).out == "Jupyter Server is running\n"


def test_following_a_workspace_goes_on_with_the_pod_that_takes_the_first_one_s_place(
    footplate: Footplate, kubelet: Kubelet, log: Path
) -> None:
    log.write_text(cri(1, "starts"))
    workspace = PlayedWorkspace(kubelet)
    first = workspace.run(1)

    def lose() -> None:
        kubelet.end(first, 137)
        kubelet.delete_pod(first)

    def stop() -> None:
        kubelet.end(f"{workspace.name}-2", 0)
        assert footplate_stop(kubelet.platform, workspace.name)

    steps = later(lose, lambda: workspace.run(2), stop)
    followed = footplate("workspace", "logs", workspace.name, "-f")
    steps.join()
    assert followed.code == 0, followed.err
    assert followed.out == "starts\nstarts\n"


def footplate_stop(platform: Platform, name: str) -> bool:
    from footplate.client.kinds import WORKSPACE

    patch = {"spec": {"desiredState": "Stopped"}}
    return bool(platform.kube(lambda client: client.patch(WORKSPACE, name, patch, platform.namespace)))


def test_ranks_are_shown_with_their_nodes(footplate: Footplate, kubelet: Kubelet) -> None:
    played = PlayedJob(kubelet, nodes=2)
    for node in range(2):
        kubelet.end(played.pod(node), node)
    played.status("Failed", "It failed: no.", attempts=[{"number": 1, "nodes": 2}])
    shown = footplate("job", "show", played.name)
    assert shown.code == 0, shown.err
    ranks = shown.out.partition("Ranks\n")[2].partition("\n\n")[0].splitlines()
    assert [line.split()[0] for line in ranks] == ["NODE", "0", "1"]
    assert "ended, exit code 0" in ranks[1]
    assert "ended, exit code 1" in ranks[2]
    assert f"{played.name}-1-1" in ranks[2]


def test_jobs_of_all_teams_are_listed_with_their_team(
    footplate: Footplate, platform: Platform, kubelet: Kubelet
) -> None:
    played = PlayedJob(kubelet)
    listed = footplate("job", "list", "--all-teams")
    assert listed.code == 0, listed.err
    assert listed.out.split()[:2] == ["TEAM", "NAME"]
    assert any(line.split()[:2] == [platform.team, played.name] for line in listed.out.splitlines())
    assert footplate("workspace", "list", "-A").code == 0
