"""A connection to one cluster on behalf of one person: what the platform says of itself, and which team is meant."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import msgspec

from footplate.api import labels
from footplate.api import platform as platforms
from footplate.api.meta import API_VERSION, Wire
from footplate.api.platform import Platform, Team
from footplate.client import names, teams
from footplate.client.explain import explain, not_installed
from footplate.client.kinds import CONFIG_MAP
from footplate.client.target import Target, connect
from footplate.client.versions import require
from footplate.errors import ClusterAccess, NotFound
from footplate.kube.client import Client
from footplate.kube.connection import Connection
from footplate.kube.decoding import Object
from footplate.kube.errors import ApiError, Forbidden, KubeError
from footplate.kube.errors import NotFound as ApiNotFound
from footplate.kube.resource import Resource
from footplate.kube.transport import RetryPolicy, Timeouts

MANAGER = "footplate-cli"

#: A person waits: fail while they still look. Longer waits are the caller's, with progress.
_RETRY = RetryPolicy(attempts=4, first=0.2, longest=2.0)
_TIMEOUTS = Timeouts(connect=5.0)


class _User(Wire, frozen=True):
    username: str = ""


class ReviewStatus(Wire, frozen=True):
    allowed: bool = False
    user_info: _User = _User()


class _Review(Wire, frozen=True):
    status: ReviewStatus = ReviewStatus()


class Session:
    """
    async with Session(Target(), team=None) as session:
        namespace = await session.namespace()
        with session.doing("list jobs"):
            await session.kube.list(TRAINING_JOB, namespace)
    """

    def __init__(
        self,
        target: Target | None = None,
        team: str | None = None,
        *,
        environ: Mapping[str, str] = os.environ,
        connection: Connection | None = None,
    ) -> None:
        self.target = target or Target()
        self.environ = environ
        self.connection = connection or connect(self.target, environ)
        self.kube = Client(self.connection, user_agent=MANAGER, retry=_RETRY, timeouts=_TIMEOUTS)
        self.system = environ.get("FOOTPLATE_SYSTEM_NAMESPACE") or labels.SYSTEM_NAMESPACE
        """The platform's own namespace: another where several platforms share a cluster, as in tests."""
        self._wanted = team
        self._platform: asyncio.Future[Platform] | None = None
        self._team: Team | None = None
        self._own: asyncio.Future[tuple[Team, ...]] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.kube.close()

    @contextmanager
    def doing(self, what: str) -> Generator[None]:
        """Errors of the Kubernetes client become errors for people; `what`, such as `create workspace demo`."""
        try:
            yield
        except KubeError as error:
            raise explain(error, what) from error

    async def platform(self) -> Platform:
        """Raises NotInstalled where the cluster has no Footplate."""
        if self._platform is None:
            self._platform = asyncio.ensure_future(self._read_platform())
        try:
            return await asyncio.shield(self._platform)
        except BaseException:
            self._platform = None
            raise

    async def _read_platform(self) -> Platform:
        with self.doing("read the platform's description"):
            try:
                found = await self.kube.get(CONFIG_MAP, platforms.CONFIG_MAP, self.system)
            except ApiNotFound as error:
                raise await self._absent() from error
            except Forbidden as error:
                # Who is not told about a namespace is not told either that it does not exist.
                if not await self.kube.resources(API_VERSION):
                    raise not_installed() from error
                raise
        try:
            return platforms.from_config_map_data(found.get("data") or {})
        except (KeyError, msgspec.DecodeError) as error:
            raise ClusterAccess(
                f"The platform on context {self.connection.context} describes itself in a way that this version "
                f"of Footplate cannot read: {error}.",
                "bring both to the same version: `footplate up`, or another version of this command",
            ) from error

    async def _absent(self) -> ClusterAccess:
        """Anything may answer with 404: only Kubernetes knows its version."""
        try:
            version = await self.kube.version()
        except Forbidden:
            return not_installed()
        except ApiError:
            version = {}
        if "gitVersion" in version:
            return not_installed()
        return ClusterAccess(
            f"What answers at {self.connection.server} (context {self.connection.context}) is no Kubernetes API server.",
            "correct the server's address in the kubeconfig, or use another --context",
        )

    async def require_version(self) -> None:
        """Raises ClusterAccess where the cluster's Kubernetes is too old."""
        with self.doing("ask the cluster for its version"):
            require(await self.kube.version())

    async def team(self) -> Team:
        """The one meant by flag, environment, the context's namespace; else the only one this person is in."""
        if self._team is None:
            platform = await self.platform()
            wanted = teams.wanted(self._wanted, self.environ, self.connection.namespace)
            if wanted is not None or len(platform.teams) < 2:
                self._team = teams.choose(platform.teams, wanted)
            else:
                self._team = teams.choose(await self._mine(platform.teams), None, known=platform.teams)
        return self._team

    async def teams(self) -> tuple[Team, ...]:
        """The one that flag, environment or the context's namespace names; else all that this person is in."""
        platform = await self.platform()
        if teams.wanted(self._wanted, self.environ, self.connection.namespace) is not None:
            return (await self.team(),)
        return await self._mine(platform.teams)

    async def _mine(self, every: tuple[Team, ...]) -> tuple[Team, ...]:
        """Asked once: it is a question for each team."""
        if self._own is None:
            self._own = asyncio.ensure_future(self._ask_for_mine(every))
        try:
            return await asyncio.shield(self._own)
        except BaseException:
            self._own = None
            raise

    async def _ask_for_mine(self, every: tuple[Team, ...]) -> tuple[Team, ...]:
        answers = await asyncio.gather(*(self._may_use(team) for team in every))
        return tuple(team for team, allowed in zip(every, answers, strict=True) if allowed)

    async def _may_use(self, team: Team) -> bool:
        attributes = {
            "namespace": teams.namespace(team.name),
            "verb": "list",
            "group": "footplate.dev",
            "resource": "workspaces",
        }
        review = await self.review(
            "authorization.k8s.io", "SelfSubjectAccessReview", {"resourceAttributes": attributes}
        )
        return review.allowed

    async def namespace(self) -> str:
        return teams.namespace((await self.team()).name)

    async def owner(self) -> str:
        """Who this is: `FOOTPLATE_OWNER` (set in workspaces), else the name by which the cluster knows the person."""
        if explicit := self.environ.get("FOOTPLATE_OWNER"):
            return explicit
        try:
            review = await self.review("authentication.k8s.io", "SelfSubjectReview", {})
        except (Forbidden, ApiNotFound):
            return "default"
        return review.user_info.username or "default"

    async def review(self, group: str, kind: str, spec: Mapping[str, Any]) -> ReviewStatus:
        """One of the kinds that are questions to the API server, such as SelfSubjectAccessReview."""
        body = {"apiVersion": f"{group}/v1", "kind": kind, "spec": dict(spec)}
        answer: Any = await self.kube.request("POST", f"/apis/{group}/v1/{kind.lower()}s", body=body)
        return msgspec.convert(answer, _Review).status

    async def listing(self, resource: Resource, *, all_teams: bool = False) -> list[Object]:
        """Of the team; `all_teams`: of those whose objects this person may read."""
        if not all_teams:
            return (await self.kube.list(resource, await self.namespace())).items

        async def of(team: Team) -> list[Object]:
            try:
                return (await self.kube.list(resource, teams.namespace(team.name))).items
            except Forbidden:
                return []

        found = await asyncio.gather(*(of(team) for team in (await self.platform()).teams))
        return [item for items in found for item in items]

    async def create(self, resource: Resource, body: Mapping[str, Any], *, dry_run: bool = False) -> Object:
        """The API server refuses fields that it does not know, rather than dropping them."""
        namespace = await self.namespace() if resource.namespaced else None
        query = {"fieldManager": MANAGER, "fieldValidation": "Strict", "dryRun": "All" if dry_run else None}
        complete = {"apiVersion": resource.api_version, "kind": resource.kind, **body}
        answer: Object = await self.kube.request("POST", resource.path(namespace), query, complete)
        return answer

    async def missing(self, resource: Resource, name: str) -> NotFound:
        """What to say where there is no `name`: the close ones."""
        namespace = await self.namespace() if resource.namespaced else None
        listing = await self.kube.list(resource, namespace)
        known = [item["metadata"]["name"] for item in listing.items]
        word = {"TrainingJob": "job"}.get(resource.kind, resource.kind.lower())
        where = f" in team {(await self.team()).name}" if resource.namespaced else ""
        near = names.did_you_mean(name, known)
        listed = f"there are: {names.listing(known)}" if known else f"there are no {word}s{where} yet"
        return NotFound(f"There is no {word} {name}{where}.", near or listed)
