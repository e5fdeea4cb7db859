"""The HTTP side: `POST /v1/report` with a bearer token. 401, 403 and 400 say what is wrong; 503 means later."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus

import msgspec
from aiohttp import web

from footplate.api import TrainingJob, Workspace, labels
from footplate.api.duration import parse
from footplate.api.platform import Reporting
from footplate.api.reports import LARGEST, PATH, ActivityReport, Answer, HeartbeatReport, Report
from footplate.api.trainingjob import Launcher
from footplate.controllers.caches import Caches
from footplate.controllers.cluster import Pod
from footplate.controllers.collector.heartbeats import Heartbeats, Source
from footplate.controllers.collector.reports import Reports
from footplate.controllers.collector.tokens import NotAPod, PodIdentity, Reviewer
from footplate.controllers.trainingjob.fate import INDEX
from footplate.controllers.trainingjob.observed import current, number_of
from footplate.controllers.workspace.observed import pod_name
from footplate.kube.errors import KubeError
from footplate.kube.lease import LeadershipLost
from footplate.kube.store import Key

SAMPLES = 6
"""Looks of an agent between two reports."""
SOON = 4
"""How much more often it reports while its workspace is about to be stopped."""
LATER = {"Retry-After": "10"}


class Refused(Exception):  # noqa: N818 (an answer, not a fault of ours)
    def __init__(self, status: HTTPStatus, text: str) -> None:
        super().__init__(text)
        self.status = status


class Collector:
    def __init__(
        self,
        caches: Caches,
        reviewer: Reviewer,
        reports: Reports,
        heartbeats: Heartbeats,
        leads: Callable[[], bool],
        changed: Callable[[Key], None],
        advanced: Callable[[Key], None],
        counted: Callable[[str, int], None],
    ) -> None:
        """`changed`: a workspace of which something new was heard; `advanced`: a job.

        `counted`: kind and HTTP status of each report.
        """
        self._caches = caches
        self._reviewer = reviewer
        self._reports = reports
        self._heartbeats = heartbeats
        self._advanced = advanced
        self._leads = leads
        self._changed = changed
        self._counted = counted
        self._decoder = msgspec.json.Decoder(Report)

    async def handle(self, request: web.Request) -> web.Response:
        kind = "unknown"
        try:
            identity = await self._identity(request)
            report = self._report(await self._body(request))
            kind = type(report).__struct_config__.tag
            answer = self._take(identity, report)
        except Refused as refused:
            self._counted(str(kind), refused.status)
            headers = LATER if refused.status is HTTPStatus.SERVICE_UNAVAILABLE else None
            return web.json_response({"error": str(refused)}, status=refused.status, headers=headers)
        self._counted(str(kind), HTTPStatus.OK)
        return web.Response(body=msgspec.json.encode(answer), content_type="application/json")

    async def _identity(self, request: web.Request) -> PodIdentity:
        if not self._leads():
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "This replica does not lead.")
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Refused(HTTPStatus.UNAUTHORIZED, "A bearer token is needed: the pod's own.")
        try:
            return await self._reviewer.identify(token.strip())
        except NotAPod as error:
            raise Refused(HTTPStatus.UNAUTHORIZED, str(error)) from error
        except (KubeError, LeadershipLost) as error:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, f"The token cannot be reviewed now: {error}") from error

    async def _body(self, request: web.Request) -> bytes:
        try:
            return await request.read()
        except web.HTTPRequestEntityTooLarge as error:
            status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            raise Refused(status, f"A report has at most {LARGEST} bytes.") from error

    def _report(self, body: bytes) -> Report:
        try:
            return self._decoder.decode(body)
        except msgspec.DecodeError as error:
            raise Refused(HTTPStatus.BAD_REQUEST, f"The report cannot be read: {error}.") from error

    def _take(self, identity: PodIdentity, report: Report) -> Answer:
        pod = self._pod(identity)
        match report:
            case ActivityReport():
                return self._activity(pod, report)
            case HeartbeatReport():
                return self._heartbeat(pod, report)

    def _pod(self, identity: PodIdentity) -> Pod:
        pod = self._caches.pods.store.get(Key(identity.namespace, identity.name))
        if pod is None or pod.metadata.uid != identity.uid:
            raise Refused(HTTPStatus.FORBIDDEN, f"Pod {identity.name} is not known, or not any more.")
        return pod

    def _activity(self, pod: Pod, report: ActivityReport) -> Answer:
        ws = self._workspace(pod)
        activity = ws.status.activity
        unknown = activity is None or activity.state == "Unknown"  # which any word may end
        if self._reports.take(pod.metadata.uid, report) or unknown:
            self._changed(Key(ws.metadata.namespace, ws.metadata.name))
        platform = self._caches.platform
        return pace(platform.reporting if platform else Reporting(), ws)

    def _workspace(self, pod: Pod) -> Workspace:
        """The one whose pod it is: by ownership, which labels that anybody may set do not give."""
        name = pod.metadata.labels.get(labels.WORKSPACE, "")
        ws = self._caches.workspaces.store.get(Key(pod.metadata.namespace, name))
        if ws is None or not pod.metadata.owned_by(ws.metadata.uid) or pod_name(ws) != pod.name:
            raise Refused(HTTPStatus.FORBIDDEN, f"Pod {pod.name} is not that of a workspace.")
        return ws

    def _heartbeat(self, pod: Pod, report: HeartbeatReport) -> Answer:
        job, source = self._rank(pod, report)
        if self._heartbeats.take(source, report):
            self._advanced(Key(job.metadata.namespace, job.metadata.name))
        return self._heartbeats.answer(job, source.attempt)

    def _rank(self, pod: Pod, report: HeartbeatReport) -> tuple[TrainingJob, Source]:
        """The job whose present attempt the pod is of: by ownership, over the Kubernetes Job between them."""
        namespace = pod.metadata.namespace
        job = self._caches.training_jobs.store.get(Key(namespace, pod.metadata.labels.get(labels.JOB, "")))
        owner = next((owner for owner in pod.metadata.owner_references if owner.kind == "Job"), None)
        batch = self._caches.jobs.store.get(Key(namespace, owner.name)) if owner is not None else None
        index = pod.metadata.annotations.get(INDEX, "")
        if job is None or owner is None or batch is None or batch.metadata.uid != owner.uid or not index.isdecimal():
            raise Refused(HTTPStatus.FORBIDDEN, f"Pod {pod.name} is not that of a job.")
        if not batch.metadata.owned_by(job.metadata.uid) or number_of(batch.metadata) != current(job):
            raise Refused(HTTPStatus.FORBIDDEN, f"Pod {pod.name} is not of the present attempt of a job.")
        node, each = int(index), job.spec.processes
        own = range(node * each, (node + 1) * each)
        strange = [beat.rank for beat in report.ranks if beat.rank not in own]
        if strange and job.spec.launcher is not Launcher.NONE:
            text = f"Pod {pod.name} has the ranks {own.start} to {own.stop - 1}, and not {strange[0]}."
            raise Refused(HTTPStatus.FORBIDDEN, text)
        return job, Source(batch.metadata.uid, pod.metadata.uid, node, pod.spec.node_name)


def pace(reporting: Reporting, ws: Workspace) -> Answer:
    """More often while a stop is near: the last word before it should be a fresh one."""
    every = parse(reporting.every).total_seconds()
    activity = ws.status.activity
    if activity is not None and activity.warned_at is not None:
        every /= SOON
    return Answer(every, every / SAMPLES, parse(reporting.recent).total_seconds())


@asynccontextmanager
async def collecting(port: int, collector: Collector) -> AsyncGenerator[int]:
    """The port on which it listens: a free one where 0 is asked for."""
    app = web.Application(client_max_size=LARGEST)
    app.router.add_post(PATH, collector.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, port=port).start()
        yield min(runner.addresses, key=len)[1]
    finally:
        await runner.cleanup()
