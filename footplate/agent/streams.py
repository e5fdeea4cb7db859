"""Output that grows, uploaded in segments while it grows (`footplate.api.records`): logs and metrics.

What is new goes to the store after ``DELAY`` seconds, or as soon as it makes a segment; small segments are replaced by larger
ones, and what is in the store for good is deleted here. Memory: two segments; disk: what the writer of the output allows.
How far it has come is in a file beside the output, so that an agent that is started again goes on; a pod that is made again
for the same rank goes on after what the first one left.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import msgspec

from footplate.agent.store import Store
from footplate.api.records import Segment, parse_segment

DELAY = 9.0
"""Seconds. With the one between two looks, and what is on its way, it is what a node takes with it when it dies."""
SEGMENT = 4 << 20
FANOUT = 16


class Source(Protocol):
    def bounds(self) -> tuple[int, int]:
        """The first byte that is still here, and the byte after the last."""
        ...

    def read(self, start: int, end: int) -> bytes: ...

    def release(self, end: int) -> None:
        """What is before it is safe."""
        ...


class Rotated:
    """Files named by the offset of their first byte (`footplate.agent.launch.Kept`)."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def _files(self) -> list[tuple[int, int, Path]]:
        found: list[tuple[int, int, Path]] = []
        for path in self._directory.glob("*.log"):
            try:
                start = int(path.stem)
                found.append((start, start + path.stat().st_size, path))
            except (ValueError, OSError):  # deleted meanwhile
                continue
        return sorted(found)

    def bounds(self) -> tuple[int, int]:
        files = self._files()
        return (files[0][0], files[-1][1]) if files else (0, 0)

    def read(self, start: int, end: int) -> bytes:
        parts: list[bytes] = []
        for first, last, path in self._files():
            if last <= start or first >= end:
                continue
            with path.open("rb") as file:
                file.seek(max(start - first, 0))
                parts.append(file.read(min(end, last) - max(start, first)))
        return b"".join(parts)

    def release(self, end: int) -> None:
        """But for the newest file, which is written to."""
        for _, last, path in self._files()[:-1]:
            if last <= end:
                path.unlink(missing_ok=True)


class Growing:
    """One file, of which nothing is deleted."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def bounds(self) -> tuple[int, int]:
        try:
            return 0, self._path.stat().st_size
        except OSError:
            return 0, 0

    def read(self, start: int, end: int) -> bytes:
        with self._path.open("rb") as file:
            file.seek(start)
            return file.read(end - start)

    def release(self, end: int) -> None:
        del end


class Small(msgspec.Struct, frozen=True, array_like=True):
    """A segment to be replaced by a larger one. `level`: how often that has been done already."""

    start: int
    end: int
    level: int = 0


class State(msgspec.Struct, frozen=True):
    """`base`: bytes in the store when this pod began. The others are offsets in the source: sent, and sent for good."""

    base: int
    sent: int = 0
    whole: int = 0
    small: tuple[Small, ...] = ()


class Upload:
    """Of one source, to ``path`` in the store. ``notes``: the file in which it says how far it is."""

    def __init__(self, store: Store, path: str, source: Source, notes: Path) -> None:
        self._store, self._path, self._source, self._notes = store, path, source, notes
        self._unsent_since: float | None = None

    def round(self, now: float, *, final: bool) -> bool:
        """True where something was sent: there may be more. Raises StoreAway and AtFault."""
        state = self._state()
        first, end = self._source.bounds()
        if first > state.sent:  # it could not be sent in time
            state = self._note(msgspec.structs.replace(state, sent=first, whole=first, small=()))
        if end <= state.sent:
            self._unsent_since = None
            if final:
                self._merge(state, first)
            return False
        if self._unsent_since is None:
            self._unsent_since = now
        if not final and end - state.sent < SEGMENT and now - self._unsent_since < DELAY:
            return False
        content = self._next(state.sent, end, final=final)
        if not content:
            return False
        sent = state.sent + len(content)
        self._store.write(self._name(state, state.sent, sent), content)
        small = (*state.small, Small(state.sent, sent))
        state = self._compacted(self._note(msgspec.structs.replace(state, sent=sent, small=small)), first)
        if state.sent - state.whole >= SEGMENT:
            self._merge(state, first)
        self._unsent_since = None
        return True

    def _state(self) -> State:
        try:
            return msgspec.json.decode(self._notes.read_bytes(), type=State)
        except (OSError, msgspec.DecodeError):
            there = (parse_segment(item.path.rsplit("/", 1)[-1]) for item in self._store.list(self._path))
            return self._note(State(max((segment.end for segment in there if segment), default=0)))

    def _note(self, state: State) -> State:
        fresh = self._notes.with_suffix(".writing")
        fresh.parent.mkdir(parents=True, exist_ok=True)
        fresh.write_bytes(msgspec.json.encode(state))
        fresh.replace(self._notes)
        return state

    def _next(self, start: int, end: int, *, final: bool) -> bytes:
        """Whole lines, but for one that is longer than a segment, and the last."""
        content = self._source.read(start, min(end, start + SEGMENT))
        lines = content[: content.rfind(b"\n") + 1]
        return lines or (content if final or len(content) == SEGMENT else b"")

    def _merge(self, state: State, first: int) -> None:
        """One segment in place of all the small ones. `first`: the first byte that is still here."""
        if state.whole < state.sent:
            self._join(state, len(state.small), first)
            self._note(msgspec.structs.replace(state, whole=state.sent, small=()))
        self._source.release(state.sent)

    def _compacted(self, state: State, first: int) -> State:
        """``FANOUT`` small segments of one level become one of the next: output that trickles has few segments too."""
        while True:
            last = state.small[-FANOUT:]
            if len(last) < FANOUT or len({part.level for part in last}) > 1 or first > last[0].start:
                return state
            self._join(state, FANOUT, first)
            joined = Small(last[0].start, last[-1].end, last[0].level + 1)
            state = self._note(msgspec.structs.replace(state, small=(*state.small[:-FANOUT], joined)))

    def _join(self, state: State, count: int, first: int) -> None:
        """The last `count` small segments, in the store."""
        parts = state.small[-count:] if count else ()
        if len(parts) < 2 or first > parts[0].start:
            return
        start, end = parts[0].start, parts[-1].end
        self._store.write(self._name(state, start, end), self._source.read(start, end))
        self._store.delete(self._name(state, part.start, part.end) for part in parts)

    def _name(self, state: State, start: int, end: int) -> str:
        return f"{self._path}/{Segment(state.base + start, state.base + end).name}"
