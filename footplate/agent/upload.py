"""Uploads the committed checkpoints of a local directory to the object store, and keeps the newest of them there.

One loop in one process. A round looks at the markers in the local directory; only when one is not settled does it list
the store, choose a step (``stored.choose``), upload that step's files, check their sizes there, and put the markers
last. Then the leader, the node that wrote part 0, deletes what retention no longer keeps. The markers that are settled
are written to ``.sync.json`` beside the checkpoints, for the launcher, which ends a job only when its checkpoints are
safe, and for ``footplate.checkpoint``, which keeps what is being uploaded.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Event

from footplate import checkpoint
from footplate.agent import stored
from footplate.agent.download import run_all, size_text
from footplate.agent.ending import AtFault, StoreAway, say, write_termination_message
from footplate.agent.store import Missing, Object, Store
from footplate.agent.stored import Stored
from footplate.api.podreport import PodReport
from footplate.checkpoint import Marker, Part

POLL = 1.0
LONGEST_PAUSE = 15.0
THREADS = 4

#: A marker's path → its modification time in nanoseconds: a step that is saved again is another one.
Fingerprints = dict[str, int]


class VanishedError(Exception):
    """A local checkpoint was deleted or changed while it was being uploaded."""


class Sync:
    def __init__(self, root: Path, store: Store, stop: Event) -> None:
        self._root = root
        self._store = store
        self._stop = stop
        self._settled: Fingerprints = {}
        #: Of the settled ones, those that were not as committed when they were read.
        self._left_out: Fingerprints = {}
        self._markers: dict[tuple[str, str], bytes] = {}
        #: Files uploaded of a part whose marker is still to come: path in the store → (size, modification time).
        self._uploaded: dict[str, tuple[int, int]] = {}
        self._reported: dict[str, object] | None = None
        self.told: PodReport | None = None
        """Of the newest checkpoint that is complete in the store."""

    def run(self) -> int:
        """Until SIGTERM; returns the exit code."""
        pause = POLL
        error: str | None = None
        self._report()
        while True:
            stopping = self._stop.is_set()
            try:
                busy = self._round(final=stopping or (self._root / checkpoint.FINISHED).exists())
            except (StoreAway, AtFault) as problem:
                if str(problem) != error:
                    say(f"{problem} Trying again until the job ends.")
                error, pause = str(problem), min(2 * pause, LONGEST_PAUSE)
                self._report(error=error)
            else:
                if error is not None:
                    say("the object store answers again")
                error, pause = None, POLL
                if stopping and self._all_settled():
                    return 0
                if busy:
                    continue
            if stopping:
                time.sleep(min(pause, 2.0))
            else:
                self._stop.wait(pause)

    def _all_settled(self) -> bool:
        return all(self._settled.get(path) == time_ns for path, time_ns in fingerprints(self._root).items())

    def _round(self, *, final: bool) -> bool:
        """True where a step was uploaded: there may be another."""
        seen = fingerprints(self._root)
        if all(self._settled.get(path) == time_ns for path, time_ns in seen.items()):
            self._report()
            return False
        local = self._local(seen)
        if not local:
            return False
        keep = next(iter(local[max(local)].values())).keep
        there = self._listing()
        step = stored.choose(local, there, keep=keep, final=final)
        if step is not None:
            self._report(uploading=step)
            try:
                self._upload(step, local[step], there.get(step))
            except VanishedError as gone:
                say(f"{gone}; {checkpoint.step_name(step)} is left out")
                self._left_out.update(_of(step, seen))
                self._settled.update(_of(step, seen))
            there = self._listing()
            self._retain(local, there, keep)
        for done in stored.settled(local, there, keep):
            self._settled.update(_of(done, seen))
        self._tell(max(stored.complete_steps(there), default=None), seen)
        self._report()
        return step is not None

    def _local(self, seen: Fingerprints) -> dict[int, dict[Part, Marker]]:
        found: dict[int, dict[Part, Marker]] = {}
        for step in checkpoint.steps_in(self._root):
            own = _of(step, seen)
            if own and any(self._left_out.get(path) != time_ns for path, time_ns in own.items()):
                found[step] = checkpoint.markers_in(self._root / checkpoint.step_name(step))
        return {step: parts for step, parts in found.items() if parts}

    def _listing(self) -> dict[int, Stored]:
        return stored.from_listing(self._store.list(), self._read_marker)

    def _read_marker(self, item: Object) -> bytes | None:
        key = (item.path, item.version or "")
        if item.version and key in self._markers:
            return self._markers[key]
        try:
            content = self._store.read(item.path)
        except Missing:
            return None
        self._markers[key] = content
        return content

    def _upload(self, step: int, parts: Mapping[Part, Marker], there: Stored | None) -> None:
        """Raises StoreAway, AtFault or VanishedError."""
        name = checkpoint.step_name(step)
        for part, marker in stored.unstored(parts, there).items():
            started = time.monotonic()
            own = f"{name}/{checkpoint.marker_name(part)}"
            if there and part in there.markers:  # Of an attempt that is gone: its files are about to change.
                self._store.delete([own])
            announcement = f"{name}/{stored.announcement_name(part)}"
            if part.of > 1:
                self._store.write(announcement, b"")
            with ThreadPoolExecutor(THREADS) as pool:
                uploads = [partial(self._upload_file, name, file, size) for file, size in marker.files.items()]
                run_all(pool, uploads)
            self._verify(name, marker)
            if checkpoint.markers_in(self._root / name).get(part) != marker:
                raise VanishedError("it was saved again, or deleted")
            self._store.write(own, marker.encode())
            self._store.delete([announcement] if part.of > 1 else [])
            self._uploaded.clear()
            label = f"{name}, part {part.number + 1} of {part.of}" if part.of > 1 else name
            size = size_text(sum(marker.files.values()))
            say(f"{label} is in {self._store.uri} ({size}, {time.monotonic() - started:.1f} s)")

    def _upload_file(self, step: str, file: str, size: int) -> None:
        path = f"{step}/{file}"
        try:
            there = (self._root / path).stat()
            identity = (there.st_size, there.st_mtime_ns)
            if there.st_size != size:
                raise VanishedError(f"{file} has {there.st_size} bytes and was committed with {size}")
            if self._uploaded.get(path) == identity:
                return
            self._store.upload(path, self._root / path, size)
        except OSError as error:
            raise VanishedError(f"{file} cannot be read ({error.strerror})") from error
        self._uploaded[path] = identity

    def _verify(self, step: str, marker: Marker) -> None:
        sizes = {item.path.removeprefix(f"{step}/"): item.size for item in self._store.list(step)}
        for file, size in marker.files.items():
            if sizes.get(file) != size:
                self._uploaded.pop(f"{step}/{file}", None)
                raise StoreAway(f"The object store has {sizes.get(file)} bytes of {step}/{file}, not {size}.")

    def _retain(self, local: Mapping[int, Mapping[Part, Marker]], there: Mapping[int, Stored], keep: int) -> None:
        newest = max(stored.complete_steps(there), default=-1)
        if not any(part.number == 0 for part in local.get(newest, ())):
            return
        for step in stored.outdated(there, keep):
            name = checkpoint.step_name(step)
            objects = there[step].objects
            markers = [file for file in objects if checkpoint.parse_marker_name(file)]
            self._store.delete(f"{name}/{file}" for file in markers)
            self._store.delete(f"{name}/{file}" for file in objects if file not in markers)

    def _tell(self, step: int | None, seen: Fingerprints) -> None:
        """In the termination message, whenever this container ends: the controllers count progress by it."""
        if step is None or (self.told is not None and step == self.told.checkpoint_step):
            return
        written = max(_of(step, seen).values(), default=time.time_ns())
        at = datetime.fromtimestamp(written // 10**9, UTC)
        self.told = PodReport(checkpoint_step=step, checkpoint_at=at)
        write_termination_message(self.told.encode())

    def _report(self, *, uploading: int | None = None, error: str | None = None) -> None:
        present = fingerprints(self._root)
        self._settled = {path: time_ns for path, time_ns in self._settled.items() if path in present}
        state: dict[str, object] = {
            "enabled": True,
            "uploading": uploading,
            "settled": dict(sorted(self._settled.items())),
            "error": error,
        }
        if state != self._reported:
            write_state(self._root, state)
            self._reported = state


def fingerprints(root: Path) -> Fingerprints:
    found: Fingerprints = {}
    for step in checkpoint.steps_in(root):
        try:
            for entry in (root / checkpoint.step_name(step)).iterdir():
                if checkpoint.parse_marker_name(entry.name):
                    found[f"{checkpoint.step_name(step)}/{entry.name}"] = entry.stat().st_mtime_ns
        except OSError:  # deleted meanwhile
            continue
    return found


def _of(step: int, seen: Fingerprints) -> Fingerprints:
    prefix = f"{checkpoint.step_name(step)}/"
    return {path: time_ns for path, time_ns in seen.items() if path.startswith(prefix)}


def write_state(root: Path, state: Mapping[str, object]) -> None:
    path = root / checkpoint.SYNC_STATE
    fresh = path.with_suffix(".writing")
    fresh.write_text(json.dumps(state))
    fresh.replace(path)
