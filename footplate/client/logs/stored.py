"""The logs of an attempt from the object store, as its pods would give them."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime, timedelta

from footplate.api import TrainingJob, records
from footplate.api.records import Stream
from footplate.api.trainingjob import Attempt
from footplate.client.logs.container import Line, Moment
from footplate.client.logs.reading import merge
from footplate.client.logs.selection import Selection
from footplate.client.records import segments
from footplate.client.records.segments import Gap, Piece
from footplate.client.session import Session
from footplate.client.store import Location, at, using

_APART = timedelta(seconds=5)
"""By which the kubelet may have read a line later than it was printed."""


class Stored:
    """`processes`: of a node."""

    def __init__(self, session: Session, job: TrainingJob, attempt: Attempt) -> None:
        self._session = session
        self._attempt = attempt
        self._processes = job.spec.processes
        self._world = max(attempt.nodes, job.spec.nodes) * job.spec.processes

    async def lines(
        self, selection: Selection, *, tail: int | None = None, since: datetime | None = None
    ) -> AsyncGenerator[Line]:
        """In the order of time. `tail`: lines of each node."""
        if self._attempt.log_uri is None:
            return
        async with at(self._session, self._attempt.log_uri) as location:
            with using(location, "read the log"):
                found = await segments.listing(location, records.LOGS)
                sources: list[AsyncGenerator[Line]] = []
                for path, pieces in sorted(found.items()):
                    stream = records.parse_stream(path.rsplit("/", 1)[-1])
                    if stream is not None and self._taken(stream, selection):
                        sources.append(self._stream(location, path, pieces, stream, tail, since))
                merged = merge(sources)
                async with aclosing(merged if tail is None else _last(merged, tail)) as lines:
                    async for line in lines:
                        yield line

    async def after(self, selection: Selection, last: Line | None) -> AsyncGenerator[Line]:
        """Those that come after `last`, which was read elsewhere and has the kubelet's time."""
        seen = Moment.parse(last.moment.decode(errors="replace")) if last else None
        if last is None or seen is None:
            async for line in self.lines(selection):
                yield line
            return
        begin = datetime.fromtimestamp(seen.second).astimezone() - _APART
        recent: list[Line] = []
        met = False
        async for line in self.lines(selection, since=begin):
            moment = Moment.parse(line.moment.decode(errors="replace"))
            if line.text == last.text and moment is not None and moment <= seen:
                recent, met = [], True
            elif met or (moment is not None and moment > seen):
                recent.append(line)
        for line in recent:
            yield line

    def _taken(self, stream: Stream, selection: Selection) -> bool:
        if selection.node is not None and self._node(stream) != selection.node:
            return False
        return selection.rank is None or stream == ("rank", selection.rank)

    def _node(self, stream: Stream) -> int:
        return stream.number // self._processes if stream.kind == "rank" else stream.number

    async def _stream(
        self,
        location: Location,
        path: str,
        pieces: list[Piece],
        stream: Stream,
        tail: int | None,
        since: datetime | None,
    ) -> AsyncGenerator[Line]:
        node, number = self._node(stream), self._attempt.number
        # As the launcher has it.
        width = len(str(self._world - 1))
        prefix = f"[{stream.number:>{width}}] ".encode() if stream.kind == "rank" and self._processes > 1 else b""
        wanted = segments.since(pieces, since) if since else pieces
        position = await segments.tail(location, path, wanted, tail) if tail is not None else 0
        if since and wanted and tail is None:
            position = min(piece.segment.start for piece in wanted)
        moment = b""
        async with aclosing(segments.lines(location, path, wanted, position)) as lines:
            async for line in lines:
                if isinstance(line, Gap):
                    text = b"footplate: %d bytes are missing here: they could not be uploaded in time" % line.size
                    yield Line(prefix + text, node, number, moment)
                    continue
                moment, _, text = line.partition(b" ")
                parsed = Moment.parse(moment.decode(errors="replace"))
                if since is None or (parsed is not None and parsed.second >= since.timestamp() // 1):
                    yield Line(prefix + text, node, number, moment)


async def _last(lines: AsyncGenerator[Line], count: int) -> AsyncGenerator[Line]:
    """Of each node."""
    kept: dict[int, deque[tuple[int, Line]]] = {}
    index = 0
    async with aclosing(lines) as source:
        async for line in source:
            kept.setdefault(line.node, deque(maxlen=count)).append((index, line))
            index += 1
    for _, line in sorted((pair for some in kept.values() for pair in some), key=lambda pair: pair[0]):
        yield line
