from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from footplate.api import (
    Condition,
    ObjectMeta,
    Resources,
    TrainingJob,
    TrainingJobSpec,
    TrainingJobStatus,
    Workspace,
    WorkspaceSpec,
    WorkspaceStatus,
)
from footplate.api.resources import Gpu
from footplate.api.trainingjob import Attempt, Cause, CauseClass, JobPhase, Pending, Progress
from footplate.api.workspace import WorkspacePhase
from footplate.cli import human
from footplate.cli.ending import told
from footplate.cli.showing import cause_text, job_page, workspace_page
from footplate.client.pods import Pod

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def ago(**span: float) -> datetime:
    return NOW - timedelta(**span)


def condition(type: str, status: str, message: str) -> Condition:
    return Condition(type, status, "Because", message, NOW)  # type: ignore[arg-type]


def rank(index: int, node: str, state: dict[str, Any] | None) -> Pod:
    marks = {"batch.kubernetes.io/job-completion-index": str(index)}
    status = {"containerStatuses": [{"name": "main", "state": state}] if state else []}
    spec = {"nodeName": node, "containers": [{"name": "main"}]}
    found = {"metadata": {"name": f"digits-2-{index}", "annotations": marks}, "spec": spec, "status": status}
    return msgspec.convert(found, Pod)


PODS = [
    rank(0, "node-1", {"running": {}}),
    rank(1, "", None),
    rank(2, "node-2", {"terminated": {"exitCode": 137}}),
]
META = ObjectMeta(name="digits", namespace="team-vision", generation=1, creation_timestamp=ago(minutes=10))


def test_a_job_that_recovered_tells_its_story() -> None:
    job = TrainingJob(
        META,
        TrainingJobSpec(
            environment="pytorch",
            command=("python3", "train.py"),
            args=("--note", "two words"),
            nodes=2,
            resources=Resources(cpu="8", memory="64Gi", gpu=Gpu(count=8, type="H100")),
            owner="ada",
        ),
        TrainingJobStatus(
            phase=JobPhase.RUNNING,
            message="It runs again, from step 300.",
            started_at=ago(minutes=9),
            attempts=(
                Attempt(
                    1,
                    nodes=2,
                    start=ago(minutes=9),
                    running=ago(minutes=8),
                    end=ago(minutes=4),
                    cause=Cause(CauseClass.INFRA, "node-3 went away"),
                    checkpoint_step=300,
                ),
                Attempt(2, nodes=2, start=ago(minutes=3), running=ago(minutes=2)),
            ),
            progress=Progress(step=420, total_steps=1000, checkpoint_step=400),
            conditions=(
                condition("Honoured", "False", "This version does not act on placement.targets."),
                condition("Admitted", "True", "It was admitted."),
            ),
            observed_generation=1,
        ),
    )
    assert job_page(job, " -t vision", PODS, NOW) == (
        "It runs again, from step 300.\n"
        "\n"
        "Job          digits\n"
        "Team         vision\n"
        "Owner        ada\n"
        "Phase        Running, for 9m\n"
        "Command      python3 train.py --note 'two words'\n"
        "Environment  pytorch\n"
        "Nodes        2 × 8 processes, each 8 CPU, 64Gi memory, 8 H100 GPUs\n"
        "Step         420 of 1000\n"
        "Checkpoint   step 400\n"
        "Created      10m ago\n"
        "\n"
        "Attempts\n"
        "  #  TARGET   NODES  BEGAN   WAITED  RAN  CHECKPOINT  ENDED BY\n"
        "  1  cluster  2      9m ago  1m      4m   step 300    Infra: node-3 went away\n"
        "  2  cluster  2      3m ago  1m      2m   -           (running)\n"
        "\n"
        "Ranks\n"
        "  NODE RANK  NODE    STATE                 POD\n"
        "  0          node-1  running               digits-2-0\n"
        "  1          -       waiting for a node    digits-2-1\n"
        "  2          node-2  ended, exit code 137  digits-2-2\n"
        "\n"
        "Worth knowing\n"
        "  Honoured=False  This version does not act on placement.targets.\n"
        "\n"
        "Next\n"
        "  footplate job logs digits -f -t vision\n"
        "  footplate job cancel digits -t vision"
    )


def test_what_the_sentence_says_is_not_repeated_in_the_table() -> None:
    cause = Cause(CauseClass.INFRA, "node n1 does not answer", "NodeNotReady", suspect_nodes=("n1",))
    status = TrainingJobStatus(
        phase=JobPhase.FAILED,
        message="It failed: node n1 does not answer.",
        attempts=(Attempt(1, start=ago(minutes=3), end=ago(minutes=1), cause=cause),),
        observed_generation=1,
    )
    page = job_page(TrainingJob(META, TrainingJobSpec(environment="e", command=("x",)), status), "", (), NOW)
    assert page.count("node n1 does not answer") == 1
    assert "Infra/NodeNotReady, as said above; avoids n1" in page


