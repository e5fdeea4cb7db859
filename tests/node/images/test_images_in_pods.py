"""Each image in a real pod under Pod Security `restricted`: JupyterLab with the SDK, a distributed training, the agent."""

import hashlib
import io
import json
import os
import tarfile
import time
from pathlib import Path

import pytest

from footplate import api, checkpoint
from footplate.agent.store import Store
from footplate.api.trainingjob import Checkpoint, Code, TrainingJobSpec
from footplate.controllers import podshape
from footplate.controllers.trainingjob import shape
from footplate.controllers.trainingjob.queueing import Queueing
from tests.node.images.conftest import Json, Place, until

EXAMPLES = Path(__file__).parents[3] / "examples"


def container(image: str, *command: str, **fields: object) -> Json:
    return {
        "name": "main", "image": image, "imagePullPolicy": "Never", "command": list(command),
        "securityContext": podshape.CONTAINER_SECURITY, **fields,
    }  # fmt: skip


def pod(name: str, main: Json) -> Json:
    spec = {"restartPolicy": "Never", "securityContext": podshape.POD_SECURITY, "containers": [main]}
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {**spec, "automountServiceAccountToken": False, "terminationGracePeriodSeconds": 1},
    }  # fmt: skip


@pytest.mark.parametrize("name", ["jupyter", "pytorch"])
def test_jupyterlab_answers_and_runs_a_notebook_with_the_sdk(place: Place, name: str) -> None:
    probe = {"httpGet": {"path": "/api", "port": 8888}, "periodSeconds": 1}
    env = [{"name": "JUPYTER_TOKEN", "value": "secret"}, {"name": "FOOTPLATE_WORKSPACE", "value": "demo"}]
    lab = ["jupyter", "lab", "--ip=0.0.0.0", "--port=8888", "--no-browser", "--ServerApp.root_dir=/home/footplate"]
    place.apply(pod("lab", container(place.images[name], *lab, readinessProbe=probe, env=env)))
    started = time.monotonic()
    place.run("wait", "--for=condition=Ready", "--timeout=120s", "pod/lab")
    print(f"{name}: ready after {time.monotonic() - started:.1f} s")
    ask = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8888/api/kernelspecs?token=secret').status)"
    assert place.run("exec", "lab", "--", "python3", "-c", ask) == "200\n"

    cells = ["import footplate, footplate.sdk, footplate.checkpoint; print(footplate.Client.__name__)"]
    cells += (
        ["import torch; print(int(torch.ones(2).sum()))"]
        if name == "pytorch"
        else ["import pandas, matplotlib; print(2)"]
    )
    notebook: Json = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    for number, cell in enumerate(cells):
        notebook["cells"].append(
            {
                "cell_type": "code",
                "id": str(number),
                "metadata": {},
                "execution_count": None,
                "outputs": [],
                "source": cell,
            }
        )
    script = "cat > /tmp/n.ipynb && jupyter execute --output=/tmp/done.ipynb /tmp/n.ipynb >&2 && cat /tmp/done.ipynb"
    done = json.loads(place.run("exec", "-i", "lab", "--", "sh", "-c", script, given=json.dumps(notebook)))
    assert ["".join(cell["outputs"][0]["text"]) for cell in done["cells"]] == ["Client\n", "2\n"]


def test_the_cells_of_the_example_notebook_run_up_to_those_that_ask_the_platform(place: Place) -> None:
    notebook = json.loads((EXAMPLES / "notebook" / "first-steps.ipynb").read_text())
    notebook["cells"] = [cell for cell in notebook["cells"] if cell["id"] != "sdk"]
    place.apply(pod("lab", container(place.images["jupyter"], "sleep", "1000")))
    place.run("wait", "--for=condition=Ready", "--timeout=60s", "pod/lab")
    script = "cat > /tmp/n.ipynb && jupyter execute --output=/tmp/done.ipynb /tmp/n.ipynb >&2 && cat /tmp/done.ipynb"
    done = json.loads(place.run("exec", "-i", "lab", "--", "sh", "-c", script, given=json.dumps(notebook)))
    outputs = {cell["id"]: cell["outputs"] for cell in done["cells"] if cell["cell_type"] == "code"}
    assert outputs["load"][0]["text"][0].endswith("columns\n")
    assert "image/png" in outputs["plot"][0]["data"]
    assert outputs["count"][0]["text"] == ["this cell has run 1 times in this home\n"]


@pytest.fixture
def store(place: Place, monkeypatch: pytest.MonkeyPatch) -> Store:
    found = place.cluster.object_store
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", found.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", found.secret_key)
    monkeypatch.setenv("AWS_ENDPOINT_URL", found.endpoint)
    return Store(place.team.data_uri, os.environ)


def snapshot(store: Store, directory: Path) -> str:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        tar.add(directory, ".")
    path = f"code/{hashlib.sha256(buffer.getvalue()).hexdigest()}.tar.gz"
    store.write(path, buffer.getvalue())
    return f"{store.uri}/{path}"


