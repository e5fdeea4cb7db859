"""One restic repository (restic 0.14 or newer) in an object store, with its errors as sentences.

Source: https://restic.readthedocs.io/en/v0.14.0/ (JSON messages of `backup`, exit codes, backends' variables).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import IO, Any, cast
from urllib.parse import urlsplit

from footplate.agent.ending import AtFault, DiskFull, StoreAway, say
from footplate.agent.store import Missing, Store

Json = dict[str, Any]

PATIENCE = 60.0
"""Seconds for which the store may give no answer; restic itself would try for a quarter of an hour."""
CREDENTIALS_TIMEOUT = 10.0
LAST_LINES = 20
SAMPLE = "64M"
"""Of the data in the store, read back after each snapshot; all of it where there is less."""
BEFORE_RESTORE = "before-restore"
"""Tag of what a restore replaced."""


@dataclass(frozen=True)
class Kept:
    """A snapshot in the repository."""

    id: str
    at: datetime
    tags: tuple[str, ...] = ()


@dataclass
class Restic:
    """`uri`: s3://… or gs://…, of one workspace alone: nobody else writes it, so that locks of killed tasks are stale."""

    uri: str
    environment: Mapping[str, str]
    cache: Path
    process: subprocess.Popen[str] | None = field(default=None, init=False)
    """What runs now, for who has to end it."""

    def there(self) -> bool:
        """Raises AtFault, StoreAway."""
        try:
            Store(self.uri, self.environment).head("config")
        except Missing:
            return False
        except StoreAway as error:
            say(str(error))
            raise StoreAway(str(error).split(": Generic")[0].rstrip(".") + ".") from error
        return True

    def ready(self) -> None:
        """For writing: made where it is not there."""
        if not self.there():
            self.run("init")
        elif Store(self.uri, self.environment).list("locks"):
            self.run("unlock", "--remove-all")

    def snapshots(self) -> list[Kept]:
        """The newest first; those of one repository."""
        if not self.there():
            return []
        found: list[Json] = json.loads(self.run("snapshots", "--json", "--no-lock")) or []
        kept = [Kept(row["short_id"], _time(row["time"]), tuple(row.get("tags") or ())) for row in found]
        return sorted(kept, key=lambda one: one.at, reverse=True)

    def backup(self, home: Path, tag: str, excludes: list[str], heard: Callable[[Json], None]) -> tuple[Json, set[str]]:
        """restic's summary, and what could not be read. Contents of `home` are at the snapshot's root."""
        unread: set[str] = set()

        def message(row: Json) -> None:
            if row.get("message_type") == "error":
                unread.add(str(row.get("item", "")))
            heard(row)

        skip = [word for pattern in excludes for word in ("--exclude", pattern)]
        words = ["backup", "--json", "--host", "home", "--tag", tag, "--exclude-caches", *skip, "."]
        output = self.run(*words, cwd=home, message=message, partly=3)
        summaries = [row for line in output.splitlines() if (row := _row(line)).get("message_type") == "summary"]
        if not summaries:
            raise StoreAway("Home could not be saved: restic ended without a summary.")
        return summaries[-1], unread

    def check(self) -> None:
        """That all snapshots are complete, and a sample of their data is what it was."""
        try:
            self.run("check", "--no-lock", f"--read-data-subset={SAMPLE}")
        except StoreAway as error:
            raise StoreAway(f"The snapshot could not be verified: {_lower(str(error))}") from error

    def run(
        self,
        *words: str,
        cwd: Path | None = None,
        message: Callable[[Json], None] | None = None,
        partly: int = 0,
    ) -> str:
        """Standard output. `message`: takes restic's JSON lines as they come. `partly`: an exit code that is no failure.

        Raises AtFault, StoreAway, DiskFull.
        """
        command = ["restic", "--cache-dir", str(self.cache), *words]
        self.process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**self.environment, **self._repository(), "RESTIC_PROGRESS_FPS": "0.5"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        troubles = _Troubles(self.process, self.process.stderr, message or (lambda _: None))
        lines: list[str] = []
        for line in self.process.stdout:
            troubles.saw(row := _row(line))
            if message is not None and row:
                message(row)
            if row.get("message_type") != "status":
                lines.append(line)
        code = self.process.wait()
        troubles.finish()
        self.process = None
        if code not in (0, partly):
            raise _error(words[0], [*lines, *troubles.last], self.uri)
        return "".join(lines)

    def _repository(self) -> dict[str, str]:
        parts = urlsplit(self.uri)
        bucket, prefix = parts.netloc, parts.path.strip("/")
        if parts.scheme == "gs":
            return {
                "RESTIC_REPOSITORY": f"gs:{bucket}:/{prefix}",
                "GOOGLE_PROJECT_ID": self.environment.get("GOOGLE_PROJECT_ID") or "unused",  # buckets are not made
            }
        region = self.environment.get("AWS_REGION") or "us-east-1"
        endpoint = self.environment.get("AWS_ENDPOINT_URL") or f"https://s3.{region}.amazonaws.com"
        address = {"RESTIC_REPOSITORY": f"s3:{endpoint.rstrip('/')}/{bucket}/{prefix}", "AWS_DEFAULT_REGION": region}
        return {**address, **container_credentials(self.environment)}


