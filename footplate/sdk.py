"""Footplate from Python: notebooks, scripts, services.

    import footplate

    job = footplate.TrainingJob("train.py", nodes=2, environment="pytorch", args=["--epochs", "3"]).submit()
    for line in job.logs(follow=True):
        print(line)
    print(job.wait().message)

`TrainingJob` and `Workspace` say what is wanted: values that never change. `submit` and `create` give handles, `Job` and
`RunningWorkspace`, which know a name and ask the cluster whenever they are asked. A `Client` says which cluster and
team; where none is given, it is what the `footplate` command would use: the environment, the kubeconfig, or, inside a
workspace, its own service account and team.

Everything here is synchronous, and works where an event loop runs already. What goes wrong is a
`footplate.errors.FootplateError`: `message` is a sentence, `remedy` says what to do.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import msgspec

from footplate import api
from footplate.api.home import Answer, Snapshot
from footplate.api.trainingjob import JobPhase
from footplate.client import blocking, copying, environments, homes, idling, jobs, workspaces
from footplate.client.logs.sources import workspace_pod
from footplate.client.observing import Report, once, read, silent
from footplate.client.pods import Pod
from footplate.client.requests import JobRequest, WorkspaceRequest
from footplate.client.session import Session
from footplate.client.target import Target
from footplate.client.workspaces import Wait
from footplate.errors import JobCancelled, WorkloadFailed

if TYPE_CHECKING:
    from footplate.client.logs.container import Line
    from footplate.client.ranks import Top
    from footplate.client.records.artifacts import Artifact

T = TypeVar("T")


class Client:
    """One cluster and team. Several may be used at once; `close` it, or use it in a `with`, or let it go out of scope."""

    def __init__(
        self, *, team: str | None = None, context: str | None = None, kubeconfig: str | Path | None = None
    ) -> None:
        target = Target(Path(kubeconfig).expanduser() if kubeconfig is not None else None, context)
        self._session = Session(target, team)
        self._finish = weakref.finalize(self, _close, self._session)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._finish()

    @property
    def team(self) -> str:
        return blocking.run(self._session.team()).name

    def submit(self, job: TrainingJob, *, report: Report = silent) -> Job:
        """Ships the code, if the store has not got it, and submits. `report` takes what is being done, such as `print`."""
        source = job.source()
        manifest = {"metadata": {"name": job.name} if job.name else {}, "spec": job.spec(source)}
        submission = blocking.run(
            jobs.submit(
                self._session,
                manifest,
                root=source.root if source is not None else None,
                base=source.name if source is not None else "job",
                report=report,
            )
        )
        return Job(self, submission.job["metadata"]["name"])

    def create(self, workspace: Workspace) -> RunningWorkspace:
        made = blocking.run(workspaces.create(self._session, workspace.name, workspace.spec()))
        return RunningWorkspace(self, made["metadata"]["name"])

    def job(self, name: str) -> Job:
        """Raises NotFound."""
        blocking.run(jobs.get(self._session, name))
        return Job(self, name)

    def jobs(self) -> list[Job]:
        return [Job(self, item["metadata"]["name"]) for item in blocking.run(jobs.listing(self._session))]

    def workspace(self, name: str) -> RunningWorkspace:
        """Raises NotFound."""
        blocking.run(workspaces.get(self._session, name))
        return RunningWorkspace(self, name)

    def workspaces(self) -> list[RunningWorkspace]:
        found = blocking.run(workspaces.listing(self._session))
        return [RunningWorkspace(self, item["metadata"]["name"]) for item in found]

    def environments(self) -> list[api.Environment]:
        return msgspec.convert(blocking.run(environments.listing(self._session)), list[api.Environment])

    @property
    def session(self) -> Session:
        """The asynchronous client underneath; it lives on the loop of `footplate.client.blocking`."""
        return self._session


def _close(session: Session) -> None:
    blocking.finish(session.kube.close())


@dataclass(frozen=True)
class TrainingJob(JobRequest):
    """A training job that is wanted. See `JobRequest` and `PodRequest` for the fields."""

    def submit(self, client: Client | None = None, *, report: Report = silent) -> Job:
        """Its code is shipped, if the store has not got it. Raises Refused with the field that is wrong."""
        return (client or Client()).submit(self, report=report)


@dataclass(frozen=True)
class Workspace(WorkspaceRequest):
    """A workspace that is wanted. See `WorkspaceRequest` and `PodRequest` for the fields."""

    def create(self, client: Client | None = None) -> RunningWorkspace:
        """Raises Conflict where there is one of its name."""
        return (client or Client()).create(self)


@dataclass(frozen=True)
class Job:
    """A job on the cluster."""

    client: Client
    name: str

    def __repr__(self) -> str:
        return f"Job({self.name!r})"

    @property
    def object(self) -> api.TrainingJob:
        """As it is now: `metadata`, `spec`, `status`. Raises NotFound where it was deleted."""
        return read(blocking.run(jobs.get(self.client.session, self.name)), api.TrainingJob)

    @property
    def status(self) -> api.TrainingJobStatus:
        """As it is now: `phase`, `message`, `attempts`, `progress`."""
        return self.object.status

    def wait(
        self, timeout: float | None = None, *, check: bool = False, report: Report = silent
    ) -> api.TrainingJobStatus:
        """Until it has ended. `timeout` in seconds; raises TimedOut. `check`: raises where it has not succeeded."""
        ended = blocking.run(jobs.until_ended(self.client.session, self.name, Wait(timeout, report)))
        phase, message = ended.status.phase, ended.status.message
        if check and phase is JobPhase.CANCELLED:
            raise JobCancelled(f"Job {self.name} was cancelled.")
        if check and phase is not JobPhase.SUCCEEDED:
            raise WorkloadFailed(f"Job {self.name} failed: {message or 'no reason is given'}")
        return ended.status

    def logs(
        self,
        *,
        follow: bool = False,
        node: int | None = None,
        rank: int | None = None,
        attempt: int | None = None,
        tail: int | None = None,
        since: datetime | None = None,
        report: Report | None = None,
    ) -> Iterator[str]:
        """Lines, with the node in front where there are several. `follow`: waits for it to start, ends when it ends.

        From the object store where the pods are gone. `attempt`: else the last, and those to come when following. `report`
        takes what it waits for until there are lines; left out, it goes to stderr, each sentence once.
        """
        from footplate.client.logs.sources import job_lines

        several = node is None and rank is None and self.object.spec.nodes > 1
        source = job_lines(
            self.client.session,
            self.name,
            follow=follow,
            node=node,
            rank=rank,
            attempt=attempt,
            tail=tail,
            since=since,
            report=report or once(_to_stderr),
        )
        for line in blocking.iterate(source):
            yield f"node {line.node} | {_text(line)}" if several else _text(line)

    def top(self) -> Top:
        """Its ranks as they are now: `rows`, each with `beat`, `node`, `age`. Raises Conflict where it does not run."""
        from footplate.client import ranks

        return blocking.run(ranks.top(self.client.session, self.name))

    def stacks(self, rank: int | None = None, *, attempt: int | None = None) -> dict[int, str]:
        """What each rank is doing, as text: now, or before an attempt was ended that hung. Raises NotFound for none."""
        from footplate.client import ranks

        _, _, found = blocking.run(ranks.stacks(self.client.session, self.name, rank, attempt))
        return {one.rank: one.text for one in found}

    def metrics(self, *, attempt: int | None = None) -> list[dict[str, Any]]:
        """A row a step: `step`, `time`, `attempt` and what `footplate.training.report` was given. Raises NotFound.

        Where attempts did the same steps, the later one counts. Some seconds old while it runs.
        """
        from footplate.client.records import metrics

        return blocking.run(metrics.rows(self.client.session, self.name, attempt))

    def artifacts(self, *, attempt: int | None = None) -> list[Artifact]:
        """The files that it left in FOOTPLATE_ARTIFACTS_DIR and FOOTPLATE_TENSORBOARD_DIR."""
        from footplate.client.records import artifacts

        return list(blocking.run(artifacts.listing(self.client.session, self.name, attempt)).artifacts)

    def download(self, directory: str | Path, *, attempt: int | None = None) -> list[Path]:
        """Its artifacts, into `attempt-<n>/…` of this directory."""
        from footplate.client.records import artifacts

        return blocking.run(artifacts.download(self.client.session, self.name, Path(directory), attempt))

    def cancel(self) -> None:
        """Asks for its end; `wait` for it. Raises Conflict where it has ended in another way."""
        blocking.run(jobs.cancel(self.client.session, self.name))

    def delete(self) -> None:
        """It and its pods; its checkpoints stay, and for a while its logs, metrics and artifacts."""
        blocking.run(jobs.delete(self.client.session, self.name))


@dataclass(frozen=True)
class RunningWorkspace:
    """A workspace on the cluster, running or not."""

    client: Client
    name: str

    def __repr__(self) -> str:
        return f"RunningWorkspace({self.name!r})"

    @property
    def object(self) -> api.Workspace:
        """As it is now: `metadata`, `spec`, `status`. Raises NotFound where it was deleted."""
        return read(blocking.run(workspaces.get(self.client.session, self.name)), api.Workspace)

    @property
    def status(self) -> api.WorkspaceStatus:
        """As it is now: `phase`, `message`, `url` within the cluster, `activity`, `stops_at`."""
        return self.object.status

    def wait(self, timeout: float | None = None, *, report: Report = silent) -> api.WorkspaceStatus:
        """Until it runs. Raises WorkloadFailed with the reason where it cannot, TimedOut after `timeout` seconds."""
        return blocking.run(workspaces.until_running(self.client.session, self.name, Wait(timeout, report))).status

    def open(self, timeout: float | None = None) -> str:
        """An address on this machine's loopback, with the token in it; a process in the background serves it."""
        return blocking.run(self._open(timeout))

    async def _open(self, timeout: float | None) -> str:
        from footplate.client.access import access
        from footplate.client.tunnel import opening

        session = self.client.session
        await workspaces.set_state(session, self.name, "Running")
        state = await workspaces.until_running(session, self.name, Wait(timeout))
        tunnel = await opening.ensure(session, state)
        return (await access(session, state, tunnel.port)).url

    def upload(self, source: str | Path, destination: str = "") -> None:
        """A file or directory of this machine, as `cp -r`; `destination` is relative to home. What arrives is complete."""
        blocking.run(self._copy(lambda pod, session: copying.upload(session, pod, Path(source), self._at(destination))))

    def download(self, source: str, destination: str | Path = ".") -> Path:
        """A file or directory of the workspace, relative to home; where it is on this machine."""
        return blocking.run(
            self._copy(lambda pod, session: copying.download(session, pod, self._at(source), Path(destination)))
        )

    def _at(self, path: str) -> str:
        return copying.Remote(self.name, path).inside

    async def _copy(self, copy: Callable[[Pod, Session], Awaitable[T]]) -> T:
        session = self.client.session
        state = await workspaces.until_running(session, self.name, Wait())
        return await copy(await workspace_pod(session, state), session)

    def extend(self, by: timedelta) -> datetime | None:
        """Puts its stop for idleness off, as far as the platform allows. When it stops now; None: it is in use."""
        return blocking.run(idling.extend(self.client.session, self.name, by)).stops_at

    def stop_when_finished(self) -> None:
        """It is stopped as soon as nothing runs in it."""
        blocking.run(idling.stop_when_finished(self.client.session, self.name))

    @property
    def snapshots(self) -> tuple[Snapshot, ...]:
        """Of its home, verified, the newest first."""
        home = self.status.home
        return home.snapshots if home is not None else ()

    def snapshot(self, timeout: float | None = None, *, report: Report = silent) -> str:
        """Saves its home as it is now, running or not. What came of it, in a sentence."""
        return self._answer(homes.snapshot(self.client.session, self.name, Wait(timeout, report)))

    def restore(
        self,
        snapshot: str = "latest",
        paths: Sequence[str] = (),
        to: str | None = None,
        *,
        timeout: float | None = None,
        report: Report = silent,
    ) -> str:
        """`snapshot`: latest, an id, a time. All of home where it is stopped; with `paths`, these, running or not."""
        wait = Wait(timeout, report)
        return self._answer(homes.restore(self.client.session, self.name, snapshot, paths, to, wait))

    def _answer(self, asked: Coroutine[None, None, Answer | None]) -> str:
        answer = blocking.run(asked)
        return answer.message if answer is not None else ""

    def clone(self, name: str, snapshot: str | None = None, *, timeout: float | None = None) -> RunningWorkspace:
        """Another like it, whose home begins with that snapshot, or with one that is taken now."""
        made = blocking.run(homes.clone(self.client.session, self.name, name, snapshot, None, Wait(timeout)))
        return RunningWorkspace(self.client, made["metadata"]["name"])

    def resize(self, home: str, timeout: float | None = 60.0) -> str:
        """Raises Refused where its storage cannot grow."""
        return blocking.run(homes.resize(self.client.session, self.name, home, Wait(timeout)))

    def start(self) -> None:
        """Asks for it; `wait` until it runs."""
        blocking.run(workspaces.set_state(self.client.session, self.name, "Running"))

    def stop(self, timeout: float | None = None, *, wait: bool = True) -> None:
        """Its processes end, its home stays."""
        blocking.run(self._stop(timeout, wait))

    async def _stop(self, timeout: float | None, wait: bool) -> None:
        await workspaces.set_state(self.client.session, self.name, "Stopped")
        if wait:
            await workspaces.until_stopped(self.client.session, self.name, Wait(timeout))

    def delete(self) -> None:
        """With its home, and the tunnel to it."""
        blocking.run(self._delete())

    async def _delete(self) -> None:
        from footplate.client.tunnel import opening

        session = self.client.session
        await workspaces.delete(session, self.name)
        await opening.close(session, await session.namespace(), self.name)
        opening.forget(session, await session.namespace(), self.name)

    def logs(self, *, tail: int | None = None) -> Iterator[str]:
        from footplate.client.logs.sources import workspace_lines

        for line in blocking.iterate(workspace_lines(self.client.session, self.name, tail=tail)):
            yield _text(line)

    def run(self, *command: str, stdin: bytes = b"") -> tuple[int, bytes, bytes]:
        """Runs a command in it: exit code, standard output, standard error."""
        return blocking.run(self._run(command, stdin))

    async def _run(self, command: tuple[str, ...], stdin: bytes) -> tuple[int, bytes, bytes]:
        from footplate.client.logs.sources import workspace_pod

        session = self.client.session
        pod = await workspace_pod(session, read(await workspaces.get(session, self.name), api.Workspace))
        with session.doing(f"run {command[0]} in workspace {self.name}"):
            done = await session.kube.run(pod.metadata.namespace, pod.name, command, container=pod.main, stdin=stdin)
        return done.exit_code, done.stdout, done.stderr


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _text(line: Line) -> str:
    return line.text.decode(errors="replace")
