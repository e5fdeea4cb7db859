"""One node of a Ray cluster that lives as long as a command: ``python3 ray_node.py command argument…``, started by launch.py.

One file, standard library only, Python 3.8 or newer. The first node starts Ray's head on MASTER_PORT + 1 and, when NNODES nodes are there, the
command; the others join and wait. They hear on MASTER_PORT of the first node, over a connection each, that all are there; then its
exit code, or, where the connection ends without one, that the head is gone. All end then. Ray by itself tells the others only
that it cannot reach the head any more, a minute later, and the same after success as after a crash.

SIGTERM goes to the command alone: the other nodes hold its workers, which may have a checkpoint to write.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from typing import IO

AT_FAULT = 64
TEMPORARY = 75
TERMINATED = 128 + signal.SIGTERM

#: Ray's own.
DASHBOARD_PORT = 8265

#: Seconds. How long the nodes of the cluster may take to come together: images are pulled meanwhile.
JOIN_SECONDS = 600.0
#: Ray's own bounds on its start on a node, seconds and milliseconds; the raylet of a busy machine dies by the usual ones.
BOUNDS = {"RAY_raylet_start_wait_time_s": "180", "RAY_agent_register_timeout_ms": "180000"}
#: Between SIGTERM and SIGKILL to Ray.
STOP_SECONDS = 5.0
POLL = 0.1
LAST_BYTES = 2000

#: Said to the other nodes when the head takes them, and when all are there.
HEAD = b"head"
UP = b"up"

_AWAIT_NODES = """
import sys, time
import ray
while not ray.is_initialized():
    try:
        ray.init(address=sys.argv[1], log_to_driver=False, logging_level="ERROR")
    except Exception:  # the head takes drivers only some time after its port is open
        time.sleep(1.0)
print("head", flush=True)
while sum(node["Alive"] for node in ray.nodes()) < int(sys.argv[2]):
    time.sleep(0.2)
"""


class NodeError(Exception):
    def __init__(self, message: str, code: int = TEMPORARY) -> None:
        super().__init__(message)
        self.code = code


class Ray:
    """``ray start --block``. What it says is kept for the case that it fails."""

    def __init__(self, arguments: list[str]) -> None:
        if shutil.which("ray") is None:
            raise NodeError(
                "the image has no command `ray`: the launcher ray needs the package ray[default] in it", AT_FAULT
            )
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (as long as the process)
        self._process = subprocess.Popen(
            ["ray", "start", *arguments, "--block", "--disable-usage-stats"],
            env={**BOUNDS, **os.environ},
            stdin=subprocess.DEVNULL,
            stdout=self._said,
            stderr=subprocess.STDOUT,
        )

    def check(self) -> None:
        code = self._process.poll()
        if code is not None:
            size = self._said.seek(0, os.SEEK_END)
            self._said.seek(max(0, size - LAST_BYTES))
            sys.stderr.write(self._said.read().decode(errors="replace"))
            raise NodeError(f"Ray ended by itself on this node (`ray start`: {code})")

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Stop:
    """SIGTERM and SIGINT, remembered."""

    def __init__(self) -> None:
        self.number = 0
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._set)

    def _set(self, number: int, _frame: object) -> None:
        self.number = number


class Announcer:
    """Of the first node: takes the others' connections, and tells them how it ends."""

    def __init__(self, port: int) -> None:
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("", port))
        self._listener.listen(1024)
        self._connections: list[socket.socket] = []
        self._said = b""
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self._connections.append(connection)
                self._send([connection], self._said)

    def tell(self, line: bytes) -> None:
        with self._lock:
            self._said += line + b"\n"
            self._send(self._connections, line + b"\n")

    def _send(self, connections: list[socket.socket], text: bytes) -> None:
        for connection in connections:
            try:
                connection.sendall(text)
            except OSError:
                pass


def lead(command: list[str], address: str, port: int, nodes: int, stop: Stop) -> int:
    announcer = Announcer(port)
    own = socket.gethostbyname(address)
    ray = Ray(
        [
            "--head",
            f"--port={port + 1}",
            f"--node-ip-address={own}",
            "--dashboard-host=127.0.0.1",
            f"--dashboard-port={DASHBOARD_PORT}",
        ]
    )
    code = TEMPORARY
    try:
        _await_nodes(f"{own}:{port + 1}", nodes, ray, announcer, stop)
        announcer.tell(UP)
        code = _run(command, ray, stop)
    except NodeError as error:
        code = error.code
        raise
    finally:
        announcer.tell(b"%d" % code)
        ray.stop()
    return code


