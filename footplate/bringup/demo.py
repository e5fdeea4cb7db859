"""What `make up` ends with, as a user would do it with the SDK: a notebook run in a workspace, a job on two nodes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import obstore
from yarl import URL

from footplate import sdk
from footplate.bringup import notebook
from footplate.client import blocking, jobs
from footplate.client.session import Session
from footplate.client.store import team_store, using
from footplate.client.workspaces import Wait
from footplate.errors import Conflict, NotFound, WorkloadFailed

WORKSPACE = "demo"
JOB = "demo-digits"
#: Least accuracy on images that were not trained on; five epochs reach 0.97.
ACCURACY = 0.9
EPOCHS = 5
REMOVAL = 120.0

Say = Callable[[str], None]


@dataclass(frozen=True)
class Notebook:
    """`url` opens it in JupyterLab; it carries the workspace's token."""

    url: str
    cells: int
    first_output: str


@dataclass(frozen=True)
class Training:
    job: str
    accuracy: float
    processes: int
    checkpoint_step: int


def run_notebook(client: sdk.Client, file: Path, say: Say, timeout: float) -> Notebook:
    """In the workspace `demo`, which is made or started. `timeout` in seconds. Raises WorkloadFailed for a cell that fails."""
    try:
        workspace = sdk.Workspace(WORKSPACE, environment="jupyter", cpu="500m", memory="1Gi", home="2Gi").create(client)
    except Conflict:
        workspace = client.workspace(WORKSPACE)
        workspace.start()
    workspace.wait(timeout, report=say)
    say("connecting to Jupyter")
    address = URL(workspace.open(timeout))
    server = notebook.Jupyter(str(address.origin()), address.query["token"])
    wanted: notebook.Notebook = json.loads(file.read_text())
    total = sum(cell["cell_type"] == "code" for cell in wanted["cells"])
    done = asyncio.run(
        notebook.execute(server, wanted, file.name, done=lambda count: say(f"cell {count} of {total} has run"))
    )
    printed = notebook.texts(done)
    if f"workspace {WORKSPACE}:" not in printed[-1]:
        raise WorkloadFailed(f"the notebook's last cell was to list workspace {WORKSPACE}; it printed {printed[-1]!r}")
    return Notebook(str(address.with_path(f"/lab/tree/{file.name}").with_query(address.query)), total, printed[0])


def train(client: sdk.Client, script: Path, say: Say, timeout: float) -> Training:
    """Two nodes of two processes. Raises WorkloadFailed where it fails, or learns less than it should."""
    _remove_last(client, say)
    wanted = sdk.TrainingJob(
        script,
        name=JOB,
        environment="pytorch",
        nodes=2,
        processes_per_node=2,
        cpu="400m",
        memory="1Gi",
        args=("--epochs", str(EPOCHS)),
    )
    job = client.submit(wanted, report=say)
    job.wait(timeout, check=True, report=say)
    result = _result(list(job.logs(node=0)))
    if result["accuracy"] < ACCURACY:
        raise WorkloadFailed(f"job {JOB} reached an accuracy of {result['accuracy']}, less than {ACCURACY}")
    return Training(job.name, result["accuracy"], result["processes"], _newest_checkpoint(client, job))


def _remove_last(client: sdk.Client, say: Say) -> None:
    """The job of an earlier run: one of a name."""
    try:
        last = client.job(JOB)
        uid = last.object.metadata.uid
        last.delete()
    except NotFound:
        return
    say("the job of last time is being deleted")
    blocking.run(jobs.until_gone(client.session, JOB, Wait(REMOVAL), uid))


def _newest_checkpoint(client: sdk.Client, job: sdk.Job) -> int:
    """The step of the newest one that is committed in the object store. Raises WorkloadFailed where there is none."""
    found = blocking.run(_committed(client.session, f"checkpoints/{JOB}-{job.object.metadata.uid[:8]}"))
    if not found:
        raise WorkloadFailed(f"job {JOB} succeeded, and there is no committed checkpoint of it in the object store")
    return max(found)


async def _committed(session: Session, prefix: str) -> list[int]:
    async with team_store(session) as team:
        with using(team, "list the checkpoints"):
            pages = obstore.list(team.store, team.at(prefix))  # pyright: ignore[reportUnknownMemberType] (an optional type)
            names = [item["path"].rsplit("/", 2)[1:] async for page in pages for item in page]
    return [int(directory.removeprefix("step-")) for directory, file in names if file.startswith(".commit-")]


def _result(lines: list[str]) -> dict[str, Any]:
    """The training script ends with a line of JSON; launchers put the rank in front of it."""
    for line in reversed(lines):
        start = line.find("{")
        if start >= 0 and "accuracy" in line:
            return json.loads(line[start:])
    raise WorkloadFailed(f"job {JOB} succeeded without printing its result; see `footplate job logs {JOB}`")
