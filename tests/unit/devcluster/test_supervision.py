import os
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from devcluster import locks, probe, processes, report, supervisor
from devcluster.plan import Check, ComponentStatus
from devcluster.report import ComponentReport


def test_a_component_that_keeps_ending_is_started_less_and_less_often_but_always_again() -> None:
    pauses = [supervisor.backoff(failures) for failures in range(12)]
    assert pauses[:4] == [0.2, 0.2, 0.4, 0.8]
    assert pauses == sorted(pauses) and pauses[-1] == supervisor.LONGEST_BACKOFF


def test_a_log_that_grew_too_long_keeps_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "LOG_LIMIT", 100)
    log = tmp_path / "etcd.log"
    log.write_bytes(b"x" * 100 + b"the end")
    supervisor.trim_log(log)
    assert log.read_bytes() == b"x" * 43 + b"the end"
    supervisor.trim_log(log)
    supervisor.trim_log(tmp_path / "none.log")
    assert log.stat().st_size == 50


def component(name: str, state: report.ComponentState, pid: int | None = 1) -> ComponentReport:
    return ComponentReport(name, state, pid, 0, None, "", 0)


def test_a_cluster_runs_when_all_of_it_is_ready_and_something_watches() -> None:
    ready, starting = component("etcd", "Ready"), component("kubelet", "Starting")
    assert report.overall((ready,), supervised=True) == ("Running", "")
    assert report.overall((ready, starting), supervised=True) == ("Degraded", "kubelet is starting")
    state, message = report.overall((ready,), supervised=False)
    assert state == "Degraded" and "footplate cluster start" in message
    assert report.overall((component("etcd", "Down", None),), supervised=False) == ("Stopped", "")


def test_the_state_of_a_component_follows_its_process() -> None:
    fresh = ComponentStatus(0, 0, restarts=0, ready=False, since=0)
    again = ComponentStatus(0, 0, restarts=2, ready=True, since=0)
    assert report.component_state(fresh, is_alive=False, is_ready=False) == "Down"
    assert report.component_state(again, is_alive=False, is_ready=False) == "Restarting"
    assert report.component_state(again, is_alive=True, is_ready=False) == "Starting"
    assert report.component_state(again, is_alive=True, is_ready=True) == "Ready"


def test_a_probe_answers_and_never_raises(tmp_path: Path) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/ready" else 500)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"127.0.0.1:{server.server_port}"
        assert probe.is_ready(Check("http", address, "/ready"), tmp_path)
        assert not probe.is_ready(Check("http", address, "/other"), tmp_path)
        assert probe.is_ready(Check("tcp", address), tmp_path)
        server.shutdown()
    assert not probe.is_ready(Check("tcp", address), tmp_path)
    assert not probe.is_ready(Check("https", address), tmp_path)
    assert not probe.is_ready(Check("unix", str(tmp_path / "none.sock")), tmp_path)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "some.sock"))
        listening.listen()
        assert probe.is_ready(Check("unix", str(tmp_path / "some.sock")), tmp_path)


def test_only_processes_of_the_cluster_are_ended_and_stubborn_ones_too(tmp_path: Path) -> None:
    stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
    mine = {**os.environ, "FOOTPLATE_CLUSTER": str(tmp_path), "FOOTPLATE_COMPONENT": "etcd"}
    children = [
        subprocess.Popen(
            [sys.executable, "-c", stubborn], env=environment, stdout=subprocess.PIPE, start_new_session=True
        )
        for environment in (mine, dict(os.environ))
    ]
    try:
        for child in children:
            assert child.stdout is not None and child.stdout.readline()
        found = processes.of_cluster(tmp_path)
        assert [(process.pid, process.component, process.leader) for process in found] == [
            (children[0].pid, "etcd", True)
        ]
        processes.end(found, tmp_path, grace=0.1)
        assert children[0].wait(5) == -9
        assert children[1].poll() is None
        assert processes.of_cluster(tmp_path) == []
    finally:
        for child in children:
            child.kill()
            child.wait()
            child.stdout.close()  # type: ignore[union-attr]


def test_a_child_is_known_as_its_component_and_never_as_its_parent(tmp_path: Path) -> None:
    """Between fork and exec it has its parent's environment: tried many times, under a parent of the same cluster."""
    script = f"""
import os, pathlib, subprocess
from devcluster import processes
cluster = pathlib.Path({str(tmp_path)!r})
for _ in range(50):
    child = subprocess.Popen(["sleep", "60"], env={{**os.environ, "FOOTPLATE_COMPONENT": "etcd"}}, start_new_session=True)
    found = processes.of_child(child, cluster, "etcd")
    assert found == processes.read(child.pid, cluster) and found.component == "etcd", found
    child.kill(); child.wait()
    assert processes.of_child(child, cluster, "etcd") is None
"""
    parent = {**os.environ, "FOOTPLATE_CLUSTER": str(tmp_path), "FOOTPLATE_COMPONENT": "supervisor"}
    subprocess.run([sys.executable, "-c", script], env=parent, check=True)


def test_a_lock_is_waited_for_and_survives_its_files_removal(tmp_path: Path) -> None:
    path, order = tmp_path / "lock", list[str]()
    waiting = threading.Event()

    def second() -> None:
        with locks.exclusive(path, waiting.set):
            order.append("second")

    thread = threading.Thread(target=second)
    with locks.exclusive(path):
        thread.start()
        assert waiting.wait(5)
        path.unlink()  # as the deletion of a cluster does
        order.append("first")
    thread.join(5)
    assert order == ["first", "second"] and path.exists()