def _await_nodes(address: str, nodes: int, ray: Ray, announcer: Announcer, stop: Stop) -> None:
    _await_port(address, ray, stop)
    command = [sys.executable, "-c", _AWAIT_NODES, address, str(nodes)]
    waiting = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    assert waiting.stdout is not None
    ends = time.monotonic() + JOIN_SECONDS
    try:
        while waiting.poll() is None:
            if select.select([waiting.stdout], [], [], 0)[0] and waiting.stdout.readline().strip() == HEAD:
                announcer.tell(HEAD)
            ray.check()
            _check(stop, ends, f"the {nodes} nodes of the cluster did not come together")
            time.sleep(POLL)
    finally:
        waiting.kill()
        waiting.wait()
        waiting.stdout.close()
    if waiting.returncode:
        raise NodeError(
            f"{sys.executable} cannot use Ray: the image needs ray[default] in the Python of its `python3`", AT_FAULT
        )


def _await_port(address: str, ray: Ray | None, stop: Stop) -> None:
    host, _, port = address.rpartition(":")
    ends = time.monotonic() + JOIN_SECONDS
    while True:
        try:
            socket.create_connection((host, int(port)), 5).close()
            return
        except OSError:
            if ray is not None:
                ray.check()
            _check(stop, ends, f"the first node, {host}, could not be found")
            time.sleep(POLL)


def _check(stop: Stop, ends: float, what: str) -> None:
    if stop.number:
        raise NodeError("ended by a signal while the nodes of the cluster were coming together", TERMINATED)
    if time.monotonic() > ends:
        raise NodeError(f"{what} within {JOIN_SECONDS:.0f} s")


def _run(command: list[str], ray: Ray, stop: Stop) -> int:
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    except OSError as error:
        raise NodeError(f"cannot start {command[0]!r}: {error.strerror}", AT_FAULT) from error
    forwarded = False
    try:
        while process.poll() is None:
            if stop.number and not forwarded:
                forwarded = True
                process.send_signal(stop.number)
            if not forwarded:
                ray.check()
            time.sleep(POLL)
    finally:
        process.kill()
        process.wait()
    return process.returncode if process.returncode >= 0 else 128 - process.returncode


def follow(address: str, port: int, stop: Stop) -> int:
    _await_port(f"{address}:{port}", None, stop)
    head = socket.create_connection((address, port), 30)
    # A machine that is gone says nothing: it is asked.
    head.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, option):
            head.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
    code = _follow(head, f"{address}:{port + 1}", stop)
    if code:
        print(f"footplate: the command on the first node of the Ray cluster ended with code {code}", flush=True)
    return code


def _follow(head: socket.socket, address: str, stop: Stop) -> int:
    ray: Ray | None = None
    lines: list[bytes] = []
    rest = b""
    ends = time.monotonic() + JOIN_SECONDS
    try:
        while True:
            joining = UP not in lines
            if joining:
                _check(stop, ends, "the nodes of the cluster did not come together")
                if ray is None and HEAD in lines:
                    ray = Ray([f"--address={address}"])
            if select.select([head], [], [], POLL)[0]:
                block = _receive(head)
                *new, rest = (rest + block).split(b"\n")
                lines += new
                codes = [line for line in lines if line not in (HEAD, UP)]
                if codes:
                    return int(codes[0])
                if not block:
                    raise NodeError("the first node of the Ray cluster is gone")
            try:
                if ray is not None:
                    ray.check()
            except NodeError:
                if not joining:
                    raise
                ray = None  # It may have been too slow on a busy machine.
                time.sleep(1.0)
    finally:
        if ray is not None:
            ray.stop()


def _receive(head: socket.socket) -> bytes:
    try:
        return head.recv(64)
    except OSError:
        return b""


def main() -> int:
    stop = Stop()
    environment = os.environ
    address, port = environment["MASTER_ADDR"], int(environment["MASTER_PORT"])
    nodes, rank = int(environment["NNODES"]), int(environment["NODE_RANK"])
    try:
        return lead(sys.argv[1:], address, port, nodes, stop) if rank == 0 else follow(address, port, stop)
    except NodeError as error:
        print(f"footplate: {error}", flush=True)
        return error.code


if __name__ == "__main__":
    sys.exit(main())
