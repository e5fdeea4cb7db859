"""Starts the processes of one node of a job: ``python3 launch.py --launcher torchrun|jax|ray|none -- command argument…``.

One file, standard library only, Python 3.8 or newer: it runs with the Python of whatever image the job has. It may be the
container's first process. It waits until the first node's name resolves, starts NPROC_PER_NODE processes with their
rendezvous variables, forwards SIGTERM, stops all when one fails, and ends with the code of the first that failed:
128 + n where signal n killed it, 143 where SIGTERM ended the job, 75 where the end is temporary (the first node cannot
be found, checkpoints cannot be uploaded). After success it waits until the agent has uploaded the committed checkpoints.
What the processes print goes to standard output, and to files in FOOTPLATE_RUN_DIR from which the agent uploads it.
``none`` starts one process, as it is; ``ray`` one of ray_node.py beside this file, which runs the command on the first node.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

AT_FAULT = 64
TEMPORARY = 75
#: As a shell has it.
NOT_FOUND = 127
TERMINATED = 128 + signal.SIGTERM
KILLED = 128 + signal.SIGKILL

#: Seconds. How long the first node's name may take to resolve: its pod may still be pulling its image.
FIND_SECONDS = 600.0
#: Between SIGTERM and SIGKILL to the others once one process has failed.
STOP_SECONDS = 10.0
#: How long an upload of the last checkpoints may take after success.
SYNC_SECONDS = 1800.0
#: How long the agent may take to appear.
AGENT_SECONDS = 15.0
POLL = 0.1
#: Between two writes for the agent.
LEDGER_SECONDS = 2.0

#: Beside this file's folder: the SDK and ``footplate.checkpoint``, for images that do not have them.
LIBRARY = Path(__file__).resolve().parent.parent / "lib"

#: Of each process, remembered for the termination message, from which the controllers tell why it failed.
LAST_LINES = 30

#: A line of output longer than this is passed on in pieces.
LONGEST_LINE = 64 * 1024

#: Bytes of a file of kept output, and how many files of one process are kept while they cannot be uploaded.
LOG_FILE = 1 << 20
LOG_FILES = 32

_MARKER = re.compile(r"step-\d{12}/\.commit-\d+-of-\d+")


class LaunchError(Exception):
    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class Node:
    """Where this node stands in the job, from the environment. `alone`: one process, whatever NPROC_PER_NODE says."""

    def __init__(self, environment: Mapping[str, str], *, alone: bool = False) -> None:
        self.rank = _number(environment, "NODE_RANK", least=0)
        self.nodes = _number(environment, "NNODES", least=1)
        self.processes = 1 if alone else _number(environment, "NPROC_PER_NODE", least=1)
        self.address = environment.get("MASTER_ADDR") or "127.0.0.1"
        self.port = _number(environment, "MASTER_PORT", least=1, default=29500)
        if self.rank >= self.nodes:
            raise LaunchError(f"NODE_RANK is {self.rank} and there are {self.nodes} nodes (NNODES)", AT_FAULT)

    @property
    def world(self) -> int:
        return self.nodes * self.processes

    def first_rank(self) -> int:
        return self.rank * self.processes


def _number(environment: Mapping[str, str], name: str, least: int, default: int | None = None) -> int:
    text = environment.get(name, "")
    if not text:
        return least if default is None else default
    if not text.isdigit() or int(text) < least:
        raise LaunchError(f"{name} is {text!r}: a number of at least {least} is needed", AT_FAULT)
    return int(text)


def torch_variables(node: Node, local: int, environment: Mapping[str, str]) -> dict[str, str]:
    """What torchrun sets. Source: https://docs.pytorch.org/docs/stable/elastic/run.html#environment-variables"""
    rank, world = node.first_rank() + local, node.world
    attempt = environment.get("FOOTPLATE_ATTEMPT", "1")
    found = {
        "MASTER_ADDR": node.address,
        "MASTER_PORT": str(node.port),
        "RANK": str(rank),
        "LOCAL_RANK": str(local),
        "WORLD_SIZE": str(world),
        "LOCAL_WORLD_SIZE": str(node.processes),
        "GROUP_RANK": str(node.rank),
        "GROUP_WORLD_SIZE": str(node.nodes),
        "ROLE_NAME": "default",
        "ROLE_RANK": str(rank),
        "ROLE_WORLD_SIZE": str(world),
        "TORCHELASTIC_RUN_ID": environment.get("FOOTPLATE_JOB") or "footplate",
        "TORCHELASTIC_RESTART_COUNT": str(max(0, int(attempt) - 1)) if attempt.isdigit() else "0",
        "TORCHELASTIC_MAX_RESTARTS": "0",
    }
    if node.processes > 1 and "OMP_NUM_THREADS" not in environment:
        found["OMP_NUM_THREADS"] = "1"
    return found


