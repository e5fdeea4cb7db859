"""What counts as work, as a table of processes that people really leave behind."""

from dataclasses import replace
from pathlib import Path

import pytest

from footplate.agent.workspace.gpus import Simulated
from footplate.agent.workspace.observer import Sighted
from footplate.agent.workspace.processes import Process, descendants, snapshot
from footplate.agent.workspace.server import Kernel, Said, executing
from footplate.agent.workspace.work import Roots, Work, of_agent, program, work

FIRST, SERVER, OBSERVER, KERNEL = 1, 7, 8, 20
ROOTS = Roots(frozenset({FIRST, OBSERVER}), SERVER, {KERNEL: "analysis.ipynb"})


def process(pid: int, *arguments: str, parent: int = FIRST, **more: object) -> Process:
    plain = Process(pid, parent, pid, pid, -1, -1, 100, 0.0, 0, False, arguments)
    return replace(plain, **more)  # pyright: ignore[reportArgumentType]


def looked(*after: Process, before: tuple[Process, ...] | None = None, seconds: float = 10.0) -> Work:
    """The server, its kernel and the agent are there in both looks."""
    always = (
        process(FIRST, "python3", "-I", "footplate-agent", parent=0),
        process(SERVER, "python3", "/opt/footplate/bin/jupyter-lab", cpu=3.0, written=9_000),
        process(OBSERVER, "python3", "-m", "footplate.agent.workspace.observer", cpu=1.0),
    )
    former = before if before is not None else tuple(replace(p, cpu=0.0, written=0) for p in after)
    return work({p.pid: p for p in (*always, *former)}, {p.pid: p for p in (*always, *after)}, seconds, ROOTS)


def in_terminal(pid: int, *arguments: str, shown: bool = True, **more: object) -> Process:
    return process(pid, *arguments, terminal=0, session=30, foreground=pid if shown else 30, parent=30, **more)


SHELL = process(30, "/bin/bash", "-l", parent=SERVER, terminal=0, session=30, group=30, foreground=30)
BUSY = {"cpu": 5.0}
EXTENSIONS = "/home/footplate/.local/share/code-server/extensions"
HOST = process(
    70, "/opt/code-server/bin/node", "/opt/code-server/out/bootstrap-fork", "--type=extensionHost", cpu=0.3, written=99
)

ROWS = (
    ("a prompt", (SHELL,), None),
    ("a silent program in front", (in_terminal(31, "sleep", "3600"),), "sleep 3600 runs in a terminal"),
    ("one that runs a script", (in_terminal(31, "bash", "run.sh"),), "bash run.sh runs in a terminal"),
    ("tail", (in_terminal(31, "tail", "-f", "log"),), None),
    ("watch", (in_terminal(31, "watch", "nvidia-smi", cpu=0.5),), None),
    ("an editor", (in_terminal(31, "vim", "train.py"),), None),
    ("a Python prompt", (in_terminal(31, "python3"),), None),
    ("a Python prompt that computes", (in_terminal(31, "python3", **BUSY),), "python3 computes in a terminal"),
    ("IPython's prompt", (in_terminal(31, "/opt/footplate/bin/python3", "/opt/bin/ipython"),), None),
    ("an inner shell", (in_terminal(31, "bash"),), None),
    ("tmux' server", (process(40, "tmux: server"), process(41, "tmux", "new")), None),
    ("a job behind the prompt", (in_terminal(31, "make", shown=False, **BUSY),), "make runs in the background"),
    ("a job behind the prompt that sleeps", (in_terminal(31, "sleep", "9", shown=False),), None),
    ("nohup that computes", (process(50, "python3", "train.py", **BUSY),), "python3 train.py runs in the background"),
    ("nohup that only writes", (process(50, "sh", "job.sh", written=10),), "sh job.sh runs in the background"),
    ("a server that waits", (process(50, "python3", "-m", "http.server"),), None),
    ("TensorBoard", (process(50, "python3", "/opt/bin/tensorboard", "--logdir", "x", **BUSY),), None),
    ("a kernel at rest", (process(KERNEL, "python3", "-m", "ipykernel", parent=SERVER, cpu=0.2),), None),
    (
        "a kernel's thread",
        (process(KERNEL, "python3", "-m", "ipykernel", parent=SERVER, **BUSY),),
        "analysis.ipynb computes in the background",
    ),
    ("a kernel's child", (process(60, "ffmpeg", parent=KERNEL, **BUSY),), "ffmpeg runs in the background"),
    ("a language server", (process(61, "pylsp", parent=SERVER, cpu=0.1, written=99),), None),
    ("VS Code with an open tab", (HOST, process(71, "/usr/bin/git", "status", parent=70, cpu=0.1)), None),
    ("VS Code's language server", (process(72, "node", f"{EXTENSIONS}/pyright/server.js", parent=70, cpu=0.2),), None),
    ("an extension that computes", (replace(HOST, cpu=5.0),), "node /opt/code-server/out/bootstrap-fork"),
    ("a prompt in VS Code", (HOST, in_terminal(73, "/bin/bash", "--init-file", "/opt/code-server/sh.sh")), None),
    ("a script in VS Code", (HOST, in_terminal(73, "python3", "train.py")), "python3 train.py runs in a terminal"),
    ("a kernel of VS Code", (HOST, process(74, "python3", "-m", "ipykernel_launcher", parent=70, cpu=0.1)), "python3 -m ipykernel"),
    ("a zombie", (process(62, "gone", zombie=True, **BUSY),), None),
    ("a look from outside", (process(63, "python3", "-I", "-m", "footplate.agent.workspace.top", **BUSY),), None),
)  # fmt: skip


