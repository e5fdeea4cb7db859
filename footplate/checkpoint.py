"""Checkpoints that survive the death of any process, node or upload. Standard library only.

    from footplate import checkpoint

    found = checkpoint.latest()                        # None on a first start
    start = found.step if found else 0
    ...
    with checkpoint.saving(step) as directory:         # on rank 0
        torch.save(state, directory / "state.pt")

A checkpoint is a directory ``step-<12 digits>`` in ``FOOTPLATE_CHECKPOINT_DIR``. It has one or more parts, each written
by one process; a part is committed by its marker ``.commit-<part>-of-<parts>``, created atomically once the part's files
are complete. A checkpoint counts when the markers of all its parts are there, of one attempt, and the files they list
have the sizes they list. On the platform the agent beside the job copies committed parts to the job's checkpoint URI,
markers last, and the next attempt starts with the newest checkpoint that is complete there.

Works without the platform too: the directory is then ``./checkpoints``.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Mapping

KEEP = 3

#: Written by the agent: what it has uploaded, and what it is uploading. Same folder as the checkpoints.
SYNC_STATE = ".sync.json"
#: Created by the launcher when the job's processes have ended: no newer checkpoint will come.
FINISHED = ".finished"

_STEP = re.compile(r"step-(\d{12})")
_MARKER = re.compile(r"\.commit-(\d+)-of-(\d+)")


class Checkpoint(NamedTuple):
    step: int
    path: Path


class Part(NamedTuple):
    """Part ``number`` (from 0) of ``of``."""

    number: int
    of: int


class Marker(NamedTuple):
    """``files``: relative path → bytes. ``attempt`` tells parts of one attempt from those that a dead one left."""

    step: int
    files: Mapping[str, int]
    keep: int = KEEP
    attempt: str = ""

    def encode(self) -> bytes:
        return json.dumps(
            {"step": self.step, "files": dict(self.files), "keep": self.keep, "attempt": self.attempt}, sort_keys=True
        ).encode()


def directory() -> Path:
    return Path(os.environ.get("FOOTPLATE_CHECKPOINT_DIR") or "checkpoints")


def step_name(step: int) -> str:
    """Raises ValueError outside 0 … 10¹² - 1."""
    if not 0 <= step < 10**12:
        raise ValueError(f"a checkpoint's step is between 0 and 999999999999, not {step}")
    return f"step-{step:012d}"


def parse_step(name: str) -> int | None:
    match = _STEP.fullmatch(name)
    return int(match[1]) if match else None


def marker_name(part: Part) -> str:
    if not 0 <= part.number < part.of:
        raise ValueError(f"part {part.number} of {part.of}: parts are numbered from 0")
    return f".commit-{part.number}-of-{part.of}"


def parse_marker_name(name: str) -> Part | None:
    match = _MARKER.fullmatch(name)
    if not match or int(match[1]) >= int(match[2]):
        return None
    part = Part(int(match[1]), int(match[2]))
    return part if marker_name(part) == name else None


def parse_marker(content: bytes) -> Marker | None:
    """None where it is torn or is no marker."""
    try:
        found = json.loads(content)
        files = {str(name): int(size) for name, size in found["files"].items()}
        keep, attempt = int(found.get("keep", KEEP)), str(found.get("attempt", ""))
        return Marker(int(found["step"]), files, keep, attempt)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def complete_parts(step: int, markers: Mapping[Part, Marker], sizes: Mapping[str, int]) -> dict[Part, Marker] | None:
    """A whole set of parts: each there, of one attempt, with all its files at their sizes. None where there is none."""
    for of in sorted({part.of for part in markers}):
        whole = {part: markers[part] for number in range(of) if (part := Part(number, of)) in markers}
        files = [item for marker in whole.values() for item in marker.files.items()]
        if (
            len(whole) == of
            and {marker.step for marker in whole.values()} == {step}
            and len({marker.attempt for marker in whole.values()}) == 1
            and all(sizes.get(name) == size for name, size in files)
        ):
            return whole
    return None


def markers_in(path: Path) -> dict[Part, Marker]:
    """The parts committed in one checkpoint's directory."""
    found: dict[Part, Marker] = {}
    try:
        entries = list(path.iterdir())
    except OSError:
        return found
    for entry in entries:
        part = parse_marker_name(entry.name)
        if part is None:
            continue
        try:
            marker = parse_marker(entry.read_bytes())
        except OSError:  # deleted meanwhile
            continue
        if marker is not None:
            found[part] = marker
    return found


def steps_in(where: Path) -> list[int]:
    """Every step that has a directory, committed or not, oldest first."""
    try:
        return sorted(step for entry in where.iterdir() if (step := parse_step(entry.name)) is not None)
    except OSError:
        return []


