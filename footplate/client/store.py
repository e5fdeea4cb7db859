"""The platform's object store as this person reaches it: with the team's credentials, else with their own."""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec
import obstore
from obstore import exceptions
from obstore.store import GCSStore, S3Store

from footplate.api.platform import ObjectStore as Description
from footplate.api.platform import Team
from footplate.client import teams
from footplate.client.kinds import SECRET
from footplate.client.service_forward import forwarded, service_of
from footplate.client.session import Session
from footplate.errors import BadUsage, ClusterAccess, FootplateError, Refused
from footplate.kube.errors import Forbidden, NotFound

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore, RetryConfig, S3Config


@dataclass(frozen=True)
class Location:
    """A place in a store; `key` is relative to the bucket."""

    store: ObjectStore
    bucket: str
    key: str
    endpoint: str

    def at(self, path: str) -> str:
        return "/".join(part for part in (self.key, path) if part)


@asynccontextmanager
async def team_store(session: Session, team: Team | None = None) -> AsyncGenerator[Location]:
    """At the team's `dataUri`."""
    team = team or await session.team()
    async with at(session, team.data_uri, team) as location:
        yield location


@asynccontextmanager
async def at(session: Session, uri: str, team: Team | None = None) -> AsyncGenerator[Location]:
    """A store that is a Service of the cluster is reached through the API server."""
    platform, team = await session.platform(), team or await session.team()
    description = platform.object_store
    environ = {**session.environ, **await _credentials(session, description, teams.namespace(team.name))}
    service = service_of(description.endpoint)
    if service is None or "KUBERNETES_SERVICE_HOST" in session.environ:
        yield locate(uri, description, environ)
        return
    with session.doing("reach the object store"):
        async with forwarded(session.kube, service) as port:
            local = msgspec.structs.replace(description, endpoint=f"http://127.0.0.1:{port}")
            yield replace(locate(uri, local, environ), endpoint=description.endpoint)


async def _credentials(session: Session, store: Description, namespace: str) -> dict[str, str]:
    """Those of the team's Secret; none where there is no Secret for this person to read."""
    try:
        with session.doing("read the object store's credentials"):
            try:
                secret = await session.kube.get(SECRET, store.secret_name, namespace)
            except (NotFound, Forbidden):
                return {}
    except FootplateError as error:
        error.remedy = error.remedy or "the object store's credentials are in the team's namespace"
        raise
    data: dict[str, str] = secret.get("data") or {}
    return {key: b64decode(value).decode() for key, value in data.items() if key.startswith("AWS_")}


def locate(uri: str, description: Description, environ: Mapping[str, str]) -> Location:
    parts = urlsplit(uri)
    client: ClientConfig = {
        "timeout": timedelta(seconds=60),
        "connect_timeout": timedelta(seconds=5),
        "allow_http": True,
    }
    retries: RetryConfig = {"max_retries": 3, "retry_timeout": timedelta(seconds=15)}
    key = parts.path.strip("/")
    if parts.scheme == "gs":
        store = GCSStore(parts.netloc, client_options=client, retry_config=retries)
        return Location(store, f"gs://{parts.netloc}", key, "Google Cloud Storage")
    if parts.scheme != "s3":
        raise BadUsage(f"{uri!r} is not the address of an object store.", "it starts with s3:// or gs://")
    config: S3Config = {"region": description.region}
    if description.endpoint:
        config["endpoint"] = description.endpoint
    if key_id := environ.get("AWS_ACCESS_KEY_ID"):
        config["access_key_id"] = key_id
    if secret := environ.get("AWS_SECRET_ACCESS_KEY"):
        config["secret_access_key"] = secret
    if session_token := environ.get("AWS_SESSION_TOKEN"):
        config["session_token"] = session_token
    store = S3Store(parts.netloc, config=config, client_options=client, retry_config=retries)
    return Location(store, f"s3://{parts.netloc}", key, description.endpoint or "Amazon S3")


@contextmanager
def using(location: Location, doing: str) -> Generator[None]:
    """Errors of the store become errors for people; `doing`, such as `upload the code`."""
    try:
        yield
    except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError) as error:
        raise Refused(
            f"Cannot {doing}: the object store does not let you at {location.bucket}.",
            "the credentials come from the Secret footplate-object-store of the team's namespace, "
            "else from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        ) from error
    except FileNotFoundError as error:
        raise _no_bucket(location, doing) from error
    except exceptions.BaseError as error:
        if "NoSuchBucket" in str(error):  # A list's 404 has no error of its own.
            raise _no_bucket(location, doing) from error
        raise ClusterAccess(
            f"Cannot {doing}: the object store at {location.endpoint} does not answer: {_first_line(error)}.",
            "check it with `footplate doctor`; is it reachable from this machine?",
        ) from error


def _no_bucket(location: Location, doing: str) -> ClusterAccess:
    return ClusterAccess(
        f"Cannot {doing}: the bucket {location.bucket} does not exist.",
        "`footplate up` makes it; `footplate doctor` checks it",
    )


async def exists(location: Location, path: str) -> bool:
    try:
        await obstore.head_async(location.store, location.at(path))
    except FileNotFoundError:
        return False
    return True


async def listable(location: Location) -> None:
    """Asks for one name: it needs the bucket and the right to look into it."""
    async for _ in obstore.list(location.store, location.key or None, chunk_size=1):  # pyright: ignore[reportUnknownMemberType]
        return


def _first_line(error: Exception) -> str:
    """obstore's messages go on with a dump of the whole error; what the store itself said is in the middle of it."""
    text = str(error).strip() or type(error).__name__
    status = re.search(r"status code: ([^:\n]+)", text)
    said = re.search(r"<Code>(.*?)</Code><Message>(.*?)</Message>", text)
    if status and said:
        return f"{status[1]} ({said[1]}: {said[2].removesuffix('.')})"
    return text.splitlines()[0].removesuffix(".")[:300]
