"""What an environment's image must do, tried in the image itself: `footplate environment test`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from footplate.images import process
from footplate.images.builder import Builder
from footplate.images.catalogue import Image
from footplate.images.errors import BuildFailed
from footplate.images.index import Built

#: More than this, and a node that pulls it keeps people waiting: 4 minutes at 50 MiB/s.
LARGEST = 12 * 2**30
SCAN_TIMEOUT = 900.0

#: Prints what it finds as JSON. argv: distributions.
_IMPORTS = """
import importlib, importlib.metadata, json, os, sys
modules = importlib.metadata.packages_distributions()
missing, wrong = [], {}
for name in sys.argv[1:]:
    own = sorted(module for module, names in modules.items() if name in [n.lower().replace("_", "-") for n in names] and not module.startswith("_"))
    likely = [m for m in own if m in (name, name.replace("-", "_"))] or own[:1]
    try:
        importlib.metadata.version(name)
        for module in likely:
            importlib.import_module(module)
    except importlib.metadata.PackageNotFoundError:
        missing.append(name)
    except Exception as error:
        wrong[name] = f"{type(error).__name__}: {error}"
print(json.dumps({"missing": missing, "wrong": wrong, "uid": os.getuid(), "writable": os.access(os.path.dirname(sys.prefix), os.W_OK)}))
"""
_CELL = """
import json, os, sys
os.environ["HOME"] = "/tmp"
import nbformat
from nbclient import NotebookClient
book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("import sys; print(6 * 7)")])
NotebookClient(book, timeout=120, kernel_name="python3").execute()
print(json.dumps(book.cells[0].outputs[0]["text"]))
"""


@dataclass(frozen=True)
class Finding:
    check: str
    passed: bool | None
    """None: it was not tried."""
    detail: str


def findings(image: Image, built: Built, builder: Builder, log: Path) -> list[Finding]:
    archive = Path(built.archive)

    def run(*words: str) -> str:
        return builder.run(built.reference, archive, words, log)

    return [
        *_imports(image, run),
        _cell(run),
        _size(built),
        _vulnerabilities(archive),
    ]


def _imports(image: Image, run: Callable[..., str]) -> list[Finding]:
    try:
        found = json.loads(run("python3", "-c", _IMPORTS, *image.packages).splitlines()[-1])
    except BuildFailed as error:
        return [Finding("packages", False, error.message), Finding("user", None, "it does not start")]
    bad = [f"{name} is not installed" for name in found["missing"]]
    bad += [f"{name}: {why}" for name, why in found["wrong"].items()]
    user = Finding("user", found["uid"] != 0, f"it runs as user {found['uid']}")
    if found["writable"]:
        user = Finding("user", False, "its user may change the environment itself")
    return [Finding("packages", not bad, "; ".join(bad) or f"{', '.join(image.packages)} can be imported"), user]


def _cell(run: Callable[..., str]) -> Finding:
    try:
        said = run("python3", "-c", _CELL).splitlines()[-1]
    except BuildFailed as error:
        return Finding("notebook", False, error.message)
    return Finding("notebook", said == '"42\\n"', "a cell runs" if said == '"42\\n"' else f"a cell answers {said}")


def _size(built: Built) -> Finding:
    return Finding("size", built.size <= LARGEST, f"{built.size / 2**20:.0f} MiB to pull")


def _vulnerabilities(archive: Path) -> Finding:
    """By the scanner that is at hand: what is critical and has a fix."""
    scanners = {
        "trivy": ["image", "--input", str(archive), "--severity", "CRITICAL", "--ignore-unfixed", "--exit-code", "1", "--quiet"],
        "grype": [f"oci-archive:{archive}", "--only-fixed", "--fail-on", "critical", "--quiet"],
    }  # fmt: skip
    for name, words in scanners.items():
        if shutil.which(name) is None:
            continue
        try:
            process.output([name, *words], what=name, timeout=SCAN_TIMEOUT)
        except BuildFailed as error:
            return Finding("vulnerabilities", False, error.message)
        return Finding("vulnerabilities", True, f"{name} finds nothing critical that has a fix")
    return Finding("vulnerabilities", None, "neither trivy nor grype is installed")
