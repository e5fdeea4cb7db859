"""Pods as the client looks at them: which job and node they are of, and what their main container does."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from footplate.api import labels
from footplate.api.meta import ObjectMeta, Wire
from footplate.client.kinds import POD
from footplate.client.session import Session

MAIN = "main"
#: Set by the Job controller on the pods of an Indexed Job.
COMPLETION_INDEX = "batch.kubernetes.io/job-completion-index"
#: `kubectl`'s own: the container that is meant when none is named.
_DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"


class Terminated(Wire, frozen=True):
    exit_code: int = 0
    reason: str = ""
    finished_at: datetime | None = None


class _Running(Wire, frozen=True):
    started_at: datetime | None = None


class _Waiting(Wire, frozen=True):
    reason: str = ""
    message: str = ""


class _State(Wire, frozen=True):
    waiting: _Waiting | None = None
    running: _Running | None = None
    terminated: Terminated | None = None


class _ContainerStatus(Wire, frozen=True):
    name: str
    state: _State = _State()
    last_state: _State = _State()


class _Status(Wire, frozen=True):
    phase: str = ""
    container_statuses: tuple[_ContainerStatus, ...] = ()


class _Container(Wire, frozen=True):
    name: str


class _Spec(Wire, frozen=True):
    node_name: str = ""
    containers: tuple[_Container, ...] = ()


class Pod(Wire, frozen=True):
    metadata: ObjectMeta
    spec: _Spec = _Spec()
    status: _Status = _Status()

    @property
    def name(self) -> str:
        return self.metadata.name

    @property
    def node_rank(self) -> int:
        return int(self.metadata.annotations.get(COMPLETION_INDEX) or self.metadata.labels.get(COMPLETION_INDEX) or 0)

    @property
    def node(self) -> str:
        """Where it was placed; empty while it waits for a node."""
        return self.spec.node_name

    @property
    def attempt(self) -> int:
        return int(self.metadata.labels.get(labels.ATTEMPT) or 0)

    @property
    def main(self) -> str:
        """The name of the container that runs the person's program."""
        names = [container.name for container in self.spec.containers]
        marked = self.metadata.annotations.get(_DEFAULT_CONTAINER)
        return next((name for name in (marked, MAIN) if name in names), names[0] if names else MAIN) or MAIN

    @property
    def _main_status(self) -> _ContainerStatus | None:
        return next((status for status in self.status.container_statuses if status.name == self.main), None)

    @property
    def held_up_by(self) -> str | None:
        """Why a container of it does not run, as the kubelet says it; None where it says nothing worth reading."""
        for status in self.status.container_statuses:
            waits = status.state.waiting
            if waits is not None and waits.reason not in ("", "ContainerCreating", "PodInitializing"):
                return f"{waits.reason}: {waits.message}" if waits.message else waits.reason
        return None

    @property
    def terminated(self) -> Terminated | None:
        status = self._main_status
        return status.state.terminated if status else None

    @property
    def state(self) -> Literal["waiting", "running", "ended"]:
        """Of the main container. One that is started again in its pod has ended at least once, and runs."""
        status = self._main_status
        if status is not None and status.state.running is not None:
            return "running"
        if self.terminated is not None:
            return "ended"
        return "ended" if self.status.phase in ("Succeeded", "Failed") else "waiting"


async def of_job(session: Session, job: str, attempt: int | None = None) -> list[Pod]:
    """In the order of attempt and node."""
    selector = {labels.JOB: job} | ({labels.ATTEMPT: str(attempt)} if attempt is not None else {})
    with session.doing(f"list the pods of job {job}"):
        listing = await session.kube.list(POD, await session.namespace(), labels=selector, type=Pod)
    return sorted(listing.items, key=lambda pod: (pod.attempt, pod.node_rank, pod.name))