def container_credentials(environment: Mapping[str, str]) -> dict[str, str]:
    """Of EKS Pod Identity, which restic 0.14 does not know: it takes them from the environment.

    Source: https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
    """
    uri = environment.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")
    if not uri or environment.get("AWS_ACCESS_KEY_ID"):
        return {}
    try:
        headers: dict[str, str] = {}
        if token := environment.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"):
            headers["Authorization"] = Path(token).read_text().strip()
        request = urllib.request.Request(uri, headers=headers)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=CREDENTIALS_TIMEOUT) as answer:
            found: Json = json.loads(answer.read())
            return {
                "AWS_ACCESS_KEY_ID": found["AccessKeyId"],
                "AWS_SECRET_ACCESS_KEY": found["SecretAccessKey"],
                "AWS_SESSION_TOKEN": found["Token"],
            }
    except (OSError, ValueError, KeyError) as error:
        raise StoreAway(f"The pod's identity gives no credentials: {error}.") from error


class _Troubles:
    """Reads standard error; ends restic where the store has not answered for PATIENCE."""

    def __init__(self, process: subprocess.Popen[str], stream: IO[str], message: Callable[[Json], None]) -> None:
        self.last: list[str] = []
        self._process = process
        self._stream = stream
        self._message = message
        self._since: float | None = None
        self._done = 0
        self._thread = Thread(target=self._read, daemon=True)
        self._thread.start()

    def saw(self, row: Json) -> None:
        """Progress means that the store answers."""
        done = int(row.get("bytes_done") or 0)
        if done > self._done:
            self._done, self._since = done, None

    def finish(self) -> None:
        self._thread.join(5.0)

    def _read(self) -> None:
        for line in self._stream:
            if row := _row(line):
                self._message(row)
            self.last = [*self.last, line][-LAST_LINES:]
            if "returned error, retrying after" in line:
                self._since = self._since or time.monotonic()
                if time.monotonic() - self._since > PATIENCE:
                    self._process.kill()


def _row(line: str) -> Json:
    if not line.startswith("{"):
        return {}
    try:
        found: object = json.loads(line)
    except ValueError:
        return {}
    return cast(Json, found) if isinstance(found, dict) else {}


def _error(what: str, lines: list[str], uri: str) -> AtFault | StoreAway | DiskFull:
    text = "".join(lines)
    if "wrong password or no key found" in text:
        return AtFault(
            f"The snapshots at {uri} were made with another password than the team's Secret footplate-homes has: "
            "restore that Secret from its backup."
        )
    if re.search(r"no space left on device|disk quota exceeded", text, re.IGNORECASE):
        return DiskFull("The volume of home is full.")
    if re.search(r"Access ?Denied|InvalidAccessKeyId|SignatureDoesNotMatch|forbidden", text, re.IGNORECASE):
        return AtFault(f"The object store refuses access to {uri}.")
    words = [line.strip() for line in lines if line.strip() and not line.startswith("{")]
    said = next((line for line in reversed(words) if line.startswith("Fatal:")), words[-1] if words else "killed")
    return StoreAway(f"restic {what} failed: {said.removeprefix('Fatal: ').rstrip('.')[:300]}.")


def _time(text: str) -> datetime:
    """restic writes nanoseconds."""
    moment = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
    return moment.astimezone(UTC)


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def of_environment(uri: str, environment: Mapping[str, str] = os.environ) -> Restic:
    return Restic(uri, environment, Path(environment.get("FOOTPLATE_CACHE") or "/tmp/restic"))
