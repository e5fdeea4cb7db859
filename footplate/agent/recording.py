"""What of a node outlives its pod goes to the object store while the job runs: logs, metrics, artifacts.

Two threads beside the upload of checkpoints, so that a large artifact does not hold up the logs. A store that is away is
waited for; once the job's processes have ended, for ``LAST`` seconds.

Environment: FOOTPLATE_RECORDS_URI (empty: nothing is kept), FOOTPLATE_RUN_DIR, NODE_RANK, FOOTPLATE_ARTIFACTS_LIMIT
(bytes), FOOTPLATE_RECORDS_SECONDS (of a store that deletes nothing by itself: for how long records are kept).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Event, Thread

import msgspec

from footplate import training
from footplate.agent import expiry
from footplate.agent.ending import AtFault, StoreAway, say
from footplate.agent.launch import Kept
from footplate.agent.store import Store
from footplate.agent.streams import Growing, Rotated, Upload
from footplate.agent.trees import LeftOut, Tree
from footplate.api import records

POLL = 1.0
LONGEST_PAUSE = 15.0
LAST = 20.0
ARTIFACTS_LIMIT = 5 << 30

#: Between the launcher and this, in the run directory: files are uploaded; the processes have ended; all is there.
RECORDING, FINISHED, RECORDED = ".recording", ".finished", ".recorded"


class Recording:
    """Runs from its making; `finish` when the job's processes have ended."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._stop = Event()
        self._threads: list[Thread] = []
        uri, directory = environment.get("FOOTPLATE_RECORDS_URI"), environment.get("FOOTPLATE_RUN_DIR")
        if not uri or not directory:
            return
        root, node = Path(directory), environment.get("NODE_RANK") or "0"
        store = Store(uri, environment)
        output = Output(root, store)
        limit = int(environment.get("FOOTPLATE_ARTIFACTS_LIMIT") or ARTIFACTS_LIMIT)
        files = Files(root, store, node, limit, _teller(root, node))
        root.mkdir(parents=True, exist_ok=True)
        (root / RECORDED).unlink(missing_ok=True)
        (root / RECORDING).touch()
        keep = float(environment.get("FOOTPLATE_RECORDS_SECONDS") or 0)

        def expire() -> None:
            return None

        if keep and node == "0":
            expire = lambda: expiry.expire(uri, environment, keep)  # noqa: E731
        for name, work, first in (("output", output.round, lambda: None), ("files", files.round, expire)):
            thread = Thread(target=self._run, args=(work, first), name=name, daemon=True)
            thread.start()
            self._threads.append(thread)

    def finish(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, work: Callable[[bool], bool], first: Callable[[], None]) -> None:
        """`work` gets whether nothing more will come; False: there is nothing to do at present."""
        pause, error = POLL, ""
        ends: float | None = None
        _patiently(first)
        while True:
            stopping = self._stop.is_set()
            if stopping and ends is None:
                ends = time.monotonic() + LAST
            try:
                busy = work(stopping)
            except (StoreAway, AtFault, OSError) as problem:
                if str(problem) != error:
                    say(f"{problem} Logs and artifacts wait for it.")
                error, pause = str(problem), min(2 * pause, LONGEST_PAUSE)
                if ends is not None and time.monotonic() > ends:
                    say("some of the last output is not in the object store")
                    return
            else:
                error, pause = "", POLL
                if busy:
                    continue
                if stopping:
                    return
            if stopping:
                time.sleep(min(pause, 2.0))
            else:
                self._stop.wait(pause)


def _patiently(first: Callable[[], None]) -> None:
    try:
        first()
    except (StoreAway, AtFault) as problem:
        say(f"{problem} Old records are not removed this time.")


def _teller(root: Path, node: str) -> Callable[[str], None]:
    kept = Kept(root / records.LOGS / f"agent-{node}")

    def tell(sentence: str) -> None:
        say(sentence)
        kept.write([f"footplate: {sentence}".encode()])

    return tell


class Output:
    """Logs of all processes, and metrics."""

    def __init__(self, root: Path, store: Store) -> None:
        self._root, self._store = root, store
        self._uploads: dict[str, Upload] = {}

    def round(self, final: bool) -> bool:
        self._look()
        # Each gets its turn: a process that prints without end does not hold up the others.
        return any(upload.round(time.monotonic(), final=final) for upload in self._uploads.values())

    def _look(self) -> None:
        directory = self._root / records.LOGS
        sources: dict[str, Callable[[], Rotated | Growing]] = {
            f"{records.LOGS}/{path.name}": lambda path=path: Rotated(path)
            for path in directory.glob("*")
            if records.parse_stream(path.name)
        }
        metrics = self._root / training.METRICS
        if metrics.exists():
            sources[records.METRICS] = lambda: Growing(metrics)
        for path in sources.keys() - self._uploads.keys():
            notes = self._root / ".sent" / f"{path.replace('/', '-')}.json"
            self._uploads[path] = Upload(self._store, path, sources[path](), notes)


class Files:
    """Artifacts, and what TensorBoard reads."""

    def __init__(self, root: Path, store: Store, node: str, limit: int, tell: Callable[[str], None]) -> None:
        self._root, self._store, self._node = root, store, node
        self._trees = [
            Tree(store, root / name, f"{name}/node-{node}", limit, tell)
            for name in (records.ARTIFACTS, records.TENSORBOARD)
        ]
        self._said: list[LeftOut] = []

    def round(self, final: bool) -> bool:
        finished = (self._root / FINISHED).exists()
        if finished and (self._root / RECORDED).exists() and not final:
            return False
        busy = any(tree.round(time.time(), final=final or finished) for tree in self._trees)
        left_out = [LeftOut(path, size) for tree in self._trees for path, size in sorted(tree.left_out.items())]
        if left_out != self._said:
            self._store.write(f"{records.LEFT_OUT}/node-{self._node}.json", msgspec.json.encode(left_out))
            self._said = left_out
        if finished and not busy:
            (self._root / RECORDED).touch()
        return busy