def submit(place: Place, attempt: int, spec: TrainingJobSpec, image: str) -> str:
    """One attempt, as the controllers make it; names and priorities of a whole platform are left out."""
    metadata = api.ObjectMeta(name="digits", namespace=place.namespace, uid="12345678-aaaa")
    job = api.TrainingJob(metadata=metadata, spec=spec)
    form = shape.Form(image, place.platform, place.team, Queueing.PLAIN, spec.nodes)
    batch = shape.batch_job(job, attempt, form)
    service = shape.service(job, attempt)
    for field in ("serviceAccountName", "priorityClassName"):
        del batch["spec"]["template"]["spec"][field]
    for found in (batch, service):
        found["metadata"].pop("ownerReferences", None)
    place.apply({"apiVersion": "v1", "kind": "Service", **service}, {"apiVersion": "batch/v1", "kind": "Job", **batch})
    return batch["metadata"]["name"]


def ended(place: Place, name: str, seconds: float = 240.0) -> str:
    def finished() -> str | None:
        conditions = place.get("job", name).get("status", {}).get("conditions", [])
        return next(
            (one["type"] for one in conditions if one["status"] == "True" and one["type"] in ("Complete", "Failed")),
            None,
        )

    return until(f"the end of {name}", finished, seconds)


def logs(place: Place, name: str, index: int, container: str = "main") -> str:
    selector = f"job-name={name},batch.kubernetes.io/job-completion-index={index}"
    return place.run("logs", f"--selector={selector}", f"--container={container}", "--tail=-1")


def test_two_nodes_of_two_processes_train_and_the_next_attempt_resumes(place: Place, store: Store) -> None:
    code = Code(uri=snapshot(store, EXAMPLES / "digits"))
    spec = TrainingJobSpec(
        image=place.images["pytorch"], command=("python3", "train.py"), args=("--epochs", "3"), code=code,
        nodes=2, processes_per_node=2, resources=api.Resources(cpu="500m", memory="1Gi"),
    )  # fmt: skip
    started = time.monotonic()
    first = submit(place, 1, spec, place.images["pytorch"])
    assert ended(place, first) == "Complete", place.run("describe", "pods")
    print(f"first attempt: {time.monotonic() - started:.1f} s")
    result = json.loads(logs(place, first, 0).splitlines()[-1].removeprefix("[0] "))
    assert (result["processes"], result["resumedAtEpoch"]) == (4, 0)
    assert result["accuracy"] > 0.9
    assert "[2] " not in logs(place, first, 0)

    uri = shape.checkpoint_uri(
        api.TrainingJob(metadata=api.ObjectMeta(name="digits", uid="12345678-aaaa"), spec=spec), place.team
    )
    assert uri == f"{store.uri}/checkpoints/digits-12345678"
    assert f"{checkpoint.step_name(result['step'])}/.commit-0-of-1" in {
        item.path for item in Store(uri, os.environ).list()
    }

    second = submit(place, 2, spec, place.images["pytorch"])
    assert ended(place, second) == "Complete"
    assert f"restored {checkpoint.step_name(result['step'])}" in logs(place, second, 1, "prepare")
    assert json.loads(logs(place, second, 0).splitlines()[-1].removeprefix("[0] "))["resumedAtEpoch"] == 3


def test_a_job_in_an_image_without_footplate_has_launcher_and_checkpoints(
    place: Place, store: Store, tmp_path: Path
) -> None:
    """The interpreter of the jupyter image, isolated from its own packages, stands for any Python of any image."""
    (tmp_path / "train.py").write_text(
        "import sys, footplate\n"
        "from footplate import checkpoint\n"
        "assert footplate.__file__.startswith('/footplate/lib'), footplate.__file__\n"
        "with checkpoint.saving(7) as directory: (directory / 'state').write_text('x')\n"
    )
    spec = TrainingJobSpec(
        image=place.images["jupyter"], command=("/usr/bin/python3", "-S", "train.py"), code=Code(uri=snapshot(store, tmp_path)),
        resources=api.Resources(cpu="500m", memory="512Mi"), checkpoint=Checkpoint(uri=f"{store.uri}/elsewhere"),
    )  # fmt: skip
    name = submit(place, 1, spec, place.images["jupyter"])
    assert ended(place, name) == "Complete", logs(place, name, 0)
    assert "elsewhere/step-000000000007/.commit-0-of-1" in {item.path for item in store.list()}


def test_a_missing_code_archive_fails_the_job_with_a_sentence(place: Place, store: Store) -> None:
    spec = TrainingJobSpec(
        image=place.images["jupyter"], command=("true",), code=Code(uri=f"{store.uri}/code/{'0' * 64}.tar.gz"),
        resources=api.Resources(cpu="500m", memory="512Mi"),
    )  # fmt: skip
    name = submit(place, 1, spec, place.images["jupyter"])
    assert ended(place, name) == "Failed"
    [found] = place.get("pods", f"--selector=job-name={name}")["items"]
    state = found["status"]["initContainerStatuses"][0]["state"]["terminated"]
    assert state["exitCode"] == 64
    assert (
        state["message"]
        == f"The code {store.uri}/code/{'0' * 64}.tar.gz does not exist in the object store. Submit the job again."
    )
