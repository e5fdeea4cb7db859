"""The pods as they are sent, kept as JSON: `FOOTPLATE_WRITE_GOLDEN=1 pytest tests/unit/controllers` writes them anew."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from footplate.controllers.trainingjob import shape
from footplate.controllers.trainingjob.queueing import Queueing
from footplate.controllers.trainingjob.shape import Form
from footplate.controllers.workspace.pod import pod
from tests.unit.controllers.build import PLATFORM, job, workspace

GOLDEN = Path(__file__).parent / "golden"
DATASETS = [
    {"name": "digits", "uri": "s3://data/digits"},
    {"name": "shared", "uri": "pvc://team-data/images", "path": "/mnt/images"},
    {"name": "scratch", "uri": "pvc://scratch", "readOnly": False},
]
H100 = {"cpu": "32", "memory": "256Gi", "gpu": {"count": 8, "type": "H100"}}


def image_pod(**spec: Any) -> Any:
    return pod(workspace(**spec), "footplate.local/jupyter:0123456789ab", PLATFORM)


def attempt(number: int = 1, queueing: Queueing = Queueing.NATIVE, **spec: Any) -> Any:
    form = Form("footplate.local/pytorch:0123456789ab", PLATFORM, PLATFORM.teams[0], queueing, spec.get("nodes", 1))
    return shape.batch_job(job(**spec), number, form)


SHAPES = {
    "workspace": image_pod,
    "workspace-gpu-datasets": lambda: image_pod(
        resources=H100, datasets=DATASETS, env={"MODE": "x"}, owner="bob@example.com", home={"size": "0"}
    ),
    "job-one-node": attempt,
    "job-gang": lambda: attempt(
        number=3,
        nodes=4,
        resources=H100,
        datasets=DATASETS,
        code={"uri": "s3://footplate/teams/vision/code/abc.tar.gz", "path": "src"},
        args=["--epochs", "3"],
        env={"LR": "0.1", "MASTER_ADDR": "wrong"},
        checkpoint={"uri": "s3://mine/checkpoints", "grace": "2m"},
        priority="batch",
    ),
    "job-kueue-plain-command": lambda: attempt(
        queueing=Queueing.KUEUE, nodes=2, launcher="none", queue="night", processesPerNode=4
    ),
}


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_is_as_it_was_agreed(name: str) -> None:
    made = json.dumps(SHAPES[name](), indent=2, sort_keys=True) + "\n"
    path = GOLDEN / f"{name}.json"
    if os.environ.get("FOOTPLATE_WRITE_GOLDEN"):
        path.write_text(made)
    assert made == path.read_text()


def test_a_program_without_launcher_in_an_image_of_ones_own_is_started_as_it_is() -> None:
    """It may have no Python. Its agent keeps what is not its output all the same."""
    made = attempt(launcher="none", environment=None, image="registry.example/vision/x")["spec"]["template"]["spec"]
    assert made["containers"][0]["command"] == ["python3", "train.py"]
    assert "FOOTPLATE_RECORDS_URI" in {one["name"] for one in made["initContainers"][1]["env"]}


def test_the_gang_and_the_names_of_an_attempt() -> None:
    four = job(nodes=4)
    group = shape.pod_group(four, 2, 4)
    assert group["metadata"]["name"] == "train-2"
    assert group["spec"] == {
        "schedulingPolicy": {"gang": {"minCount": 4}},
        "disruptionMode": {"all": {}},
        "priorityClassName": "footplate-training",
    }
    service = shape.service(four, 2)["spec"]
    assert service["publishNotReadyAddresses"] is True
    assert service["selector"] == {"footplate.dev/job": "train", "footplate.dev/attempt": "2"}
