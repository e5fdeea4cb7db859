"""One container's log. Where the connection breaks, it goes on after the last line that came."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime

from footplate.client.pods import Pod
from footplate.client.session import Session
from footplate.kube.errors import ApiError, BadRequest, NotFound, Unreachable

_PAUSE = 1.0
#: Seconds of silence after which the log is asked for anew: a dead connection looks the same.
_SILENCE = 30.0
#: The same for a container that has ended: its log's end should have come.
_LATE = 2.0
_AHEAD = 1000

_MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)$")


@dataclass(frozen=True, order=True)
class Moment:
    """A log's timestamp, to the nanosecond (RFC 3339)."""

    second: float
    nanosecond: int

    @staticmethod
    def parse(text: str) -> Moment | None:
        match = _MOMENT.match(text)
        if match is None:
            return None
        second = datetime.fromisoformat(f"{match[1]}{match[3].replace('Z', '+00:00')}").timestamp()
        return Moment(second, int((match[2] or "0").ljust(9, "0")[:9]))


@dataclass(frozen=True)
class Line:
    text: bytes
    node: int = 0
    attempt: int = 0
    moment: bytes = field(default=b"", compare=False)


class Position:
    """How far a log has been read: the time of the last line, and how many lines had that very time."""

    def __init__(self) -> None:
        self.moment = b""
        self._count = 0
        self._to_skip = 0
        self._past: Moment | None = None

    def rewind(self) -> None:
        """The log is read from `moment`'s second again."""
        self._past = Moment.parse(self.moment.decode(errors="replace")) if self.moment else None
        self._to_skip = self._count

    def is_new(self, moment: bytes) -> bool:
        """Takes note of a line."""
        if self._past is not None:
            now = Moment.parse(moment.decode(errors="replace"))
            if now is not None and now < self._past:
                return False
            if now == self._past and self._to_skip > 0:
                self._to_skip -= 1
                return False
            if now is not None and now > self._past:
                self._past = None
        self._count = self._count + 1 if moment == self.moment else 1
        self.moment = moment
        return True


async def read(
    session: Session, pod: Pod, *, tail: int | None = None, since: datetime | None = None
) -> AsyncGenerator[Line]:
    """What there is; nothing where the container has not started, or its log is gone."""
    logs = session.kube.logs(
        pod.metadata.namespace, pod.name, pod.main, tail=tail, timestamps=True, since_time=_rfc3339(since)
    )
    try:
        async with aclosing(logs) as lines:
            async for raw in lines:
                if (line := _line(raw, pod)) is not None:
                    yield line
    except (NotFound, BadRequest):
        return


async def follow(
    session: Session, pod: Pod, *, tail: int | None = None, since: datetime | None = None, ended: Callable[[], bool]
) -> AsyncGenerator[Line]:
    """To the container's end, which `ended` tells."""
    position = Position()
    while True:
        last = ended()
        logs = session.kube.logs(
            pod.metadata.namespace,
            pod.name,
            pod.main,
            follow=not last,
            tail=None if position.moment else tail,
            timestamps=True,
            since_time=position.moment.decode() or _rfc3339(since),
        )
        position.rewind()
        try:
            async with aclosing(_until_silent(logs, ended)) as lines:
                async for raw in lines:
                    line = _line(raw, pod)
                    if line is not None and position.is_new(line.moment):
                        yield line
        except TimeoutError:
            continue
        except (Unreachable, BadRequest, NotFound) as error:
            # BadRequest: the container is not there yet, or no longer.
            if isinstance(error, ApiError) and last:
                return
        except ApiError as error:
            if error.status < 500:
                raise
        if last:
            return
        await asyncio.sleep(_PAUSE)


async def _until_silent(source: AsyncGenerator[bytes], ended: Callable[[], bool]) -> AsyncGenerator[bytes]:
    """Raises TimeoutError where no more is to be expected. Read ahead: a task a line would be slow."""
    queue: asyncio.Queue[bytes | None] = asyncio.Queue(_AHEAD)
    reading = asyncio.create_task(_read_ahead(source, queue))
    try:
        while True:
            line = await _next(queue, ended) if queue.empty() else queue.get_nowait()
            if line is None:
                break
            yield line
        await reading
    finally:
        reading.cancel()
        await asyncio.wait([reading])


async def _read_ahead(source: AsyncGenerator[bytes], queue: asyncio.Queue[bytes | None]) -> None:
    try:
        async with aclosing(source) as lines:
            async for line in lines:
                await queue.put(line)
    except Exception:
        await queue.put(None)  # The reader asks this task why.
        raise
    await queue.put(None)


async def _next(queue: asyncio.Queue[bytes | None], ended: Callable[[], bool]) -> bytes | None:
    silent = 0.0
    while True:
        try:
            return await asyncio.wait_for(queue.get(), _LATE)
        except TimeoutError:
            silent += _LATE
            if ended() or silent >= _SILENCE:
                raise


def _rfc3339(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


def _line(raw: bytes, pod: Pod) -> Line | None:
    """None for what is the kubelet's own word, such as that the log is gone: it has no timestamp."""
    moment, _, text = raw.partition(b" ")
    if Moment.parse(moment.decode(errors="replace")) is None:
        return None
    return Line(text, pod.node_rank, pod.attempt, moment)
