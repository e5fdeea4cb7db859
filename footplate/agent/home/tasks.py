"""Save a home, restore one or a part of it, remove old snapshots. Each may be killed at any point and done again."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from footplate.agent.ending import AtFault, say
from footplate.agent.home.restic import BEFORE_RESTORE, Kept, Restic
from footplate.api.home import LISTED, HomeReport, Snapshot
from footplate.api.platform import HomePolicy
from footplate.api.quantity import human_bytes

MARK = ".footplate-restore"
"""In a home that is being restored: what, and on whose request. What was there before is saved by then."""
_NOT_OURS = ("lost+found",)
MOST_REPACKED = "2G"
PACE = 2.0
"""Seconds between words on progress."""


def save(own: Restic, home: Path, uid: str) -> HomeReport:
    own.ready()
    made, unread = _backup(own, home, uid)
    own.check()
    left = sorted(name for name in unread if os.path.lexists(name))  # the others were removed meanwhile
    message = ""
    if left:
        names = ", ".join(Path(name).name for name in left[:3])
        message = f"{len(left)} {'file' if len(left) == 1 else 'files'} could not be read and are not in it: {names}"
    return _report(own, made, message)


def fill(source: Restic, home: Path, reference: str, key: str) -> HomeReport:
    """Of a new home, which is empty. `key`: of this home; another try has the same."""
    if _mark(home, key) is None and _contents(home):
        raise AtFault("The home is not empty, and what is in it is not overwritten.")
    chosen = _into(source, home, reference, key)
    return HomeReport(message=f"It began with snapshot {chosen.id} of {_when(chosen.at)}.")


def restore(own: Restic, source: Restic, home: Path, reference: str, key: str, uid: str) -> HomeReport:
    """All of it. What was there before is in a snapshot of its own first."""
    before = None
    if _mark(home, key) is None and _contents(home):
        find(source, reference)
        own.ready()
        before, _ = _backup(own, home, uid, BEFORE_RESTORE)
        own.check()
    chosen = _into(source, home, reference, key)
    kept = f"; what was there before is snapshot {before.id}" if before else ""
    return _report(own, before, f"Home is as in snapshot {chosen.id} of {_when(chosen.at)}{kept}.")


def restore_paths(source: Restic, home: Path, reference: str, paths: Sequence[str], to: str | None) -> HomeReport:
    """Nothing is overwritten: what is in the way gets another name."""
    chosen = find(source, reference)
    staging = home / f"{MARK}-{os.getpid()}-{time.time_ns()}"
    for left in home.glob(f"{MARK}-*"):
        _remove(left)
    wanted = [path.strip("/").removeprefix("./") for path in paths]
    try:
        named = [word for path in wanted for word in ("--include", "/" + re.sub(r"([*?\[\]\\])", r"\\\1", path))]
        source.run("restore", chosen.id, "--no-lock", "--target", str(staging), "--verify", *named)
        missing = [path for path in wanted if not os.path.lexists(staging / path)]
        if missing:
            raise AtFault(f"There is no {missing[0]} in snapshot {chosen.id} of {_when(chosen.at)}.")
        target = home / (to if to is not None else f"restored-{chosen.id}")
        for path in wanted:
            _put(staging / path, target / path, chosen.id)
    finally:
        _remove(staging)
    place = to if to is not None else f"restored-{chosen.id}"
    return HomeReport(
        message=f"{', '.join(wanted)} of {_when(chosen.at)} restored to {'home' if place == '.' else place}."
    )


def prune(own: Restic, policy: HomePolicy) -> HomeReport:
    own.ready()
    keep = {"last": policy.keep_last, "daily": policy.keep_daily, "weekly": policy.keep_weekly}
    words = [word for name, count in keep.items() if count for word in (f"--keep-{name}", str(count))]
    own.run("forget", *words, "--group-by", "", "--prune", "--max-repack-size", MOST_REPACKED)
    own.check()
    return _report(own, None, "")


def find(source: Restic, reference: str) -> Kept:
    """Raises AtFault. What a restore replaced is `latest` for nobody; its id and its time find it."""
    kept = source.snapshots()
    if reference == "latest":
        fitting = [one for one in kept if BEFORE_RESTORE not in one.tags]
    elif ":" in reference:
        until = datetime.fromisoformat(reference.replace("Z", "+00:00"))
        fitting = [one for one in kept if one.at <= until]
    else:
        fitting = [one for one in kept if reference.startswith(one.id)]
    if fitting:
        return fitting[0]
    known = ", ".join(f"{one.id} of {_when(one.at)}" for one in kept[:5]) or "none"
    raise AtFault(f"There is no snapshot {reference} in {source.uri}; there are: {known}.")


def _backup(own: Restic, home: Path, *tags: str) -> tuple[Snapshot, set[str]]:
    heard = _progress("saved")
    excludes = [f"{home}/{name}" for name in (*_NOT_OURS, f"{MARK}*")]
    summary, unread = own.backup(home, ",".join(tags), excludes, heard)
    made = Snapshot(
        str(summary["snapshot_id"])[:8],
        datetime.now(UTC).replace(microsecond=0),
        int(summary["total_bytes_processed"]),
        int(summary["data_added"]),
    )
    return made, unread


def _into(source: Restic, home: Path, reference: str, key: str) -> Kept:
    mark = _mark(home, key)
    chosen = find(source, mark or reference)
    (home / MARK).write_text(json.dumps({"key": key, "snapshot": chosen.id}))
    for path in _contents(home):
        _remove(path)
    say(f"restoring snapshot {chosen.id} of {_when(chosen.at)}")
    source.run("restore", chosen.id, "--no-lock", "--target", str(home), "--verify")
    (home / MARK).unlink()
    return chosen


def _mark(home: Path, key: str) -> str | None:
    """The snapshot that a restore on this request had begun to restore."""
    try:
        found: dict[str, str] = json.loads((home / MARK).read_text())
        return found["snapshot"] if found["key"] == key else None
    except (OSError, ValueError, KeyError):
        return None


def _contents(home: Path) -> list[Path]:
    return [path for path in home.iterdir() if path.name not in _NOT_OURS and not path.name.startswith(MARK)]


def _put(source: Path, target: Path, id: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if os.path.lexists(target):
        aside, number = target.with_name(f"{target.name}.before-{id}"), 1
        while os.path.lexists(aside):
            number += 1
            aside = target.with_name(f"{target.name}.before-{id}.{number}")
        target.rename(aside)
    source.rename(target)


def _remove(path: Path) -> None:
    """Directories that may not be written to as well."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    for directory, _, _ in os.walk(path):
        Path(directory).chmod(stat.S_IRWXU)
    shutil.rmtree(path)


def _report(own: Restic, made: Snapshot | None, message: str) -> HomeReport:
    kept = own.snapshots()
    listed = [Snapshot(one.id, one.at.replace(microsecond=0)) for one in kept[:LISTED]]
    if made is not None:
        listed = [msgspec.structs.replace(made, at=one.at) if one.id == made.id else one for one in listed]
    return HomeReport(tuple(listed), len(kept), message)


def _progress(verb: str) -> Callable[[dict[str, Any]], None]:
    last = time.monotonic()

    def heard(row: dict[str, Any]) -> None:
        nonlocal last
        if row.get("message_type") == "status" and time.monotonic() - last >= PACE:
            last = time.monotonic()
            done, total = int(row.get("bytes_done") or 0), int(row.get("total_bytes") or 0)
            say(f"{verb} {human_bytes(done)} of {human_bytes(total)}, {float(row.get('percent_done') or 0):.0%}")

    return heard


def _when(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
