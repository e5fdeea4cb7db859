"""Which Kubernetes versions Footplate runs on."""

from __future__ import annotations

import re

from footplate.errors import ClusterAccess

#: ValidatingAdmissionPolicy is served as v1 (KEP-3488).
OLDEST = (1, 30)
#: The newest one that is tested; later ones are taken on trust, with a word from `footplate doctor`.
NEWEST = (1, 37)


def parse(version: dict[str, object]) -> tuple[int, int]:
    """Of the `/version` document; clouds write minors such as `33+`."""
    minor = re.match(r"\d+", str(version.get("minor", "")))
    major = re.match(r"\d+", str(version.get("major", "")))
    return (int(major[0]) if major else 0, int(minor[0]) if minor else 0)


def text(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def require(version: dict[str, object]) -> None:
    found = parse(version)
    if found < OLDEST:
        raise ClusterAccess(
            f"The cluster runs Kubernetes {text(found)}; Footplate supports {text(OLDEST)} to {text(NEWEST)}.",
            "upgrade the cluster, or use another one with --context",
        )
