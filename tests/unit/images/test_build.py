"""What is built and what is left alone; failures; two builds at once. The builder here writes files, as the real ones do."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from footplate.errors import MachineLacks
from footplate.images import build, catalogue, host, index, process
from footplate.images.buildah import Buildah
from footplate.images.builder import Request
from footplate.images.errors import BuildFailed, UnknownImage


@dataclass
class Recorder:
    lines: list[str] = field(default_factory=list[str])

    def begin(self, title: str) -> None:
        self.lines.append(title)

    def detail(self, text: str) -> None:
        self.lines.append(f"  {text}")

    def done(self, text: str) -> None:
        self.lines.append(text)


@dataclass
class FileBuilder:
    name: str = "files"
    built: list[str] = field(default_factory=list[str])
    failing: str = ""

    def prepare(self, log: Path) -> None:
        pass

    def arguments(self, image: str) -> Mapping[str, str]:
        return {"BASE": "files:1", **catalogue.find(image).arguments("cpu")}

    def build(self, request: Request) -> None:
        if self.failing and self.failing in request.reference:
            process.run(
                ["sh", "-c", "echo the lock file is wrong; exit 3"], request.log, what=f"building {request.reference}"
            )
        self.built.append(request.reference)

    def packages(self, reference: str, names: tuple[str, ...]) -> Mapping[str, str]:
        return dict.fromkeys(names, "1.0")

    def run(self, reference: str, archive: Path, command: Sequence[str], log: Path) -> str:
        raise BuildFailed("files do not run")

    def export(self, request: Request, archive: Path) -> str:
        archive.write_text(request.reference)
        return "sha256:" + "0" * 64

    def push(self, reference: str, archive: Path, destination: str, log: Path) -> str:
        return "sha256:" + "1" * 64


def run(directory: Path, builder: FileBuilder, *, force: bool = False) -> list[build.Outcome]:
    directory.mkdir(exist_ok=True)
    images = [catalogue.find(name) for name in catalogue.ALWAYS]
    return build.build(images, catalogue.repository(), directory, builder, Recorder(), force)


@pytest.fixture(autouse=True)
def plenty_of_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "NEEDED_GIB", 0)


def test_a_second_build_builds_nothing(tmp_path: Path) -> None:
    builder = FileBuilder()
    first = run(tmp_path, builder)
    assert [outcome.built.reference.split(":")[0] for outcome in first] == [
        "footplate.local/platform", "footplate.local/jupyter", "footplate.local/pytorch"
    ]  # fmt: skip
    assert all(outcome.seconds is not None for outcome in first)
    second = run(tmp_path, builder)
    assert len(builder.built) == 3
    assert [outcome.seconds for outcome in second] == [None] * 3
    assert [outcome.built for outcome in second] == [outcome.built for outcome in first]
    run(tmp_path, builder, force=True)
    assert len(builder.built) == 6


def test_a_lost_or_torn_archive_is_built_again(tmp_path: Path) -> None:
    builder = FileBuilder()
    first = run(tmp_path, builder)
    Path(first[0].built.archive).unlink()
    Path(first[1].built.archive).write_text("torn")
    assert [outcome.seconds is None for outcome in run(tmp_path, builder)] == [False, False, True]


def test_what_was_built_before_a_failure_stays(tmp_path: Path) -> None:
    builder = FileBuilder(failing="jupyter")
    with pytest.raises(BuildFailed, match="the lock file is wrong") as caught:
        run(tmp_path, builder)
    assert "exit code 3" in caught.value.message
    assert list(index.read(tmp_path)) == ["platform"]
    builder.failing = ""
    assert [outcome.seconds is None for outcome in run(tmp_path, builder)] == [True, False, False]


def test_old_archives_go_and_partial_ones_too(tmp_path: Path) -> None:
    archives = tmp_path / "archives"
    archives.mkdir()
    for number in range(4):
        (archives / f"platform-{number:012d}.tar").write_text("old")
        os.utime(archives / f"platform-{number:012d}.tar", (number, number))
    (archives / "platform-killed.partial").write_text("half")
    outcomes = run(tmp_path, FileBuilder())
    left = {path.name for path in archives.glob("platform-*")}
    assert left == {Path(outcomes[0].built.archive).name, "platform-000000000003.tar"}


def test_an_unknown_image_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownImage) as caught:
        build.ensure(["tensorflow"], Recorder(), environment={"FOOTPLATE_CACHE": str(tmp_path)})
    assert (
        str(caught.value)
        == "There is no image 'tensorflow'.\nthe images are platform, jupyter, pytorch, base, datascience, jax, vscode"
    )


def test_little_disk_is_told_before_anything_is_done(tmp_path: Path) -> None:
    with pytest.raises(MachineLacks, match="GiB free, and building images needs"):
        host.check_disk(tmp_path / "not" / "there", gib=10**9)


def test_a_damaged_index_says_what_to_do(tmp_path: Path) -> None:
    index.write(tmp_path, {})
    index.path_in(tmp_path).write_text("{")
    with pytest.raises(MachineLacks) as caught:
        index.read(tmp_path)
    assert caught.value.remedy == "delete it, and run `footplate images build` again"


def _hold(directory: Path, held: object) -> None:
    with build.lock(directory, Recorder()):
        held.set()  # type: ignore[attr-defined]
        time.sleep(60)


def test_a_second_build_waits_for_the_first_and_a_killed_one_lets_go(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    held = context.Event()
    other = context.Process(target=_hold, args=(tmp_path, held))
    other.start()
    assert held.wait(10)
    recorder = Recorder()
    os.kill(other.pid or 0, signal.SIGKILL)
    with build.lock(tmp_path, recorder):
        other.join()
    assert recorder.lines in ([], [f"waiting for another build, of process {other.pid}"])


def test_progress_shows_the_step_that_a_build_is_at(tmp_path: Path) -> None:
    recorder = Recorder()
    script = "echo '[1/2] STEP 3/9: RUN uv sync'; echo noise; sleep 0.6"
    process.run(["sh", "-c", script], tmp_path / "log", what="building", progress=recorder)
    assert recorder.lines[-1].startswith("  STEP 3/9: RUN uv sync (")


def test_a_full_disk_is_told_as_such(tmp_path: Path) -> None:
    script = "echo 'write /x: no space left on device'; exit 1"
    with pytest.raises(MachineLacks, match="building x ran out of disk"):
        process.run(["sh", "-c", script], tmp_path / "log", what="building x")


def test_a_missing_command_is_named(tmp_path: Path) -> None:
    with pytest.raises(MachineLacks, match="the command no-such-builder is not installed"):
        process.run(["no-such-builder"], tmp_path / "log", what="building x")


@pytest.mark.skipif(os.geteuid() != 0, reason="namespaces need root")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_killed_build_leaves_no_process_and_no_mount(tmp_path: Path, how: signal.Signals) -> None:
    mark = f"footplate-test-{os.getpid()}-{how}"
    (tmp_path / "mount").mkdir()
    inner = f"mount -t tmpfs {mark} {tmp_path}/mount && touch {tmp_path}/mounted && exec -a {mark} sleep 300"
    script = f"""
