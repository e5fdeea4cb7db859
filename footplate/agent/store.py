"""Object stores by URI (``s3://bucket/prefix``, ``gs://bucket/prefix``), with errors sorted into ours to wait out or to report."""

# ruff: noqa: N818 (Missing and Changed are what happened)

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event, Lock
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import obstore
from obstore import exceptions
from obstore.store import GCSStore, S3Store

from footplate.agent.ending import AtFault, StoreAway, say

if TYPE_CHECKING:
    from obstore import GetOptions
    from obstore.store import ClientConfig, RetryConfig, S3Config

T = TypeVar("T")

#: Of answers that another try may change: timeouts, too many requests, credentials that are about to be renewed.
_WAIT_STATUS = ("408", "425", "429")
_WAIT_CODES = ("ExpiredToken", "RequestTimeout", "RequestTimeTooSkewed", "SlowDown", "TooManyRequests")

#: Of one request. Transfers go in chunks, so that it bounds a chunk and not a file.
REQUEST_TIMEOUT = timedelta(seconds=60)

#: How long a store may give no answer before ``prepare`` gives up, in seconds.
PATIENCE = 300.0
LONGEST_PAUSE = 15.0

#: Bytes of one request, up and down; with the number of threads it bounds the memory of a transfer.
CHUNK = 8 << 20
#: S3 takes at most 10,000 parts of one object.
MOST_PARTS = 9_000
UPLOADS_AT_ONCE = 2


class Missing(Exception):
    """No such object or bucket."""


class Changed(Exception):
    """The object is no longer the one that was listed."""


@dataclass(frozen=True)
class Object:
    """``path`` is relative to the store's URI."""

    path: str
    size: int
    version: str | None
    modified: datetime | None = None


class Patience:
    """Repeats what failed for want of the store until nothing at all has succeeded for ``limit`` seconds. Thread-safe."""

    def __init__(self, limit: float = PATIENCE, stop: Event | None = None) -> None:
        self._limit = limit
        self._stop = stop or Event()
        self._lock = Lock()
        self._last_success = time.monotonic()
        self._last_word = float("-inf")

    def call(self, operation: Callable[[], T]) -> T:
        """Raises StoreAway when patience is at its end or ``stop`` is set."""
        pause = 0.5
        while True:
            try:
                result = operation()
            except StoreAway as error:
                self._complain(error)
                if self._stop.wait(pause):
                    raise
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                with self._lock:
                    self._last_success = time.monotonic()
                return result

    def _complain(self, error: StoreAway) -> None:
        now = time.monotonic()
        with self._lock:
            waited = now - self._last_success
            if waited > self._limit:
                raise error
            if now - self._last_word > 10.0:
                self._last_word = now
                say(f"{error} Trying again (for {self._limit - waited:.0f} s at most).")


