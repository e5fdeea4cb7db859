"""Readies a job's pod before its process starts: ``python3 -m footplate.agent.prepare``.

Puts the launcher and the SDK into the pod, unpacks the code, copies the data sets of object stores, and restores the
newest complete checkpoint. Ends with 0, or with one sentence in the termination message and 64 (the request is at
fault) or 75 (temporary). Each step may be repeated: what is complete stays, what is not is done again.

Environment: FOOTPLATE_CODE_URI, FOOTPLATE_CODE_DIR, FOOTPLATE_DATASETS (JSON: [{name, uri, path}]),
FOOTPLATE_CHECKPOINT_URI, FOOTPLATE_CHECKPOINT_DIR, FOOTPLATE_RUN_DIR, and the object store's (AWS_…). Of what is not set nothing is done.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from threading import Thread
from typing import NoReturn, cast

import footplate
from footplate import checkpoint
from footplate.agent import archive, ending, stored
from footplate.agent.download import Wanted, fetch, size_text
from footplate.agent.ending import TERMINATED, AgentError, AtFault, DiskFull, say
from footplate.agent.store import PATIENCE, Missing, Object, Patience, Store
from footplate.api import records
from footplate.api.podreport import PodReport

#: What the launcher and the code of a job may import, whatever image it has.
_SDK = (
    *("*.py", "api/*.py", "client/**/*.py", "kube/*.py", "data/*.py"),
    *("agent/__init__.py", "agent/ending.py", "agent/store.py"),
)

_SHA256 = re.compile(r"(?:^|/)([0-9a-f]{64})\.tar\.gz$")


def install(root: Path, package: Path) -> None:
    """The launcher at ``bin/launch.py``, the SDK below ``lib``, both of this image's version."""
    for source in sorted({path for pattern in _SDK for path in package.glob(pattern)}):
        _copy(source, root / "lib" / "footplate" / source.relative_to(package))
    for program in ("launch.py", "ray_node.py"):
        _copy(package / "agent" / program, root / "bin" / program)


def _copy(source: Path, destination: Path) -> None:
    destination.parent.mkdir(parents=True, exist_ok=True)
    partial = destination.with_suffix(".partial")
    partial.write_bytes(source.read_bytes())
    partial.replace(destination)


def unpack_code(uri: str, directory: Path, patience: Patience, environment: Mapping[str, str]) -> None:
    """``directory`` appears when all of the code is in it."""
    done = directory.with_name(f".{directory.name}.uri")
    if directory.is_dir() and done.is_file() and done.read_text() == uri:
        return
    store = Store(uri, environment)
    try:
        item = patience.call(store.head)
    except Missing as error:
        raise AtFault(f"The code {uri} does not exist in the object store. Submit the job again.") from error
    packed = directory.with_name(f".{directory.name}.tar.gz")
    scratch = directory.with_name(f".{directory.name}.unpacking")
    for leftover in (scratch, directory):
        shutil.rmtree(leftover, ignore_errors=True)
    packed.unlink(missing_ok=True)
    fetch(store, [Wanted(item, packed)], patience, "the code")
    if named := _SHA256.search(uri):
        archive.check_digest(packed, named[1])
    count = archive.unpack(packed, scratch)
    packed.unlink()
    scratch.rename(directory)
    done.write_text(uri)
    say(f"code: {count} files, {size_text(item.size)} packed")


def copy_dataset(name: str, uri: str, path: Path, patience: Patience, environment: Mapping[str, str]) -> None:
    """One object, or all below a prefix."""
    store = Store(uri, environment)
    objects = patience.call(store.list)
    wanted: list[Wanted] = []
    if objects:
        wanted = [Wanted(item, path / item.path) for item in files(objects)]
    else:
        try:
            item = patience.call(store.head)
        except Missing as error:
            raise AtFault(f"The data set {name} was not found: {uri} does not exist, or nothing is in it.") from error
        wanted = [Wanted(item, path / uri.rstrip("/").rsplit("/", 1)[1])]
    for file in wanted:
        if ".." in file.item.path.split("/"):
            raise AtFault(f"The data set {name} has an object whose name leads out of its directory: {file.item.path}.")
    total = sum(file.item.size for file in wanted)
    path.mkdir(parents=True, exist_ok=True)
    _check_space(f"The data set {name}", total, path)
    fetch(store, wanted, patience, f"data set {name}")
    say(f"data set {name}: {len(wanted)} files, {size_text(total)}, at {path}")


