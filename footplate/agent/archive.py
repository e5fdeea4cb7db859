"""Unpacks a job's code. Nothing that an archive says may lead out of the directory it is unpacked into."""

from __future__ import annotations

import hashlib
import os
import posixpath
import tarfile
import zlib
from collections.abc import Collection
from pathlib import Path

from footplate.agent.ending import AtFault, disk_full

#: More is no code directory; the snapshot that `job submit` makes stops far earlier.
MOST_MEMBERS = 1_000_000
_READ = 1 << 20


def refusal(member: tarfile.TarInfo, links: Collection[str]) -> str | None:
    """Why ``member`` is not unpacked; None where it may be. ``links``: names of the symbolic links before it.

    With nothing written through a link, and every link's target without a way up after its first name, no chain of
    links leads out: the ways up at a target's beginning count from a real directory.
    """
    name = member.name
    if name.startswith("/") or ".." in name.split("/"):
        return "leads out of the code directory"
    clean = posixpath.normpath(name)
    parent = posixpath.dirname(clean)
    above = parent
    while above:
        if above in links:
            return f"is to be written through the link {above}"
        above = posixpath.dirname(above)
    if clean in links and not member.issym():
        return f"replaces the link {clean}"
    if member.isfile() or member.isdir():
        return None
    if member.issym():
        return _link_refusal(member.linkname, depth=len(parent.split("/")) if parent else 0)
    if member.islnk():
        target = posixpath.normpath(member.linkname)
        if target.startswith(("/", "../")) or target == ".." or ".." in member.linkname.split("/"):
            return f"is a link to {member.linkname}, out of the code directory"
        if any(target == link or target.startswith(f"{link}/") for link in links):
            return f"is a hard link through the link {member.linkname}"
        return None
    return "is neither a file, a directory nor a link"


def _link_refusal(target: str, depth: int) -> str | None:
    parts = [part for part in target.split("/") if part not in ("", ".")]
    up = 0
    while up < len(parts) and parts[up] == "..":
        up += 1
    if target.startswith("/") or up > depth or ".." in parts[up:]:
        return f"is a link to {target}, out of the code directory"
    return None


def check_digest(archive: Path, expected: str) -> None:
    """Raises AtFault where the archive's sha256 is not ``expected``."""
    digest = hashlib.sha256()
    with archive.open("rb") as file:
        while block := file.read(_READ):
            digest.update(block)
    if digest.hexdigest() != expected:
        raise AtFault(
            f"The code archive is not what was submitted: its sha256 is {digest.hexdigest()}, its name says {expected}. "
            "Submit the job again."
        )


def unpack(archive: Path, destination: Path) -> int:
    """Into the new directory ``destination``; returns the number of members. Raises AtFault or DiskFull."""
    destination.mkdir(parents=True)
    links: set[str] = set()
    count = 0
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                count += 1
                if count > MOST_MEMBERS:
                    raise AtFault(f"The code archive has more than {MOST_MEMBERS} files.")
                if why := refusal(member, links):
                    raise AtFault(f"The code archive was refused: {member.name[:200]} {why}.")
                if member.issym():
                    links.add(posixpath.normpath(member.name))
                _extract(tar, member, destination)
                tar.members = []  # type: ignore[attr-defined]  # else it keeps every member in memory
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise AtFault(f"The code archive cannot be read: {error}.") from error
    except OSError as error:
        if full := disk_full(error, "the code"):
            raise full from error
        raise AtFault(f"The code archive cannot be unpacked: {error}.") from error
    return count


def _extract(tar: tarfile.TarFile, member: tarfile.TarInfo, destination: Path) -> None:
    path = destination / posixpath.normpath(member.name)
    if member.isdir():
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink() or path.exists():
        path.unlink()  # A later member of the same name wins, as in tar.
    if member.issym():
        path.symlink_to(member.linkname)
    elif member.islnk():
        os.link(destination / posixpath.normpath(member.linkname), path, follow_symlinks=False)
    else:
        source = tar.extractfile(member)
        assert source is not None
        with source, path.open("wb") as file:
            while block := source.read(_READ):
                file.write(block)
        # Readable by the job whatever the archive says; never set-user-ID.
        path.chmod(0o755 if member.mode & 0o111 else 0o644)
        os.utime(path, (member.mtime, member.mtime))