def test_the_ranks_of_a_large_job_are_not_all_listed() -> None:
    many = [msgspec.convert({"metadata": {"name": f"p{n}"}}, Pod) for n in range(20)]
    page = job_page(TrainingJob(META, TrainingJobSpec(environment="e", command=("x",))), "", many, NOW)
    assert "p15" in page
    assert "p16" not in page
    assert "… and 4 more" in page


def test_a_job_that_waits_says_where_it_stands_and_what_would_help() -> None:
    status = TrainingJobStatus(
        phase=JobPhase.QUEUED,
        message="Waits for 8 H100.",
        pending=Pending("Capacity", "Waits for 8 H100.", position=3, next_action="ask for fewer GPUs"),
        attempts=(Attempt(1, nodes=2, start=ago(minutes=3)),),
        conditions=(condition("Admitted", "False", "Waits for 8 H100."), condition("Running", "False", "Not yet.")),
        observed_generation=1,
    )
    page = job_page(TrainingJob(META, TrainingJobSpec(environment="e", command=("x",)), status), "", (), NOW)
    assert page.startswith("Waits for 8 H100.\n")
    assert "3 in the queue" in page
    assert "ask for fewer GPUs" in page
    assert page.count("Waits for 8 H100.") == 1
    assert "Running=False" in page
    assert "  1  cluster  2      3m ago  3m      -    -           (queued)" in page


def test_a_job_that_nobody_has_looked_at_says_so() -> None:
    page = job_page(TrainingJob(META, TrainingJobSpec(environment="e", command=("x",))), "", (), NOW)
    assert page.startswith("Waiting for Footplate's controllers to look at it")


def test_a_workspace_that_runs() -> None:
    state = Workspace(
        META,
        WorkspaceSpec(environment="jupyter", owner="ada"),
        WorkspaceStatus(
            phase=WorkspacePhase.RUNNING,
            message="It runs.",
            started_at=ago(hours=2, minutes=5),
            pod_name="digits",
            node_name="node-1",
            observed_generation=1,
            conditions=(condition("Honoured", "False", "This version does not act on idle."),),
        ),
    )
    page = workspace_page(state, 20123, "", NOW)
    assert "Phase        Running, for 2h5m" in page
    assert "digits on node-1" in page
    assert "http://127.0.0.1:20123 (tunnel open)" in page
    assert "Honoured=False  This version does not act on idle." in page
    assert "footplate workspace open digits" in page


def test_a_workspace_that_failed_offers_another_try() -> None:
    status = WorkspaceStatus(
        phase=WorkspacePhase.FAILED,
        message="It ended five times in a row.",
        restarts=5,
        retry_at=NOW + timedelta(seconds=90),
        observed_generation=1,
        conditions=(condition("Ready", "False", "exit code 137, out of memory"),),
    )
    page = workspace_page(Workspace(META, WorkspaceSpec(environment="jupyter"), status), None, "", NOW)
    assert "Restarts     5" in page
    assert "Next start   in 1m30s" in page
    assert "Ready=False  exit code 137, out of memory" in page
    assert "footplate workspace start digits" in page


def test_long_texts_are_wrapped_under_themselves() -> None:
    lines = human.wrapped([("Ready=False", "word " * 60)])
    assert len(lines) > 1
    assert all(line.startswith(" " * 13) for line in lines[1:])


def test_gpus() -> None:
    assert human.gpus(Resources()) == ""
    assert human.gpus(Resources(gpu=Gpu(count=2))) == "2"
    assert human.gpus(Resources(gpu=Gpu(count=1, type="A100-80GB", share="1g.10gb"))) == "1 × 1g.10gb of A100-80GB"


def test_a_cause_says_its_class_and_what_follows_from_it() -> None:
    cause = Cause(CauseClass.INFRA, "node n3 does not answer", reason="NodeNotReady", suspect_nodes=("n3",))
    assert cause_text(cause) == "Infra/NodeNotReady: node n3 does not answer; avoids n3"
    hopeless = Cause(CauseClass.APP, "no such module", reason="CodeError", retry=False)
    assert cause_text(hopeless) == "App/CodeError: no such module; not tried again"


def test_how_a_job_ended_is_one_sentence() -> None:
    def ended(message: str | None) -> TrainingJob:
        status = TrainingJobStatus(phase=JobPhase.FAILED, message=message)
        return TrainingJob(META, TrainingJobSpec(environment="e", command=("x",)), status)

    assert told(ended("It succeeded.")) == "Job digits succeeded."
    assert told(ended("Environment 'x' does not exist.")) == "Job digits: Environment 'x' does not exist."
    assert told(ended(None)) == "Job digits ended: Failed."
