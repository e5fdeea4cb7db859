"""Checkpoints in the object store: which are there, which count, which to fetch, which to delete. Decisions only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from footplate import checkpoint
from footplate.agent.store import Object
from footplate.checkpoint import Marker, Part

_ANNOUNCEMENT = ".uploading-"


@dataclass
class Stored:
    """One step as a listing of the store shows it; paths are relative to the step's directory."""

    step: int
    objects: dict[str, Object] = field(default_factory=dict[str, Object])
    markers: dict[Part, Marker] = field(default_factory=dict[Part, Marker])
    #: Parts whose upload has begun, or is done.
    begun: set[Part] = field(default_factory=set[Part])

    def complete(self) -> dict[Part, Marker] | None:
        return checkpoint.complete_parts(
            self.step, self.markers, {path: item.size for path, item in self.objects.items()}
        )


def announcement_name(part: Part) -> str:
    """Says that a part's upload has begun, so that the other nodes choose the same step."""
    return checkpoint.marker_name(part).replace(".commit-", _ANNOUNCEMENT)


def from_listing(objects: Iterable[Object], read: Callable[[Object], bytes | None]) -> dict[int, Stored]:
    """By step. ``read`` gives a marker's content, None where it has gone meanwhile."""
    found: dict[int, Stored] = {}
    for item in objects:
        path = PurePosixPath(item.path)
        step = checkpoint.parse_step(path.parts[0]) if path.parts else None
        if step is None or len(path.parts) < 2:
            continue
        stored = found.setdefault(step, Stored(step))
        name = "/".join(path.parts[1:])
        stored.objects[name] = item
        part = checkpoint.parse_marker_name(name.replace(_ANNOUNCEMENT, ".commit-"))
        if part is None:
            continue
        stored.begun.add(part)
        content = None if name.startswith(_ANNOUNCEMENT) else read(item)
        marker = checkpoint.parse_marker(content) if content is not None else None
        if marker is not None:
            stored.markers[part] = marker
    return found


def complete_steps(stored: Mapping[int, Stored]) -> list[int]:
    """Oldest first."""
    return sorted(step for step, one in stored.items() if one.complete() is not None)


def files_to_restore(stored: Stored) -> dict[str, Object] | None:
    """Files and markers of a complete checkpoint; None where it is not complete."""
    parts = stored.complete()
    if parts is None:
        return None
    names = [name for marker in parts.values() for name in marker.files]
    names += [checkpoint.marker_name(part) for part in parts]
    return {name: stored.objects[name] for name in names}


def choose(
    local: Mapping[int, Mapping[Part, Marker]], stored: Mapping[int, Stored], *, keep: int, final: bool
) -> int | None:
    """The step to upload next, None where nothing waits.

    The newest first, and none that retention would delete at once. Of a checkpoint in many parts, the node that has part
    0 leads; the others take the newest step that is begun, so that slow uploads of fast checkpoints do not leave each
    step with some of its parts. ``final``: training has ended, and every node's newest is the same.
    """
    waiting, worthy = _waiting(local, stored, keep)
    newest_complete = max(complete_steps(stored), default=-1)
    for step in sorted(waiting, reverse=True):
        leads = any(part.number == 0 for part in local[step])
        if step in worthy and (leads or final):
            return step
        if step > newest_complete and not leads and step in stored and stored[step].begun - set(local[step]):
            return step
    return None


def settled(local: Mapping[int, Mapping[Part, Marker]], stored: Mapping[int, Stored], keep: int) -> set[int]:
    """The local steps that need no upload any more: in the store, or older than what the store keeps."""
    waiting, worthy = _waiting(local, stored, keep)
    return {step for step in local if step not in waiting or step not in worthy}


def outdated(stored: Mapping[int, Stored], keep: int) -> list[int]:
    """The steps to delete from the store: complete ones before the ``keep`` newest, partial ones before the newest complete one."""
    complete = complete_steps(stored)
    if not complete or not keep:
        return []
    kept = set(complete[-keep:])
    return sorted(step for step in stored if step not in kept and step < max(kept))


def unstored(parts: Mapping[Part, Marker], stored: Stored | None) -> dict[Part, Marker]:
    """The parts whose marker the store does not have, or has of another attempt."""
    there = stored.markers if stored else {}
    return {part: marker for part, marker in parts.items() if there.get(part) != marker}


def _waiting(
    local: Mapping[int, Mapping[Part, Marker]], stored: Mapping[int, Stored], keep: int
) -> tuple[set[int], set[int]]:
    """Steps with parts that the store lacks; steps that the store would keep if it had all of them."""
    waiting = {step for step, parts in local.items() if unstored(parts, stored.get(step))}
    every = sorted({*waiting, *complete_steps(stored)})
    return waiting, set(every[-keep:] if keep else every)
