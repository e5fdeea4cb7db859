"""Which pod has a job's Ray dashboard, and what is said where none has."""

from typing import Any

import msgspec
import pytest

from footplate.agent import ray_node
from footplate.api import TrainingJob
from footplate.client import dashboards
from footplate.client.pods import Pod
from footplate.errors import BadUsage, Conflict


def job(launcher: str, **status: Any) -> TrainingJob:
    spec = {"environment": "ray", "command": ["train"], "launcher": launcher}
    return msgspec.convert(
        {"metadata": {"name": "j", "namespace": "team-a"}, "spec": spec, "status": status}, TrainingJob
    )


def pod(attempt: int, rank: int, **state: Any) -> Pod:
    annotations = {"batch.kubernetes.io/job-completion-index": str(rank)}
    described = {"name": f"j-{attempt}-{rank}", "namespace": "team-a", "annotations": annotations}
    status = {"containerStatuses": [{"name": "main", "state": state}]}
    return msgspec.convert({"metadata": described, "spec": {"containers": [{"name": "main"}]}, "status": status}, Pod)


RUNNING: dict[str, Any] = {"running": {}}
ENDED: dict[str, Any] = {"terminated": {"exitCode": 1}}


def test_it_is_the_first_node_of_the_attempt_that_runs() -> None:
    found = [pod(1, 0, **ENDED), pod(1, 1, **RUNNING), pod(2, 0, **RUNNING), pod(2, 1, **RUNNING)]
    assert dashboards.head_of(job("ray"), found) == ("team-a", "j-2-0")


def test_a_job_without_ray_or_without_a_running_head_says_so() -> None:
    with pytest.raises(BadUsage, match="Job j has no dashboard: its launcher is torchrun"):
        dashboards.head_of(job("torchrun"), [pod(1, 0, **RUNNING)])
    with pytest.raises(Conflict, match="The first node of job j does not run: waits for 2 GPUs"):
        dashboards.head_of(job("ray", message="waits for 2 GPUs"), [pod(1, 0, **ENDED)])


def test_it_listens_where_the_node_has_told_ray_to() -> None:
    assert dashboards.PORT == ray_node.DASHBOARD_PORT
