"""What the machine has and must have for a build: tools, disk, settings of apt."""

import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from footplate.images import process
from footplate.images.builder import Progress
from footplate.images.errors import BuildFailed, MachineLacks

#: Command → Debian's package.
DEBIAN_PACKAGES: Mapping[str, str] = {
    "buildah": "buildah",
    "mmdebstrap": "mmdebstrap",
    "setpriv": "util-linux",
    "unshare": "util-linux",
}

#: Without it (Ubuntu) mmdebstrap cannot check the signatures of Debian's archive.
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

#: Layers, layouts and archives of all three images take about 5 GiB; the rest is for the next version's.
NEEDED_GIB = 8

#: How the machine reaches a Debian archive, and how far it trusts its dates: needed during a build, never in an image.
_APT_SETTINGS = re.compile(r"^Acquire::(?:https?::(?:Proxy|CaInfo)|Check-Valid-Until|Check-Date|Retries)\b.*;$")


def apt_settings() -> tuple[str, ...]:
    """Lines for an apt.conf; none where the machine has no apt or nothing special."""
    if shutil.which("apt-config") is None:
        return ()
    try:
        dump = process.output(["apt-config", "dump", "--no-empty", "Acquire"], what="apt-config", timeout=30.0)
    except BuildFailed:
        return ()
    return tuple(line for line in dump.splitlines() if _APT_SETTINGS.match(line))


def ensure_tools(log: Path, progress: Progress) -> None:
    """Installs buildah and mmdebstrap from the distribution where they are missing; raises MachineLacks where it cannot."""
    if os.geteuid() != 0:
        raise MachineLacks(
            "Images are built by buildah as root, or by Docker, and this is neither root nor is there a Docker daemon.",
            "run as root, or install and start Docker",
        )
    absent = process.missing(tuple(DEBIAN_PACKAGES))
    packages = sorted(
        {DEBIAN_PACKAGES[command] for command in absent} | (set() if KEYRING.exists() else {"debian-archive-keyring"})
    )
    if not packages:
        return
    if shutil.which("apt-get") is None:
        raise MachineLacks(
            f"{' and '.join(absent) or KEYRING} not found, and there is no apt-get to install it with.",
            f"install {' '.join(packages)}, or Docker",
        )
    progress.begin(f"installing {' '.join(packages)} with apt-get")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (("update", "-qq"), ("install", "-y", "-qq", "--no-install-recommends", *packages)):
        command = ["apt-get", *words]
        process.run(command, log, what=f"apt-get {words[0]}", environment=environment, progress=progress)
    progress.done(f"installed {' '.join(packages)}")


def check_disk(directory: Path, gib: float = NEEDED_GIB) -> None:
    """``directory`` need not exist yet."""
    existing = next(path for path in (directory, *directory.parents) if path.exists())
    free = shutil.disk_usage(existing).free / 2**30
    if free < gib:
        raise MachineLacks(
            f"{existing} has {free:.1f} GiB free, and building images needs {gib:g} GiB.",
            "free some, or set FOOTPLATE_CACHE to a larger disk",
        )