class Store:
    """One URI. Every method raises AtFault, StoreAway, Missing or Changed."""

    def __init__(self, uri: str, environment: Mapping[str, str]) -> None:
        self.uri = uri.rstrip("/")
        parts = urlsplit(self.uri)
        if parts.scheme not in ("s3", "gs") or not parts.netloc:
            raise AtFault(f"{uri!r} is not the URI of an object store: s3://bucket/path or gs://bucket/path is needed.")
        self._bucket = f"{parts.scheme}://{parts.netloc}"
        self._prefix = parts.path.strip("/")
        retries: RetryConfig = {"max_retries": 2, "retry_timeout": timedelta(seconds=10)}
        client: ClientConfig = {"timeout": REQUEST_TIMEOUT, "connect_timeout": timedelta(seconds=5)}
        if parts.scheme == "gs":
            self._store = GCSStore(parts.netloc, client_options=client, retry_config=retries)
            return
        config: S3Config = {"region": environment.get("AWS_REGION") or "us-east-1"}
        if endpoint := environment.get("AWS_ENDPOINT_URL"):
            config["endpoint"] = endpoint
            client["allow_http"] = endpoint.startswith("http://")
        self._store = S3Store(parts.netloc, config=config, client_options=client, retry_config=retries)

    def _key(self, path: str) -> str:
        return "/".join(part for part in (self._prefix, path) if part)

    def _do(self, path: str, operation: Callable[[str], T]) -> T:
        key = self._key(path)
        try:
            return operation(key)
        except FileNotFoundError as error:
            raise Missing(f"{self._bucket}/{key}") from error
        except exceptions.PreconditionError as error:
            raise Changed(f"{self._bucket}/{key}") from error
        except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError) as error:
            raise AtFault(f"The object store refuses this job access to {self._bucket}/{key}.") from error
        except (exceptions.InvalidPathError, exceptions.NotSupportedError) as error:
            raise AtFault(f"{self._bucket}/{key} cannot be read: {_first_line(error)}.") from error
        except exceptions.BaseError as error:
            if refusal := _refusal(str(error), self._bucket, key):
                raise AtFault(refusal) from error
            raise StoreAway(f"The object store of {self._bucket} does not answer: {_first_line(error)}.") from error

    def list(self, path: str = "") -> list[Object]:
        """Everything below ``path``; empty where there is nothing."""
        cut = len(self._prefix) + 1 if self._prefix else 0

        def collect(key: str) -> list[Object]:
            found = obstore.list(self._store, key or None, chunk_size=1000)  # pyright: ignore[reportUnknownMemberType]
            return [
                Object(item["path"][cut:], item["size"], item["e_tag"], item["last_modified"])
                for page in found
                for item in page
            ]

        return self._do(path, collect)

    def folders(self) -> list[str]:
        """The names directly below the URI that have something below them."""

        def collect(key: str) -> list[str]:
            found = obstore.list_with_delimiter(self._store, key or None)  # pyright: ignore[reportUnknownMemberType]
            return [prefix.rstrip("/").rsplit("/", 1)[-1] for prefix in found["common_prefixes"]]

        return self._do("", collect)

    def head(self, path: str = "") -> Object:
        found = self._do(path, lambda key: obstore.head(self._store, key))
        return Object(path, found["size"], found["e_tag"], found["last_modified"])

    def read(self, path: str) -> bytes:
        return self._do(path, lambda key: bytes(obstore.get(self._store, key).bytes()))

    def read_range(self, item: Object, start: int, end: int) -> memoryview:
        """Bytes ``start`` … ``end`` - 1, of the version that was listed where the store knows versions."""
        options: GetOptions = {"range": (start, end)}
        if item.version is not None:
            options["if_match"] = item.version

        def get(key: str) -> memoryview:
            return memoryview(obstore.get(self._store, key, options=options).bytes())

        content = self._do(item.path, get)
        if len(content) != end - start:
            raise StoreAway(f"The object store of {self._bucket} sent {len(content)} bytes of {end - start}.")
        return content

    def write(self, path: str, content: bytes) -> None:
        self._write(path, lambda key: obstore.put(self._store, key, content))

    def _write(self, path: str, operation: Callable[[str], object]) -> None:
        try:
            self._do(path, operation)
        except Missing as error:
            raise AtFault(f"The bucket {self._bucket} does not exist.") from error

    def upload(self, path: str, source: Path, size: int) -> None:
        """Raises OSError where ``source`` cannot be read."""
        chunk = max(CHUNK, -(-size // MOST_PARTS))
        at_once = UPLOADS_AT_ONCE if chunk == CHUNK else 1
        with source.open("rb") as file:
            self._write(
                path,
                lambda key: obstore.put(self._store, key, file, chunk_size=chunk, max_concurrency=at_once),
            )

    def delete(self, paths: Iterable[str]) -> None:
        """Those that are not there are no error."""
        keys = [self._key(path) for path in paths]
        if keys:
            try:
                self._do("", lambda _: obstore.delete(self._store, keys))
            except Missing:
                pass


def _refusal(error: str, bucket: str, key: str) -> str | None:
    """A sentence where the store did answer, and will answer the same again.

    obstore sorts the errors of single objects, but not those of listings. Codes:
    https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html#ErrorCodeList
    """
    status = re.search(r"status code: (\d{3})", error)
    if status is None or not status[1].startswith("4") or status[1] in _WAIT_STATUS:
        return None
    found = re.search(r"<Code>(\w+)</Code>", error)
    code = found[1] if found else f"status {status[1]}"
    if code in _WAIT_CODES:
        return None
    if code in ("NoSuchBucket", "InvalidBucketName"):
        return f"The bucket {bucket} does not exist."
    if status[1] in ("401", "403"):
        return f"The object store refuses this job access to {bucket}/{key} ({code})."
    return f"The object store refuses a request for {bucket}/{key} ({code})."


def _first_line(error: Exception) -> str:
    """obstore's messages go on with a dump of the whole error."""
    text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return text.removesuffix(".")[:300]
