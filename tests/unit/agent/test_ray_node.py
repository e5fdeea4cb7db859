"""The launcher ray, with a stand-in for the command `ray` and its module: what is started where, and how all of it ends.

The stand-in listens where Ray's head would, counts nodes, and ends as it is told to. It runs no tasks and has no
dashboard; Ray 2.60 itself was tried by hand with the same launcher.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from footplate.agent import launch, ray_node
from tests.unit.agent.s3_gateway import free_port

RAY = """#!{python}
import os, signal, socket, sys, time
home = os.environ["FAKE_RAY"]
options = dict(argument.partition("=")[::2] for argument in sys.argv[2:])
role = "head" if "--head" in options else "worker"
me = os.path.join(home, "node-%d" % os.getpid())
open(os.path.join(home, role + ".arguments"), "w").write(" ".join(sys.argv[1:]))
if role == "head":
    listener = socket.create_server(("127.0.0.1", int(options["--port"])))
else:
    host, port = options["--address"].split(":")
    socket.create_connection((host, int(port))).close()
signal.signal(signal.SIGTERM, lambda *_: (os.remove(me), sys.exit(1)))
open(me, "w").close()
print("Ray runtime started.")
while not os.path.exists(os.path.join(home, role + ".dies")):
    time.sleep(0.02)
print("raylet died")
os.remove(me)
sys.exit(1)
"""
MODULE = """
import os
tries = 0
def is_initialized(): return tries > 1
def init(**_):
    global tries
    tries += 1
    if tries == 1:
        raise ConnectionError("the head has not started yet")
