"""The Debian base image: a minimal root made by mmdebstrap, kept by what it is made of."""

import hashlib
import os
import platform
from collections.abc import Mapping
from pathlib import Path

from footplate.images import host, process
from footplate.images.builder import Progress

SUITE = "bookworm"

#: The whole standard library (python3-minimal lacks half of it), and the certificates. Without usr-is-merged, a root that
#: is merged from its beginning (_MERGED) gets usrmerge, which converts others, and all of Perl with it.
PACKAGES = ("python3", "ca-certificates", "usr-is-merged")
_MERGED = "--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr"

#: As in Debian's slim images; licences stay.
_DPKG_OPTIONS = (
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/locale/*",
)

PUBLIC_SOURCES = f"""\
deb http://deb.debian.org/debian {SUITE} main
deb http://deb.debian.org/debian {SUITE}-updates main
deb http://deb.debian.org/debian-security {SUITE}-security main
"""

#: As in Debian's own images: what apt downloads does not stay in a layer.
_APT_CLEAN = """\
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/*.bin"; };
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
"""

#: What mmdebstrap leaves in the root: settings of the machine, and apt's caches.
_LEFTOVERS = ("etc/resolv.conf", "etc/hostname", "etc/apt/apt.conf.d/99mmdebstrap", "var/cache/apt/*.bin")

DOCKERFILE = """\
FROM scratch
ADD root.tar /
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8
CMD ["bash"]
"""


def sources(environment: Mapping[str, str] = os.environ) -> str:
    """Of the build; the image has ``PUBLIC_SOURCES`` in any case. ``FOOTPLATE_DEBIAN_MIRROR``: a mirror's address."""
    mirror = environment.get("FOOTPLATE_DEBIAN_MIRROR")
    if not mirror:
        return PUBLIC_SOURCES
    return f"deb {mirror} {SUITE} main\ndeb {mirror} {SUITE}-updates main\n"


def _command(destination: Path, settings: Path) -> list[str]:
    """``settings``: a directory with the files that go into the root at its end."""
    command = ["mmdebstrap", "--variant=minbase", "--format=tar", f"--include={','.join(PACKAGES)}"]
    command.append(_MERGED)
    command += [f"--dpkgopt={option}" for option in _DPKG_OPTIONS]
    command += [f"--aptopt={option}" for option in host.apt_settings()]
    command.append("--customize-hook=rm -f " + " ".join(f'"$1"/{name}' for name in _LEFTOVERS))
    command.append(f"--customize-hook=upload {settings}/sources.list /etc/apt/sources.list")
    command.append(f"--customize-hook=upload {settings}/apt-clean /etc/apt/apt.conf.d/docker-clean")
    return [*command, SUITE, str(destination), *sources().splitlines()]


def key() -> str:
    recipe = [
        SUITE,
        *PACKAGES,
        *_DPKG_OPTIONS,
        PUBLIC_SOURCES,
        _APT_CLEAN,
        *_LEFTOVERS,
        platform.machine(),
        DOCKERFILE,
    ]
    return hashlib.sha256("\0".join(recipe).encode()).hexdigest()[:12]


def ensure(directory: Path, temporary: Path, log: Path, progress: Progress) -> Path:
    """A build context (``Dockerfile``, ``root.tar``) in ``directory``; ``temporary`` takes the root while it is made.

    Raises BuildFailed or MachineLacks.
    """
    context = directory / "base" / key()
    tar = context / "root.tar"
    if not tar.exists():
        progress.begin(f"base: Debian {SUITE}")
        context.mkdir(parents=True, exist_ok=True)
        (context / "sources.list").write_text(PUBLIC_SOURCES)
        (context / "apt-clean").write_text(_APT_CLEAN)
        partial = context / "root.partial.tar"
        command = ["env", f"TMPDIR={temporary}", *_command(partial, context)]
        process.run(command, log, what="mmdebstrap", progress=progress, confined=True)
        partial.replace(tar)
    (context / "Dockerfile").write_text(DOCKERFILE)
    return context
