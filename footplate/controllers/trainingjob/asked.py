"""What the caches cannot tell, asked of the API server in the few cases in which it matters."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

import msgspec

from footplate.api import TrainingJob
from footplate.controllers import cluster, kinds
from footplate.controllers.children import lost_labels
from footplate.controllers.trainingjob import shape
from footplate.controllers.trainingjob.observed import last_attempt
from footplate.kube.client import Client

#: Set by the Job controller on its pods.
_JOB_NAME = "batch.kubernetes.io/job-name"


class _Event(msgspec.Struct):
    message: str = ""
    reason: str = ""


async def pods_refused(
    client: Client, job: TrainingJob, batch: cluster.Job | None, pods: int, now: datetime, patience: timedelta
) -> str | None:
    """What the Job's controller says where its pods are not made: only events tell."""
    if (
        batch is None
        or batch.spec.suspend
        or pods >= (batch.spec.completions or job.spec.nodes)
        or batch.condition("FailureTarget")
    ):
        return None
    if batch.condition("Complete") or batch.condition("Failed") or batch.metadata.creation_timestamp is None:
        return None
    if now - batch.metadata.creation_timestamp < patience:
        return None
    about = {"involvedObject.uid": batch.metadata.uid, "reason": "FailedCreate"}
    listing = await client.list(kinds.CORE_EVENT, job.metadata.namespace, fields=about, type=_Event)
    return listing.items[-1].message.rstrip(".") if listing.items else None


async def unseen(
    client: Client, job: TrainingJob, batch: cluster.Job | None, pods: Collection[cluster.Pod]
) -> str | None:
    """A clause on ranks that run, but whose pods have lost the labels by which they are watched."""
    last = last_attempt(job)
    if batch is None or last is None or last.running is None or last.end is not None:
        return None
    if batch.status.active <= sum(not pod.ended for pod in pods):
        return None
    mine = {_JOB_NAME: batch.metadata.name}
    listing = await client.list(kinds.POD, job.metadata.namespace, labels=mine, type=cluster.Bare)
    wanted = shape.marks(job, last.number)
    lost = {pod.metadata.name: lost_labels(wanted, pod.metadata) for pod in listing.items}
    name = min((name for name, missing in lost.items() if missing), default=None)
    if name is None:
        return None
    return f"pod {name} has lost labels of Footplate's: set {', '.join(lost[name])} again, or delete it"