def jax_variables(node: Node, local: int, environment: Mapping[str, str]) -> dict[str, str]:
    """For ``jax.distributed.initialize``, which reads the first by itself and takes the two numbers as arguments.

    Source: https://docs.jax.dev/en/latest/multi_process.html
    """
    del environment
    return {
        "JAX_COORDINATOR_ADDRESS": f"{node.address}:{node.port}",
        "JAX_NUM_PROCESSES": str(node.world),
        "JAX_PROCESS_ID": str(node.first_rank() + local),
        "RANK": str(node.first_rank() + local),
        "LOCAL_RANK": str(local),
        "WORLD_SIZE": str(node.world),
    }


def no_variables(node: Node, local: int, environment: Mapping[str, str]) -> dict[str, str]:
    del node, local
    return {"NPROC_PER_NODE": environment.get("NPROC_PER_NODE") or "1"}


def ray_variables(node: Node, local: int, environment: Mapping[str, str]) -> dict[str, str]:
    """``ray.init()`` joins the cluster at RAY_ADDRESS. Source: https://docs.ray.io/en/latest/ray-core/starting-ray.html"""
    return {
        **no_variables(node, local, environment),
        "MASTER_ADDR": node.address,
        "MASTER_PORT": str(node.port),
        "RAY_ADDRESS": f"{node.address}:{node.port + 1}",
    }


VARIABLES = {"torchrun": torch_variables, "jax": jax_variables, "ray": ray_variables, "none": no_variables}
#: One process a node, whatever NPROC_PER_NODE says.
ALONE = ("ray", "none")


def variables(launcher: str, node: Node, local: int, environment: Mapping[str, str]) -> dict[str, str]:
    of_node = {"NODE_RANK": str(node.rank), "NNODES": str(node.nodes), "NPROC_PER_NODE": str(node.processes)}
    found = {**environment, **of_node, **VARIABLES[launcher](node, local, environment)}
    if LIBRARY.is_dir():
        paths = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
        found["PYTHONPATH"] = os.pathsep.join([*paths, str(LIBRARY)])
    return found


class Kept:
    """Output in files for the agent: ``<offset of its first byte in all of the output>.log``, each line with its time.

    The form is that of `kubectl logs --timestamps`. The agent deletes what it has uploaded, but for the newest file; where
    it cannot upload, the oldest go, so that the disk is not filled.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file: IO[bytes] | None = None
        self._begin = self._end = 0
        self._complained = False

    def write(self, lines: Sequence[bytes]) -> None:
        """Training goes on whatever the disk says."""
        seconds, nanoseconds = divmod(time.time_ns(), 10**9)
        moment = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{nanoseconds:09d}Z ".encode()
        try:
            if self._file is None or self._end - self._begin >= LOG_FILE:
                self._next_file()
            assert self._file is not None
            self._end += self._file.write(b"".join(moment + line + b"\n" for line in lines)) or 0
        except OSError as error:
            if not self._complained:
                self._complained = True
                print(f"footplate: some of the output is not kept: {error}", file=sys.stderr, flush=True)

    def _next_file(self) -> None:
        if self._file is None:
            self._directory.mkdir(parents=True, exist_ok=True)
            self._end = max((_offset(path) + path.stat().st_size for path in self._directory.glob("*.log")), default=0)
        else:
            self._file.close()
        for path in sorted(self._directory.glob("*.log"))[: -(LOG_FILES - 1)]:
            path.unlink(missing_ok=True)
        self._begin = self._end
        self._file = (self._directory / f"{self._begin:015d}.log").open("ab", buffering=0)


def _offset(path: Path) -> int:
    return int(path.stem) if path.stem.isdigit() else 0


class Output:
    """Passes on what one process prints, whole lines at a time, keeps it, and remembers the last lines."""

    lock = threading.Lock()
    #: What the launcher itself says.
    own: Kept | None = None

    def __init__(self, stream: IO[bytes], prefix: bytes, kept: Kept | None = None) -> None:
        self.last: deque[bytes] = deque(maxlen=LAST_LINES)
        #: When it last printed a line, by the monotonic clock.
        self.at = 0.0
        self._stream = stream
        self._prefix = prefix
        self._kept = kept
        self._thread = threading.Thread(target=self._pump, daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Bounded: a grandchild that lives on may hold the pipe open."""
        self._thread.join(1.0)

    def _pump(self) -> None:
        held = b""
        while True:
            block = os.read(self._stream.fileno(), LONGEST_LINE)
            # A carriage return alone (a progress bar) ends a line too.
            *lines, held = (held + block).replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
            if held and (not block or len(held) > LONGEST_LINE):
                lines, held = [*lines, held], b""
            self._write(lines)
            if not block:
                return

    def _write(self, lines: Sequence[bytes]) -> None:
        if not lines:
            return
        self.at = time.monotonic()
        self.last.extend(line[:500] for line in lines if line.strip())
        with Output.lock:
            try:
                sys.stdout.buffer.write(b"".join(self._prefix + line + b"\n" for line in lines))
                sys.stdout.buffer.flush()
            except OSError:
                pass  # Nobody reads the log any more: training goes on.
        if self._kept is not None:
            self._kept.write(lines)