def nodes(): return [{"Alive": True} for name in os.listdir(os.environ["FAKE_RAY"]) if name.startswith("node-")]
"""


class Cluster:
    """Nodes of one job on this machine, each started by the launcher."""

    def __init__(self, root: Path, nodes: int) -> None:
        self.root = root
        self.nodes = nodes
        self.processes: list[subprocess.Popen[str]] = []
        self._port = free_port()
        (root / "bin").mkdir()
        (root / "ray").mkdir()
        (root / "modules").mkdir()
        (root / "bin" / "ray").write_text(RAY.format(python=sys.executable))
        (root / "bin" / "ray").chmod(0o755)
        (root / "modules" / "ray.py").write_text(MODULE)

    def start(self, rank: int, program: str = "", **more: str) -> subprocess.Popen[str]:
        script = self.root / f"program-{rank}.py"
        script.write_text(program)
        environment = {
            "PATH": f"{self.root / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": str(self.root / "modules"),
            "FAKE_RAY": str(self.root / "ray"),
            "FOOTPLATE_TERMINATION_LOG": str(self.root / f"message-{rank}"),
            "FOOTPLATE_CHECKPOINT_DIR": str(self.root / "checkpoints"),
            "MASTER_ADDR": "localhost",
            "MASTER_PORT": str(self._port),
            "NODE_RANK": str(rank),
            "NNODES": str(self.nodes),
            "NPROC_PER_NODE": "4",
            **more,
        }
        command = [
            sys.executable,
            launch.__file__,
            "--launcher",
            "ray",
            "--",
            sys.executable,
            str(script),
        ]
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.processes.append(process)
        return process

    def until(self, name: str) -> None:
        ends = time.monotonic() + 30
        while not (self.root / name).exists():
            assert time.monotonic() < ends, f"no {name}"
            time.sleep(0.02)

    def arguments(self, role: str) -> str:
        return (self.root / "ray" / f"{role}.arguments").read_text()


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Cluster]:
    cluster = Cluster(tmp_path, 2)
    yield cluster
    for process in cluster.processes:
        process.kill()
        process.communicate()


def finished(process: subprocess.Popen[str]) -> tuple[int, str]:
    out, _ = process.communicate(timeout=40)
    return process.returncode, out


PRINT = "import os, ray; print('nodes', len(ray.nodes()), os.environ['RAY_ADDRESS'], os.environ['NPROC_PER_NODE'])"


def test_the_command_runs_on_the_head_once_all_nodes_are_there_and_all_end_with_it(pair: Cluster) -> None:
    head, worker = pair.start(0, PRINT), pair.start(1, PRINT)
    code, out = finished(head)
    assert code == 0, out
    port = int(out.partition("localhost:")[2].split()[0])
    assert f"nodes 2 localhost:{port} 4" in out
    assert finished(worker) == (0, "")
    assert f"--head --port={port}" in pair.arguments("head")
    assert f"--dashboard-host=127.0.0.1 --dashboard-port={ray_node.DASHBOARD_PORT} --block" in pair.arguments("head")
    assert pair.arguments("worker").startswith(f"start --address=localhost:{port} --block")
    assert not list((pair.root / "ray").glob("node-*"))


def test_the_commands_exit_code_is_the_attempts(pair: Cluster) -> None:
    head, worker = pair.start(0, "raise SystemExit('loss is nan')"), pair.start(1)
    code, out = finished(head)
    assert (code, "loss is nan" in out) == (1, True)
    assert (pair.root / "message-0").read_text().startswith("Rank 0 exited with code 1: loss is nan.")
    code, out = finished(worker)
    assert code == 1
    assert "the command on the first node of the Ray cluster ended with code 1" in out


def test_a_head_that_is_killed_ends_the_others(pair: Cluster) -> None:
    head = pair.start(
        0, "import pathlib, time, os; pathlib.Path(os.environ['FAKE_RAY'], '../runs').touch(); time.sleep(60)"
    )
    worker = pair.start(1)
    pair.until("runs")
    group = subprocess.run(["pgrep", "-P", str(head.pid)], capture_output=True, text=True, check=True).stdout.split()
    os.kill(int(group[0]), signal.SIGKILL)
    assert finished(head)[0] == 137
    code, out = finished(worker)
    assert (code, "the first node of the Ray cluster is gone" in out) == (ray_node.TEMPORARY, True)


@pytest.mark.parametrize("role", ["head", "worker"])
def test_ray_ending_by_itself_ends_its_node(pair: Cluster, role: str) -> None:
    program = "import pathlib, time, os; pathlib.Path(os.environ['FAKE_RAY'], '../runs').touch(); time.sleep(60)"
    head, worker = pair.start(0, program), pair.start(1)
    pair.until("runs")
    (pair.root / "ray" / f"{role}.dies").touch()
    code, out = finished(head if role == "head" else worker)
    assert code == ray_node.TEMPORARY
    assert "raylet died" in out
    assert "Ray ended by itself on this node" in out
    if role == "head":
        assert finished(worker)[0] == ray_node.TEMPORARY


def test_sigterm_reaches_the_command_and_the_other_nodes_stay_until_it_has_written_its_checkpoint(
    pair: Cluster,
) -> None:
    program = """
import os, pathlib, ray, signal, time
here = pathlib.Path(os.environ["FAKE_RAY"]).parent
def end(*_):
    time.sleep(1)
    (here / "saved").write_text(str(len(ray.nodes())))
    raise SystemExit(0)
signal.signal(signal.SIGTERM, end)
(here / "runs").touch()
time.sleep(60)
"""
    head, worker = pair.start(0, program), pair.start(1)
    pair.until("runs")
    for process in (worker, head):
        process.terminate()
    assert finished(head)[0] == launch.TERMINATED
    assert finished(worker)[0] == launch.TERMINATED
    assert (pair.root / "saved").read_text() == "2"


def test_an_image_without_ray_is_told(pair: Cluster) -> None:
    (pair.root / "bin" / "ray").unlink()
    code, out = finished(pair.start(0, PATH="/nonexistent"))
    assert code == ray_node.AT_FAULT
    assert "the image has no command `ray`" in out