def committed(where: str | os.PathLike[str] | None = None) -> list[Checkpoint]:
    """The complete checkpoints, oldest first."""
    root = directory() if where is None else Path(where)
    return [Checkpoint(step, root / step_name(step)) for step in steps_in(root) if _is_complete(root, step)]


def _is_complete(root: Path, step: int) -> bool:
    path = root / step_name(step)
    markers = markers_in(path)
    names = {name for marker in markers.values() for name in marker.files}
    sizes = {name: size for name in names if (size := _size(path / name)) is not None}
    return complete_parts(step, markers, sizes) is not None


def latest(where: str | os.PathLike[str] | None = None) -> Checkpoint | None:
    """The newest complete checkpoint."""
    found = committed(where)
    return found[-1] if found else None


@contextmanager
def saving(
    step: int,
    *,
    part: int = 0,
    parts: int = 1,
    keep: int = KEEP,
    where: str | os.PathLike[str] | None = None,
) -> Generator[Path, None, None]:
    """Write into the directory that this yields; the part is committed when the block ends without an exception.

    ``parts``: how many processes write this checkpoint; each passes its own ``part``, and their file names must differ.
    ``keep``: how many complete checkpoints stay, here and in the object store; 0 keeps all.
    """
    if keep < 0:
        raise ValueError(f"keep is a number of checkpoints, or 0 for all, not {keep}")
    root = directory() if where is None else Path(where)
    target = root / step_name(step)
    name = marker_name(Part(part, parts))
    scratch = target / f".writing-{part}-of-{parts}"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        yield scratch
        files = _files(scratch)
        if not files:
            raise ValueError(f"checkpoint {target.name}: nothing was written into {scratch}")
        _commit(scratch, target, name, Marker(step, files, keep, os.environ.get("FOOTPLATE_ATTEMPT", "")))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    prune(root, keep)


def prune(root: Path, keep: int) -> None:
    """Deletes what is no longer needed here. The checkpoint that the agent is uploading stays until it is done."""
    if keep == 0:
        return
    present = steps_in(root)
    marked = [step for step in present if markers_in(root / step_name(step))]
    whole = [step for step in marked if _is_complete(root, step)]
    busy = uploading(root)
    for step in superseded(present, marked, whole, keep):
        if step != busy:
            delete(root / step_name(step))


def superseded(present: Iterable[int], marked: Iterable[int], complete: Iterable[int], keep: int) -> list[int]:
    """The steps to delete on one node.

    Of a checkpoint in many parts a node sees only its own, so any part counts (``marked``). The newest one that is
    complete stays in any case, and what has no part yet is deleted only where it is older than all that stays: it may
    be in the writing.
    """
    counting = set(marked)
    kept = set(sorted(counting)[-keep:]) | set(sorted(complete)[-1:])
    return sorted(step for step in present if kept and step not in kept and (step in counting or step < min(kept)))


def uploading(root: Path) -> int | None:
    try:
        step = json.loads((root / SYNC_STATE).read_bytes()).get("uploading")
    except (OSError, ValueError, AttributeError):
        return None
    return step if isinstance(step, int) else None


def delete(path: Path) -> None:
    """Markers first: what is half deleted no longer counts."""
    for part in markers_in(path):
        (path / marker_name(part)).unlink(missing_ok=True)
    shutil.rmtree(path, ignore_errors=True)


def _commit(scratch: Path, target: Path, name: str, marker: Marker) -> None:
    """Where the step is saved again, the old marker goes at the last moment, but before its files change."""
    for file in marker.files:
        _flush(scratch / file)
    (target / name).unlink(missing_ok=True)
    for file in marker.files:
        destination = target / file
        destination.parent.mkdir(parents=True, exist_ok=True)
        (scratch / file).replace(destination)
    _flush(target)
    partial = target / f".writing{name}"
    partial.write_bytes(marker.encode())
    _flush(partial)
    partial.replace(target / name)
    _flush(target)


def _files(root: Path) -> dict[str, int]:
    """Regular files below ``root``; raises ValueError where one is not, such as a symbolic link."""
    found: dict[str, int] = {}
    for parent, directories, names in os.walk(root):
        for name in (*directories, *names):
            path = Path(parent) / name
            relative = path.relative_to(root).as_posix()
            if path.is_symlink() or not (path.is_dir() or path.is_file()):
                raise ValueError(f"a checkpoint has files and directories only, and {relative} is neither")
            if relative.startswith("."):
                raise ValueError(f"a checkpoint's names do not begin with a dot: {relative}")
            if path.is_file():
                found[relative] = path.stat().st_size
    return dict(sorted(found.items()))


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
