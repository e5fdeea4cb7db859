"""What an image is made of, and the tag that follows from it.

An image's inputs are its Dockerfile's instructions, each file that a COPY or ADD of it takes from the context, its base and its
build arguments. Nothing else can change the result on purpose, so nothing else changes the tag.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from footplate.images.errors import MachineLacks

TAG_LENGTH = 12

#: Left out of every image, as .dockerignore does.
_IGNORED = re.compile(r"(^|/)__pycache__(/|$)|\.pyc$")

_COPY = re.compile(r"^(?:COPY|ADD)\s+(?P<rest>.+)$", re.IGNORECASE)

_ARGUMENT = re.compile(r"\$\{(\w+)\}")


def instructions(dockerfile: str) -> Iterator[str]:
    """Instructions with their continuation lines joined, comments left out."""
    joined = ""
    for line in dockerfile.splitlines():
        if line.lstrip().startswith("#"):
            continue
        joined += line.rstrip()
        if joined.endswith("\\"):
            joined = joined[:-1] + " "
            continue
        if joined.strip():
            yield joined.strip()
        joined = ""
    if joined.strip():
        yield joined.strip()


def copied(dockerfile: str, arguments: Mapping[str, str] = {}) -> tuple[str, ...]:
    """Source patterns that the Dockerfile takes from its context, in order, with `${NAME}` as the build arguments have it."""
    patterns: list[str] = []
    for instruction in instructions(dockerfile):
        if not (match := _COPY.match(instruction)):
            continue
        words = _ARGUMENT.sub(lambda found: arguments.get(found[1], found[0]), match["rest"]).split()
        flags = [word for word in words if word.startswith("--")]
        if any(flag.startswith("--from=") for flag in flags):
            continue
        patterns += [word for word in words if not word.startswith("--")][:-1]
    return tuple(patterns)


def _files(context: Path, pattern: str) -> Iterator[Path]:
    matches = sorted(context.glob(pattern.rstrip("/")))
    if not matches:
        raise MachineLacks(f"A Dockerfile copies {pattern!r}, which {context} does not have.")
    for match in matches:
        if match.is_dir():
            yield from sorted(path for path in match.rglob("*") if path.is_file())
        else:
            yield match


def split(dockerfile: str) -> tuple[str, str]:
    """The instructions of all stages but the last, and those of the last one, each on one line."""
    lines = list(instructions(dockerfile))
    last = max(number for number, line in enumerate(lines) if line.upper().startswith("FROM "))
    return "\n".join(lines[:last]), "\n".join(lines[last:])


def files(context: Path, dockerfile: str, arguments: Mapping[str, str]) -> tuple[Path, ...]:
    """What the instructions take from ``context``."""
    found = {path for pattern in copied(dockerfile, arguments) for path in _files(context, pattern)}
    return tuple(sorted(path for path in found if not _IGNORED.search(path.relative_to(context).as_posix())))


def tag(context: Path, dockerfile: str, arguments: Mapping[str, str]) -> str:
    """Twelve hex digits over every input; ``arguments`` are the build arguments, the base's reference among them."""
    digest = hashlib.sha256()

    def add(label: str, content: bytes) -> None:
        for part in (label.encode(), content):
            digest.update(len(part).to_bytes(8))
            digest.update(part)

    add("dockerfile", "\n".join(instructions(dockerfile)).encode())
    for name in sorted(arguments):
        add(f"argument:{name}", arguments[name].encode())
    for path in files(context, dockerfile, arguments):
        executable = "x" if path.stat().st_mode & 0o111 else "-"
        add(f"file:{executable}:{path.relative_to(context).as_posix()}", path.read_bytes())
    return digest.hexdigest()[:TAG_LENGTH]