class Process:
    def __init__(
        self, rank: int, command: Sequence[str], environment: Mapping[str, str], prefix: bytes, kept: Kept | None = None
    ) -> None:
        self.rank = rank
        # A session of its own: a signal to its group reaches what it started, and none of ours.
        self._child = subprocess.Popen(
            command,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        assert self._child.stdout is not None
        self.output = Output(self._child.stdout, prefix, kept)

    @property
    def pid(self) -> int:
        return self._child.pid

    def code(self) -> int | None:
        """As a shell has it; None while it runs."""
        code = self._child.poll()
        return code if code is None or code >= 0 else 128 - code

    def signal(self, number: int) -> None:
        """To the process alone: its data loaders must live while it writes its last checkpoint."""
        if self._child.poll() is None:
            self._child.send_signal(number)

    def kill(self) -> None:
        """It and what it started, which outlives it otherwise."""
        try:
            os.killpg(self._child.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            pass


class Ledger:
    """``ranks.json`` in the run directory, for the agent: each rank's pid and the time of its last output."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._written: object = None
        self._due = 0.0

    def write(self, processes: Sequence[Process]) -> None:
        ranks = {str(process.rank): {"pid": process.pid, "output": process.output.at} for process in processes}
        if self._directory is None or ranks == self._written or time.monotonic() < self._due:
            return
        self._due = time.monotonic() + LEDGER_SECONDS
        self._written = ranks
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            fresh = self._directory / ".ranks.json.writing"
            fresh.write_text(json.dumps(ranks))
            fresh.replace(self._directory / "ranks.json")
        except OSError:
            pass  # A full disk does not end training.


class Stop:
    """Set by SIGTERM and SIGINT; ``wait`` returns at once then."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.number = 0

    def install(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._set)

    def _set(self, number: int, _frame: object) -> None:
        self.number = number
        self.event.set()


def find_first_node(node: Node, stop: Stop, seconds: float = FIND_SECONDS) -> None:
    """Waits until MASTER_ADDR resolves: a pod's DNS name appears some time after its pod."""
    if node.nodes == 1:
        return
    ends = time.monotonic() + seconds
    said = False
    while True:
        try:
            socket.getaddrinfo(node.address, node.port, type=socket.SOCK_STREAM)
            return
        except OSError as error:
            if time.monotonic() > ends:
                raise LaunchError(
                    f"the first node, {node.address}, could not be found within {seconds:.0f} s ({error})", TEMPORARY
                ) from error
        if not said:
            said = True
            say(f"waiting for the first node, {node.address}")
        if stop.event.wait(1.0):
            raise LaunchError(f"ended by a signal while waiting for the first node, {node.address}", TERMINATED)


def kept_output(environment: Mapping[str, str], stream: str) -> Kept | None:
    directory = environment.get("FOOTPLATE_RUN_DIR")
    return Kept(Path(directory, "logs", stream)) if directory else None


def start(launcher: str, command: Sequence[str], node: Node, environment: Mapping[str, str]) -> list[Process]:
    started: list[Process] = []
    width = len(str(node.world - 1))
    for local in range(node.processes):
        rank = node.first_rank() + local
        prefix = f"[{rank:>{width}}] ".encode() if node.processes > 1 else b""
        kept = kept_output(environment, f"rank-{rank}")
        try:
            started.append(Process(rank, command, variables(launcher, node, local, environment), prefix, kept))
        except OSError as error:
            for process in started:
                process.kill()
            code = NOT_FOUND if launcher == "none" else AT_FAULT
            raise LaunchError(f"cannot start {command[0]!r}: {error.strerror}", code) from error
    return started


def watch(
    processes: Sequence[Process], stop: Stop, grace: float = float("inf"), run: Path | None = None
) -> tuple[int, str]:
    """Until all have ended: the exit code, and what happened where it is not 0.

    `grace`: seconds from SIGTERM to SIGKILL. `run`: the directory that the agent reads.
    """
    failed: Process | None = None
    code = 0
    kills = memory_kills()
    kill_at = float("inf")
    forwarded = 0
    ledger = Ledger(run)
    while True:
        ledger.write(processes)
        running = [process for process in processes if process.code() is None]
        if failed is None:
            failed = next((process for process in processes if process.code()), None)
            if failed is not None:
                code = failed.code() or 1
                if running and not forwarded:
                    say(f"rank {failed.rank} {outcome(code)}: stopping the other processes of this node")
                    for process in running:
                        process.signal(signal.SIGTERM)
                    kill_at = time.monotonic() + STOP_SECONDS
        if stop.number and not forwarded:
            forwarded = stop.number
            kill_at = min(kill_at, time.monotonic() + grace)
            say(f"{signal.Signals(forwarded).name} received: told the processes, waiting for them")
            for process in running:
                process.signal(forwarded)
        if not running:
            break
        if time.monotonic() > kill_at:
            for process in running:
                process.kill()
        reap({process.pid for process in processes})
        stop.event.clear()
        stop.event.wait(POLL)
    for process in processes:
        process.output.finish()
        process.kill()
    if forwarded:
        return TERMINATED if code in (0, TERMINATED) else code, f"Ended by {signal.Signals(forwarded).name}."
    if failed is None:
        return 0, ""
    lines = [line.decode(errors="replace").strip() for line in failed.output.last]
    memory = ended_for_memory(kills) if code == KILLED else None
    last = f": {lines[-1]}" if lines and code != KILLED else ""
    sentence = f"Rank {failed.rank} {outcome(code, memory)}{last}".rstrip(".") + "."
    return code, "\n".join([sentence, *lines])


def reap(own: set[int]) -> None:
    """As a container's first process this one inherits orphans; the processes of ``own`` are waited for elsewhere."""
    while os.getpid() == 1:
        try:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return
        if ended is None or ended.si_pid in own:
            return
        os.waitpid(ended.si_pid, 0)


def memory_kills(root: str = "/sys/fs/cgroup") -> int | None:
    """Processes of this container that the kernel has killed for want of memory; None where it does not say.

    Source: https://docs.kernel.org/admin-guide/cgroup-v2.html (memory.events), and memory.oom_control of version 1.
    """
    for name in ("memory.events", "memory/memory.oom_control"):
        try:
            found = re.search(r"^oom_kill (\d+)$", Path(root, name).read_text(), re.MULTILINE)
        except OSError:
            continue
        if found:
            return int(found[1])
    return None


def ended_for_memory(before: int | None) -> bool | None:
    after = memory_kills()
    return None if before is None or after is None else after > before


def outcome(code: int, memory: bool | None = None) -> str:
    """`memory`: whether the kernel killed it for want of memory, where that is known."""
    if code <= 128:
        return f"exited with code {code}"
    try:
        name = signal.Signals(code - 128).name
    except ValueError:
        return f"exited with code {code}"
    why = {True: " (out of memory)", False: " (not for memory)", None: " (out of memory?)"}[memory]
    return f"was killed by {name}" + (why if name == "SIGKILL" else "")


def unsettled(root: Path, state: Mapping[str, object]) -> list[str]:
    """Committed checkpoints that the agent has not dealt with yet."""
    done = cast("Mapping[str, int]", state.get("settled") or {})
    waiting: list[str] = []
    for marker in root.glob("step-*/.commit-*"):
        path = marker.relative_to(root).as_posix()
        try:
            if _MARKER.fullmatch(path) and done.get(path) != marker.stat().st_mtime_ns:
                waiting.append(path.split("/")[0])
        except OSError:  # deleted meanwhile
            continue
    return sorted(set(waiting))


def await_upload(root: Path, stop: Stop, seconds: float = SYNC_SECONDS) -> None:
    """Raises LaunchError where the checkpoints are not in the store after ``seconds``."""
    if not any(root.glob("step-*/.commit-*")):
        return
    began = time.monotonic()
    (root / ".finished").touch()
    said = False
    while True:
        state = read_state(root)
        if state is None and time.monotonic() - began > AGENT_SECONDS:
            return  # No agent in this pod.
        if state is not None:
            waiting = unsettled(root, state) if state.get("enabled") else []
            if not waiting:
                return
            if not said:
                said = True
                say(f"waiting for the upload of {', '.join(waiting)}")
            why = f": {state['error']}" if state.get("error") else ""
            if time.monotonic() - began > seconds:
                names = ", ".join(waiting)
                raise LaunchError(
                    f"training ended well, but {names} could not be uploaded within {seconds:.0f} s{why}", TEMPORARY
                )
            if stop.number:
                raise LaunchError("ended by a signal while the last checkpoints were being uploaded", TERMINATED)
        stop.event.wait(POLL)


def await_records(directory: Path, stop: Stop, seconds: float = SYNC_SECONDS) -> None:
    """Until the agent has uploaded what is in the directories for artifacts. Says what could not be, and ends well all the same."""
    files = (path for name in ("artifacts", "tensorboard") for path in (directory / name).rglob("*") if path.is_file())
    if next(files, None) is None or not (directory / ".recording").exists():
        return
    (directory / ".finished").touch()
    ends = time.monotonic() + seconds
    while not (directory / ".recorded").exists() and not stop.number:
        if time.monotonic() > ends:
            say(f"some files in {directory}/artifacts could not be uploaded within {seconds:.0f} s")
            return
        stop.event.wait(POLL)


def read_state(root: Path) -> dict[str, object] | None:
    try:
        state = json.loads((root / ".sync.json").read_bytes())
    except (OSError, ValueError):
        return None
    return cast("dict[str, object]", state) if isinstance(state, dict) else None


def say(sentence: str) -> None:
    with Output.lock:
        sys.stdout.flush()
        print(f"footplate: {sentence}", file=sys.stderr, flush=True)
        if Output.own is not None:
            Output.own.write([f"footplate: {sentence}".encode()])


def write_termination_message(sentence: str) -> None:
    path = os.environ.get("FOOTPLATE_TERMINATION_LOG") or "/dev/termination-log"
    try:
        Path(path).write_text(shortened(sentence))
    except OSError:
        pass


def shortened(text: str, most: int = 4000) -> str:
    """The first line and as much of the end as fits: Kubernetes takes 4096 bytes."""
    if len(text.encode()) <= most:
        return text
    first = text.split("\n", 1)[0].encode()[:1500]
    rest = text.encode()[-(most - len(first) - 10) :]
    return f"{first.decode(errors='ignore')}\n{rest.decode(errors='ignore').split(chr(10), 1)[-1]}"


def parse(arguments: Sequence[str]) -> tuple[str, list[str]]:
    parser = argparse.ArgumentParser(
        prog="launch.py", usage="launch.py --launcher torchrun|jax|ray|none -- command argument…"
    )
    parser.add_argument("--launcher", required=True)
    parser.add_argument("command", nargs=argparse.REMAINDER)
    found = parser.parse_args(arguments)
    command = found.command[1:] if found.command[:1] == ["--"] else found.command
    if found.launcher not in VARIABLES:
        raise LaunchError(f"there is no launcher {found.launcher!r}: use torchrun, jax, ray or none", AT_FAULT)
    if not command:
        raise LaunchError("no command was given after --", AT_FAULT)
    if found.launcher == "ray":
        command = [sys.executable, str(Path(__file__).resolve().with_name("ray_node.py")), *command]
    return found.launcher, command


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    launcher, command = parse(arguments)
    node = Node(environment, alone=launcher in ALONE)
    Output.own = kept_output(environment, f"node-{node.rank}")
    stop = Stop()
    stop.install()
    root = Path(environment.get("FOOTPLATE_CHECKPOINT_DIR") or "/footplate/checkpoints")
    try:
        (root / ".finished").unlink()
    except OSError:
        pass
    if launcher != "none":
        find_first_node(node, stop)
    # What does not heed SIGTERM is ended before the pod is: the last checkpoints are still to be uploaded.
    grace = float(environment.get("FOOTPLATE_GRACE_SECONDS") or "inf")
    directory = environment.get("FOOTPLATE_RUN_DIR")
    started = start(launcher, command, node, environment)
    code, what = watch(started, stop, grace, Path(directory) if directory else None)
    if code:
        say(what.split("\n")[0])
        write_termination_message(what)
        return code
    seconds = float(environment.get("FOOTPLATE_SYNC_SECONDS") or SYNC_SECONDS)
    await_upload(root, stop, seconds)
    if directory := environment.get("FOOTPLATE_RUN_DIR"):
        await_records(Path(directory), stop, seconds)
    return 0


def main() -> int:
    try:
        return run(sys.argv[1:], os.environ)
    except LaunchError as error:
        sentence = f"{str(error)[:1].upper()}{str(error)[1:]}."
        say(sentence)
        write_termination_message(sentence)
        return error.code


if __name__ == "__main__":
    sys.exit(main())
