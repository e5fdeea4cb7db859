"""What is left of a job when its pods are gone, in a real object store: logs, metrics, artifacts. The agent writes it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from footplate.agent.launch import Kept
from footplate.agent.recording import Recording
from footplate.agent.store import Store
from footplate.api import records
from footplate.client.kinds import TRAINING_JOB
from footplate.sdk import Client
from tests.conftest import ApiCluster
from tests.integration.cli.conftest import Footplate
from tests.integration.cli.platform import Kubelet, Platform, installed
from tests.integration.cli.played import PlayedJob
from tests.integration.cli.test_logs import append, cri, later


@pytest.fixture(scope="module")
def platform(api_cluster: ApiCluster, object_store: tuple[str, Path]) -> Iterator[Platform]:
    with installed(api_cluster, object_store) as made:
        yield made


class Recorded:
    """A job whose attempts left something."""

    def __init__(self, kubelet: Kubelet, root: Path, nodes: int = 1, processes: int = 1) -> None:
        self.played = PlayedJob(kubelet, nodes, processes)
        self.name = self.played.name
        self._root = root
        self._platform = kubelet.platform
        found = kubelet.platform.kube(lambda client: client.get(TRAINING_JOB, self.name, kubelet.platform.namespace))
        self._uid = found["metadata"]["uid"]

    def uri(self, attempt: int) -> str:
        return records.records_uri("s3://footplate/state", self._platform.team, self._uid, attempt)

    def keep(self, write: Callable[[Path], object], node: int = 0, attempt: int = 1) -> None:
        """What `write` puts into a run directory, as the agent of that node keeps it."""
        directory = self._root / f"{self.name}-{attempt}-{node}"
        directory.mkdir(exist_ok=True)
        write(directory)
        environment = {
            "FOOTPLATE_RUN_DIR": str(directory),
            "FOOTPLATE_RECORDS_URI": self.uri(attempt),
            "NODE_RANK": str(node),
            "AWS_ENDPOINT_URL": self._platform.store,
            "AWS_REGION": "us-east-1",
            "FOOTPLATE_ARTIFACTS_LIMIT": "1000",
        }
        Recording(environment).finish()

    def output(self, rank: int, *lines: str, node: int = 0, attempt: int = 1) -> None:
        def write(directory: Path) -> None:
            kept = Kept(directory / "logs" / f"rank-{rank}")
            for line in lines:
                kept.write([line.encode()])

        self.keep(write, node, attempt)

    def reported(self, attempt: int, *rows: dict[str, object]) -> None:
        text = "".join(json.dumps({"time": 1.0, **row}) + "\n" for row in rows)
        self.keep(lambda directory: (directory / "metrics.jsonl").write_text(text), attempt=attempt)

    def attempts(self, count: int, nodes: int = 1) -> list[dict[str, object]]:
        end = "2026-01-01T00:00:00Z"
        return [
            {"number": number, "nodes": nodes, "logUri": self.uri(number), **({"end": end} if number < count else {})}
            for number in range(1, count + 1)
        ]


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the agents that the tests play; people have those of the team's Secret."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-key")


pytestmark = pytest.mark.usefixtures("keys")


def test_logs_outlive_the_pods(footplate: Footplate, kubelet: Kubelet, tmp_path: Path) -> None:
    job = Recorded(kubelet, tmp_path)
    job.output(0, "first of the first", attempt=1)
    job.output(0, *(f"line {number}" for number in range(30)), attempt=2)
    job.played.status("Succeeded", attempts=job.attempts(2))
    assert footplate("job", "logs", job.name).out == "".join(f"line {number}\n" for number in range(30))
    assert footplate("job", "logs", job.name, "-f").out.endswith("line 29\n")
    assert footplate("job", "logs", job.name, "--attempt", "1").out == "first of the first\n"
    assert footplate("job", "logs", job.name, "--tail", "2").out == "line 28\nline 29\n"
    assert footplate("job", "logs", job.name, "--tail", "0").out == ""
    assert footplate("job", "logs", job.name, "--since", "1h", "--tail", "1").out == "line 29\n"
    later_on = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert footplate("job", "logs", job.name, "--since", later_on).out == ""
    assert footplate("job", "logs", job.name, "--since", "soon").code == 2


def test_ranks_and_nodes_are_told_apart_as_in_the_logs_of_pods(
    footplate: Footplate, kubelet: Kubelet, tmp_path: Path
) -> None:
    job = Recorded(kubelet, tmp_path, nodes=2, processes=2)
    for rank in range(4):
        job.output(rank, f"of {rank}", node=rank // 2)
    job.keep(lambda directory: Kept(directory / "logs" / "node-1").write([b"footplate: rank 3 exited"]), node=1)
    job.played.status("Failed", attempts=job.attempts(1, nodes=2))
    shown = footplate("job", "logs", job.name).out
    assert shown.splitlines() == [
        "node 0 | [0] of 0",
        "node 0 | [1] of 1",
        "node 1 | [2] of 2",
        "node 1 | [3] of 3",
        "node 1 | footplate: rank 3 exited",
    ]
    assert footplate("job", "logs", job.name, "--rank", "2").out == "[2] of 2\n"
    assert footplate("job", "logs", job.name, "--node", "1", "--tail", "1").out == "footplate: rank 3 exited\n"


def test_a_node_whose_pod_is_gone_is_read_from_the_store_and_the_others_from_their_pods(
    footplate: Footplate, kubelet: Kubelet, tmp_path: Path
) -> None:
    kubelet.log.write_text(cri(1, "from the pod"))
    job = Recorded(kubelet, tmp_path, nodes=2)
    job.output(1, "from the store", node=1)
    kubelet.end(job.played.pod(0), 0)
    job.played.status("Succeeded", attempts=job.attempts(1, nodes=2))
    assert footplate("job", "logs", job.name).out == "node 0 | from the pod\nnode 1 | from the store\n"


def test_the_last_lines_of_a_pod_that_is_deleted_while_it_is_followed_come_from_the_store(
    footplate: Footplate, kubelet: Kubelet, tmp_path: Path
) -> None:
    kubelet.log.write_text("")
    job = Recorded(kubelet, tmp_path)
    pod = job.played.pod()
    job.played.status("Running", attempts=job.attempts(1))
    job.output(0, "seen", "seen too")
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")

    def lose() -> None:
        job.output(0, "never seen")
        kubelet.delete_pod(pod)
        job.played.status("Failed", attempts=job.attempts(1))

    steps = later(lambda: append(kubelet.log, f"{now} stdout F seen\n{now} stdout F seen too\n"), lambda: None, lose)
    followed = footplate("job", "logs", job.name, "-f")
    steps.join()
    assert followed.out == "seen\nseen too\nnever seen\n", followed.err


def test_a_job_of_which_nothing_is_kept_says_where_it_was(
    footplate: Footplate, kubelet: Kubelet, tmp_path: Path
) -> None:
    job = Recorded(kubelet, tmp_path)
    job.played.status("Succeeded", attempts=job.attempts(1))
    gone = footplate("job", "logs", job.name)
    assert gone.code == 3
    assert f"nothing of it is at {job.uri(1)}/logs any more" in gone.err


def test_metrics_of_several_attempts_are_one_curve(footplate: Footplate, kubelet: Kubelet, tmp_path: Path) -> None:
    job = Recorded(kubelet, tmp_path)
    job.reported(1, *({"step": step, "loss": 10.0 - step} for step in range(1, 6)))
    job.reported(2, {"step": 4, "loss": 5.5}, {"step": 5, "loss": "NaN"}, {"step": 5, "accuracy": 0.9})
    job.played.status("Succeeded", attempts=job.attempts(2))
    rows = json.loads(footplate("job", "metrics", job.name, "-o", "json", "-m", "loss").out)
    assert [(row["step"], row["attempt"], row["loss"]) for row in rows] == [
        (1, 1, 9.0),
        (2, 1, 8.0),
        (3, 1, 7.0),
        (4, 2, 5.5),
        (5, 2, "NaN"),
    ]
    table = footplate("job", "metrics", job.name, "--plot").out
    assert "loss" in table
    assert "5.5 (step 4)" in table
    assert "┤" in table
    assert footplate("job", "metrics", job.name, "-o", "csv").out.splitlines()[:2] == [
        "step,time,attempt,loss,accuracy",
        "1,1.0,1,9.0,",
    ]
    wrong = footplate("job", "metrics", job.name, "-m", "los")
    assert wrong.code == 2
    assert "it reports loss, accuracy" in wrong.err


def test_artifacts_are_listed_and_fetched(
    footplate: Footplate, kubelet: Kubelet, tmp_path: Path, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = Recorded(kubelet, tmp_path)

    def write(directory: Path) -> None:
        for path, size in (("artifacts/deep/model.pt", 500), ("artifacts/huge", 2000), ("tensorboard/events", 10)):
            (directory / path).parent.mkdir(parents=True, exist_ok=True)
            (directory / path).write_bytes(b"x" * size)

    job.keep(write)
    job.played.status("Succeeded", attempts=job.attempts(1))
    listed = footplate("job", "artifacts", job.name, "--download", str(tmp_path / "here"))
    assert "artifacts/node-0/deep/model.pt" in listed.out
    assert "huge" not in listed.out
    assert "huge (2KiB) was left out" in listed.err
    assert (tmp_path / "here" / "attempt-1" / "artifacts" / "node-0" / "deep" / "model.pt").stat().st_size == 500
    assert (tmp_path / "here" / "attempt-1" / "tensorboard" / "node-0" / "events").stat().st_size == 10
    for name, value in platform.environment(tmp_path / "data").items():
        monkeypatch.setenv(name, value)
    with Client(context=platform.context, kubeconfig=platform.kubeconfig, team=platform.team) as client:
        found = client.job(job.name)
        assert [artifact.size for artifact in found.artifacts()] == [500, 10]


def test_a_purge_removes_all_that_the_job_left(
    footplate: Footplate, kubelet: Kubelet, tmp_path: Path, platform: Platform
) -> None:
    job, other = Recorded(kubelet, tmp_path), Recorded(kubelet, tmp_path)
    for one in (job, other):
        one.output(0, "a line")
        one.played.status("Succeeded", attempts=one.attempts(1))
    assert footplate("job", "delete", job.name, "--purge", "--yes").code == 0
    environment = {**os.environ, "AWS_ENDPOINT_URL": platform.store, "AWS_REGION": "us-east-1"}
    assert Store(job.uri(1), environment).list() == []
    assert Store(other.uri(1), environment).list() != []


def test_what_jobs_cost_is_never_said_to_be_nothing_where_no_price_is_known(
    footplate: Footplate, kubelet: Kubelet
) -> None:
    job = PlayedJob(kubelet)
    attempt = {"number": 1, "start": "2026-01-01T00:00:00Z", "running": "2026-01-01T00:00:00Z"}
    job.status("Running", attempts=[attempt])
    shown = footplate("report", "cost", "--since", "1h")
    assert shown.code == 0, shown.err
    row = next(line for line in shown.out.splitlines() if job.name in line)
    assert "no price" in row
    assert "nodes that name no machine type: 1 h" in row
    assert "no price is known of nodes that name no machine type" in shown.err
