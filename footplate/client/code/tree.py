"""What is in a directory of code, checked against limits before anything of it is read."""

from __future__ import annotations

import os
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from footplate.api.quantity import human_bytes
from footplate.client.code.ignoring import ENVIRONMENT_MARK, Layers, ignored, layers_above, layers_in
from footplate.errors import BadUsage, Refused

Progress = Callable[[str], None]

_OFFENDERS = 3
_REPORT_EVERY = 1000


@dataclass(frozen=True)
class Limits:
    files: int = 50_000
    bytes: int = 1 << 30
    looked_at: int = 1_000_000
    """Where counting stops, too: whatever the directory is, it is no code."""


@dataclass(frozen=True)
class Entry:
    path: str
    """Relative to the root, with slashes."""
    size: int = 0
    directory: bool = False
    executable: bool = False
    link: str | None = None


@dataclass(frozen=True)
class Tree:
    root: Path
    entries: tuple[Entry, ...]
    """In the order of their paths, so that the same content always makes the same archive."""

    @property
    def files(self) -> int:
        return sum(1 for entry in self.entries if not entry.directory)

    @property
    def bytes(self) -> int:
        return sum(entry.size for entry in self.entries)


def survey(root: Path, limits: Limits, progress: Progress) -> Tree:
    """Raises Refused with the largest offenders where the code is over the limits, BadUsage where it cannot be shipped."""
    entries: list[Entry] = []
    files = 0
    for entry in _walk(root):
        entries.append(entry)
        files += not entry.directory
        if files % _REPORT_EVERY == 0:
            progress(f"looking at the code in {root}: {files:,} files")
        if files > limits.looked_at:
            break
    tree = Tree(root, tuple(sorted(entries, key=lambda entry: entry.path)))
    _check(tree, limits)
    return tree


def _walk(root: Path) -> Iterator[Entry]:
    """Depth first; links are not followed."""
    above = layers_above(root)
    pending: list[tuple[str, Layers]] = [("", above)]
    while pending:
        directory, outer = pending.pop()
        found = _scan(root, directory)
        names = frozenset(item.name for item in found)
        if directory and ENVIRONMENT_MARK in names:
            continue
        if directory:
            yield Entry(directory, directory=True)
        layers = layers_in(root, directory, names) + outer
        for item in found:
            path = f"{directory}/{item.name}" if directory else item.name
            is_directory = item.is_dir(follow_symlinks=False)
            if ignored(path, layers, directory=is_directory):
                continue
            if is_directory:
                pending.append((path, layers))
            elif (entry := _entry(root, path, item)) is not None:
                yield entry


def _scan(root: Path, directory: str) -> list[os.DirEntry[str]]:
    where = root / directory
    try:
        with os.scandir(where) as items:
            return list(items)
    except OSError as error:
        raise BadUsage(f"Cannot read {where}: {error.strerror}.", _LEAVE_OUT) from error


def _entry(root: Path, path: str, item: os.DirEntry[str]) -> Entry | None:
    """None for sockets, pipes and devices: there is nothing to ship."""
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise BadUsage(f"The name of {path!r} in {root} is not UTF-8.", _LEAVE_OUT) from error
    if item.is_symlink():
        target = str(Path(item.path).readlink())
        if not _stays_inside(path, target):
            raise BadUsage(f"{path} in {root} is a link to {target}, outside of the code.", _LEAVE_OUT)
        return Entry(path, link=target)
    status = item.stat(follow_symlinks=False)
    if not stat.S_ISREG(status.st_mode):
        return None
    return Entry(path, size=status.st_size, executable=bool(status.st_mode & 0o100))


def _stays_inside(path: str, target: str) -> bool:
    if target.startswith("/"):
        return False
    depth = len(PurePosixPath(path).parts) - 1
    for part in PurePosixPath(target).parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return False
    return True


_LEAVE_OUT = "name it in .footplateignore if the job does not need it"
_LESS = "list what the job does not need in .footplateignore; data belongs in object storage (--dataset). "


def _check(tree: Tree, limits: Limits) -> None:
    if tree.files > limits.files:
        more = f"over {limits.looked_at:,}" if tree.files > limits.looked_at else f"{tree.files:,}"
        raise Refused(
            f"The code in {tree.root} has {more} files; at most {limits.files:,} can be shipped.",
            _LESS + "Most are in: " + ", ".join(f"{name} ({count:,})" for name, count in crowded(tree)),
        )
    if tree.bytes > limits.bytes:
        raise Refused(
            f"The code in {tree.root} is {human_bytes(tree.bytes)}B; at most {human_bytes(limits.bytes)}B can be shipped.",
            _LESS
            + "The largest: "
            + ", ".join(f"{entry.path} ({human_bytes(entry.size)}B)" for entry in largest(tree)),
        )


def largest(tree: Tree) -> list[Entry]:
    return sorted(tree.entries, key=lambda entry: entry.size, reverse=True)[:_OFFENDERS]


def crowded(tree: Tree) -> list[tuple[str, int]]:
    """Directories, of the first two levels, that hold most of the files."""
    counts: Counter[str] = Counter()
    for entry in tree.entries:
        if not entry.directory:
            parts = entry.path.split("/")[:-1]
            counts[f"{'/'.join(parts[:2])}/" if parts else "the directory itself"] += 1
    return counts.most_common(_OFFENDERS)