@pytest.mark.parametrize(("after", "reason"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_what_counts(after: tuple[Process, ...], reason: str | None) -> None:
    found = looked(*after).reasons
    if reason is None:
        assert found == frozenset()
    else:
        (text,) = found
        assert text.startswith(reason)


def test_what_does_not_count_is_said() -> None:
    assert looked(in_terminal(31, "tail", "-f", "log")).passive == {"tail -f log only watches or waits"}
    assert looked(SHELL).passive == frozenset()


def test_what_begins_is_work_and_a_pid_that_is_given_again_is_something_else() -> None:
    new = process(70, "curl", "x")
    assert looked(new, before=()).reasons == {"curl x runs in the background"}
    former = replace(new, started=5, cpu=9.0)
    assert looked(new, before=(former,)).reasons == {"curl x runs in the background"}


def test_names_of_programs() -> None:
    assert program(process(1, "-bash")) == "bash"
    assert program(process(1, "/usr/bin/python3.11", "-m", "tensorboard")) == "python"
    assert program(process(1, "tmux: server")) == "tmux"


def test_long_and_odd_commands_are_shown_as_text() -> None:
    (found,) = looked(in_terminal(31, "python3", "x\x1b[31m\n" + "y" * 300)).reasons
    assert found.isprintable()
    assert len(found) < 90


def test_processes_are_read_from_proc() -> None:
    found = snapshot()
    assert found[1].parent == 0
    assert any("pytest" in " ".join(p.arguments) for p in found.values())
    assert 1 in descendants(found, {1})
    assert of_agent(found, 1, 1) >= {1}


def test_a_dead_kernel_does_not_execute_whatever_the_server_says() -> None:
    said = Said((Kernel("a", "busy", 5), Kernel("b", "idle", 6), Kernel("c", "dead", 7), Kernel("d", "busy", 8)))
    assert executing(said, {5: None, 6: None, 7: None}) == {"a"}


def test_a_simulated_gpu_says_the_load_that_it_was_told(tmp_path: Path) -> None:
    file = tmp_path / "load.json"
    gpus = Simulated(file, ["GPU-a", "GPU-b"])
    assert gpus.load() == {"GPU 0": 0, "GPU 1": 0}
    file.write_text('{"GPU-b": 70, "GPU-c": 90}')
    assert gpus.load() == {"GPU 0": 0, "GPU 1": 70}


def test_a_reason_lasts_for_a_while_and_the_idle_span_is_exact() -> None:
    seen = Sighted(began=0.0)
    assert seen.report("a", 1, 20.0, 300.0, "").idle is None, "it has seen nothing yet"
    seen.see("make runs", 30.0)
    found = seen.report("a", 2, 100.0, 300.0, "")
    assert (found.reasons, found.idle, found.age) == (("make runs",), 70.0, 100.0)
    assert seen.report("a", 3, 331.0, 300.0, "").reasons == ()
