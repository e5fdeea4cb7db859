"""Where the dashboard of a job's Ray cluster is: in the first node's pod, on its loopback."""

from __future__ import annotations

from footplate.api import TrainingJob
from footplate.api.trainingjob import Launcher
from footplate.client import jobs, pods
from footplate.client.observing import read
from footplate.client.pods import Pod
from footplate.client.session import Session
from footplate.errors import BadUsage, Conflict

#: Ray's own, which `footplate.agent.ray_node` keeps.
PORT = 8265


async def ray_head(session: Session, name: str) -> tuple[str, str]:
    """Namespace and name of the pod. Raises BadUsage where the job has no Ray, Conflict where its head does not run."""
    job = read(await jobs.get(session, name), TrainingJob)
    return head_of(job, await pods.of_job(session, name))


def head_of(job: TrainingJob, found: list[Pod]) -> tuple[str, str]:
    name = job.metadata.name
    if job.spec.launcher is not Launcher.RAY:
        raise BadUsage(
            f"Job {name} has no dashboard: its launcher is {job.spec.launcher}.",
            "jobs with launcher ray have one; `footplate job top` shows the ranks of any job",
        )
    head = next((pod for pod in found if pod.node_rank == 0 and pod.state == "running"), None)
    if head is None:
        raise Conflict(
            f"The first node of job {name} does not run: {job.status.message or job.status.phase or 'it is new'}.",
            f"`footplate job explain {name}` says more",
        )
    return head.metadata.namespace, head.name