from pathlib import Path
from footplate.images import process
process.run(["bash", "-c", {inner!r}], Path({str(tmp_path / "log")!r}), what="building", confined=True)
"""
    parent = subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while not processes(mark):
        assert time.monotonic() < deadline, (tmp_path / "log").read_text()
        time.sleep(0.05)
    parent.send_signal(how)
    parent.wait(20)
    while processes(mark):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert mark not in Path("/proc/self/mounts").read_text()


def processes(mark: str) -> list[str]:
    found: list[str] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().startswith(mark.encode()):
                found.append(path.parent.name)
        except OSError:
            continue
    return found


def _as_nobody(answers: object) -> None:
    os.setuid(65534)
    try:
        host.ensure_tools(Path(os.devnull), Recorder())
    except MachineLacks as error:
        answers.put(str(error))  # type: ignore[attr-defined]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_without_root_and_docker_it_says_what_would_do() -> None:
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    child = context.Process(target=_as_nobody, args=(answers,))
    child.start()
    answer: str = answers.get(timeout=10)
    child.join()
    assert answer.startswith("Images are built by buildah as root, or by Docker, and this is neither root")
    assert answer.endswith("run as root, or install and start Docker")


def test_of_the_machines_apt_settings_only_those_for_reaching_an_archive_are_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "apt-config").write_text(
        "#!/bin/sh\n"
        """echo 'Acquire::http::Proxy "http://proxy:3128";'\n"""
        """echo 'Acquire::Check-Valid-Until "false";'\n"""
        """echo 'Acquire::Languages "none";'\n"""
        """echo 'Acquire::GzipIndexes "true";'\n"""
    )
    (tmp_path / "apt-config").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert host.apt_settings() == ('Acquire::http::Proxy "http://proxy:3128";', 'Acquire::Check-Valid-Until "false";')


@pytest.mark.parametrize(
    ("layers", "there", "kept"),
    [
        pytest.param('[{"id": "aa"}, {"id": "bb"}]', ("aa", "bb"), True, id="whole"),
        pytest.param('[{"id": "aa"}, {"id": "bb"}]', ("aa",), False, id="a removal that was cut off"),
        pytest.param('[{"id": "aa"}, {"i', ("aa",), False, id="a write that was cut off"),
    ],
)
def test_a_storage_that_no_build_would_get_by_is_made_anew(
    layers: str, there: tuple[str, ...], kept: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "ensure_tools", lambda log, progress: None)
    monkeypatch.setattr(Buildah, "_run", lambda self, words, log, what: None)
    monkeypatch.setattr(Buildah, "_ensure_base", lambda self, log: None)
    progress = Recorder()
    builder = Buildah(tmp_path, "cpu", progress)
    driver = "overlay" if "overlay" in Path("/proc/filesystems").read_text() else "vfs"
    for layer in there:
        (tmp_path / "storage" / ("overlay" if driver == "overlay" else "vfs/dir") / layer).mkdir(parents=True)
    (tmp_path / "storage" / f"{driver}-layers").mkdir(parents=True)
    (tmp_path / "storage" / f"{driver}-layers" / "layers.json").write_text(layers)
    (tmp_path / "discarded-1" / "half").mkdir(parents=True)
    builder.prepare(tmp_path / "log")
    assert (tmp_path / "storage").exists() == kept
    assert not list(tmp_path.glob("discarded-*")), "what a killed removal left goes too"
    assert any("damaged" in line for line in progress.lines) != kept