def files(objects: list[Object]) -> list[Object]:
    """Without the empty objects that consoles make for folders."""
    folders = {item.path.rsplit("/", depth)[0] for item in objects for depth in range(1, item.path.count("/") + 1)}
    return [item for item in objects if item.size or item.path not in folders]


def _check_space(what: str, needed: int, path: Path) -> None:
    disk = shutil.disk_usage(path)
    if needed > disk.total:
        raise AtFault(
            f"{what} has {size_text(needed)}, more than the whole disk of the node ({size_text(disk.total)})."
        )
    if needed > disk.free:
        raise DiskFull(f"{what} has {size_text(needed)}, and the node's disk has {size_text(disk.free)} left.")


def restore_checkpoint(uri: str, directory: Path, patience: Patience, environment: Mapping[str, str]) -> int | None:
    """The step restored; None where the store has no complete checkpoint, and the job starts from the beginning."""
    store = Store(uri, environment)

    def read(item: Object) -> bytes | None:
        try:
            return patience.call(lambda: store.read(item.path))
        except Missing:
            return None

    directory.mkdir(parents=True, exist_ok=True)
    for leftover in directory.glob(".restoring-*"):
        shutil.rmtree(leftover)
    there = stored.from_listing(patience.call(store.list), read)
    step = max(stored.complete_steps(there), default=None)
    for partial in sorted(there.keys() - set(stored.complete_steps(there))):
        say(f"{checkpoint.step_name(partial)} in {uri} is not complete: it is left out")
    if step is None:
        say(f"no complete checkpoint in {uri}: the job starts from the beginning")
        return None
    name = checkpoint.step_name(step)
    found = checkpoint.latest(directory)
    if found is None or found.step < step:
        wanted = stored.files_to_restore(there[step]) or {}
        total = sum(item.size for item in wanted.values())
        _check_space(f"The checkpoint {name}", total, directory)
        scratch = directory / f".restoring-{name}"
        fetch(store, [Wanted(item, scratch / file) for file, item in wanted.items()], patience, f"checkpoint {name}")
        shutil.rmtree(directory / name, ignore_errors=True)
        scratch.rename(directory / name)
        say(f"restored {name} ({size_text(total)})")
    return step


def _datasets(text: str) -> list[tuple[str, str, Path]]:
    try:
        entries = cast("list[dict[str, str]]", json.loads(text))
        return [(entry["name"], entry["uri"], Path(entry["path"])) for entry in entries]
    except (ValueError, KeyError, TypeError) as error:
        raise AtFault(f"FOOTPLATE_DATASETS is not a list of name, uri and path: {error}.") from error


def run(environment: Mapping[str, str], root: Path) -> None:
    """Raises AgentError."""
    patience = Patience(float(environment.get("FOOTPLATE_PATIENCE_SECONDS") or PATIENCE))
    try:
        install(root, Path(footplate.__file__).parent)
        if uri := environment.get("FOOTPLATE_CODE_URI"):
            directory = Path(environment.get("FOOTPLATE_CODE_DIR") or root / "code")
            unpack_code(uri, directory, patience, environment)
        if run_directory := environment.get("FOOTPLATE_RUN_DIR"):
            for name in (records.ARTIFACTS, records.TENSORBOARD):
                Path(run_directory, name).mkdir(parents=True, exist_ok=True)
        for name, uri, path in _datasets(environment.get("FOOTPLATE_DATASETS") or "[]"):
            copy_dataset(name, uri, path, patience, environment)
        if uri := environment.get("FOOTPLATE_CHECKPOINT_URI"):
            directory = Path(environment.get("FOOTPLATE_CHECKPOINT_DIR") or root / "checkpoints")
            step = restore_checkpoint(uri, directory, patience, environment)
            ending.write_termination_message(PodReport(restored_step=step).encode())
    except OSError as error:
        raise ending.disk_full(error, "what the job needs") or AtFault(
            f"The pod's volumes cannot be written: {error}."
        ) from error


def _end_at_sigterm() -> None:
    """At once, whatever the other threads wait for; the first process of a container has no default action for it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

    def wait() -> NoReturn:
        signal.sigwait({signal.SIGTERM})
        os._exit(TERMINATED)

    Thread(target=wait, daemon=True).start()


def main() -> int:
    _end_at_sigterm()
    try:
        run(os.environ, Path(os.environ.get("FOOTPLATE_ROOT") or "/footplate"))
    except AgentError as error:
        return ending.fail(error)
    except Exception as error:
        traceback.print_exc()
        return ending.fail(AgentError(f"The pod could not be readied: {type(error).__name__}: {error}."))
    return 0


if __name__ == "__main__":
    sys.exit(main())
