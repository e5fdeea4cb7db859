"""The launcher with real processes: variables, output, signals, exit codes, and the wait for the last upload."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from footplate import checkpoint
from footplate.agent import launch

LAUNCH = Path(launch.__file__)


def start(
    tmp_path: Path, script: str, *, launcher: str = "torchrun", python: str = sys.executable, **environment: str
) -> subprocess.Popen[str]:
    program = tmp_path / "program.py"
    program.write_text(script)
    settings = {
        "PATH": os.environ["PATH"],
        "PYTHONUNBUFFERED": "1",
        "FOOTPLATE_TERMINATION_LOG": str(tmp_path / "message"),
        "FOOTPLATE_CHECKPOINT_DIR": str(tmp_path / "checkpoints"),
    }
    return subprocess.Popen(
        [python, str(LAUNCH), "--launcher", launcher, "--", sys.executable, str(program), "--epochs", "3"],
        env={**settings, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str], seconds: float = 30) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=seconds)
    return process.returncode, out, err


def message(tmp_path: Path) -> str:
    return (tmp_path / "message").read_text()


PRINT_VARIABLES = """
import json, os, sys
print(json.dumps({"argv": sys.argv[1:], **{k: v for k, v in os.environ.items() if k.isupper()}}))
"""


def test_torch_processes_get_their_ranks(tmp_path: Path) -> None:
    code, out, _ = finish(
        start(
            tmp_path,
            PRINT_VARIABLES,
            NODE_RANK="1",
            NNODES="2",
            NPROC_PER_NODE="2",
            MASTER_ADDR="localhost",
            MASTER_PORT="29600",
            FOOTPLATE_ATTEMPT="3",
        )
    )
    assert code == 0
    lines = sorted(out.splitlines())
    assert [line[:4] for line in lines] == ["[2] ", "[3] "]
    found = [json.loads(line[4:]) for line in lines]
    assert found[0]["argv"] == ["--epochs", "3"]
    names = [
        "RANK",
        "LOCAL_RANK",
        "WORLD_SIZE",
        "LOCAL_WORLD_SIZE",
        "GROUP_RANK",
        "MASTER_ADDR",
        "MASTER_PORT",
        "NNODES",
        "NPROC_PER_NODE",
        "NODE_RANK",
    ]
    assert [found[1][name] for name in names] == ["3", "1", "4", "2", "1", "localhost", "29600", "2", "2", "1"]
    assert (found[0]["TORCHELASTIC_RESTART_COUNT"], found[0]["OMP_NUM_THREADS"]) == ("2", "1")


def test_jax_processes_get_their_coordinator(tmp_path: Path) -> None:
    code, out, _ = finish(
        start(
            tmp_path,
            PRINT_VARIABLES,
            launcher="jax",
            NODE_RANK="0",
            NNODES="1",
            NPROC_PER_NODE="2",
            MASTER_ADDR="node-0",
        )
    )
    assert code == 0
    found = [json.loads(line[4:]) for line in sorted(out.splitlines())]
    assert [one["JAX_PROCESS_ID"] for one in found] == ["0", "1"]
    assert (found[0]["JAX_COORDINATOR_ADDRESS"], found[0]["JAX_NUM_PROCESSES"]) == ("node-0:29500", "2")


def test_one_process_is_one_process_without_prefix(tmp_path: Path) -> None:
    code, out, _ = finish(start(tmp_path, "import os; print('rank', os.environ['RANK'], os.environ['WORLD_SIZE'])"))
    assert (code, out) == (0, "rank 0 1\n")


def test_lines_stay_whole_and_progress_bars_become_lines(tmp_path: Path) -> None:
    script = """
import sys
for n in range(300):
    sys.stdout.write(f"{n} " + "x" * 200 + "\\n")
sys.stdout.write("10%\\r50%\\r100%\\n"); sys.stdout.flush()
sys.stderr.write("no newline at the end")
"""
    code, out, _ = finish(start(tmp_path, script, NPROC_PER_NODE="4"))
    assert code == 0
    lines = out.splitlines()
    assert len(lines) == 4 * 304
    for rank in range(4):
        own = [line[4:] for line in lines if line.startswith(f"[{rank}] ")]
        assert own[:300] == [f"{n} " + "x" * 200 for n in range(300)]
        assert own[300:] == ["10%", "50%", "100%", "no newline at the end"]


def test_a_failing_process_ends_the_others_and_gives_its_code(tmp_path: Path) -> None:
    script = """
import os, time
if os.environ["RANK"] == "1":
    raise SystemExit(7) if os.environ.get("QUIET") else ValueError("shapes do not match")
time.sleep(60)
"""
    started = time.monotonic()
    code, _, err = finish(start(tmp_path, script, NPROC_PER_NODE="3", QUIET="1"))
    assert code == 7
    assert "rank 1 exited with code 7: stopping the other processes" in err
    assert time.monotonic() - started < 8
    code, _, _ = finish(start(tmp_path, script, NPROC_PER_NODE="3"))
    assert code == 1
    said = message(tmp_path).splitlines()
    assert said[0] == "Rank 1 exited with code 1: ValueError: shapes do not match."
    assert said[1] == "Traceback (most recent call last):", "the controllers tell from it why it failed"


def test_a_process_that_ignores_sigterm_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    short = tmp_path / "launch.py"
    short.write_text(LAUNCH.read_text().replace("STOP_SECONDS = 10.0", "STOP_SECONDS = 1.0"))
    monkeypatch.setattr(sys.modules[__name__], "LAUNCH", short)
    script = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
time.sleep(0.3 if os.environ["RANK"] == "0" else 60)
raise SystemExit(3)
"""
    code, _, _ = finish(start(tmp_path, script, NPROC_PER_NODE="2"), 15)
    assert code == 3


def test_a_killed_process_has_a_shells_code(tmp_path: Path) -> None:
    code, _, _ = finish(start(tmp_path, "import os; os.kill(os.getpid(), 9)", NPROC_PER_NODE="2"))
    assert code == 137
    assert "was killed by SIGKILL (" in message(tmp_path)


def test_the_agent_can_read_which_processes_are_the_ranks(tmp_path: Path) -> None:
    script = "import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(3)"
    run = tmp_path / "run"
    code, out, _ = finish(
        start(
            tmp_path,
            script,
            NPROC_PER_NODE="2",
            NODE_RANK="1",
            NNODES="2",
            MASTER_ADDR="localhost",
            FOOTPLATE_RUN_DIR=str(run),
        )
    )
    assert code == 0
    pids = {line.split()[0].strip("[]"): int(line.split()[1]) for line in out.splitlines()}
    ranks = json.loads((run / "ranks.json").read_text())
    assert {rank: found["pid"] for rank, found in ranks.items()} == pids
    assert set(ranks) == {"2", "3"}
    assert all(found["output"] > 0 for found in ranks.values()), "when each last printed"


@pytest.mark.parametrize(
    ("name", "text"),
    [("memory.events", "low 0\noom 2\noom_kill 3\n"), ("memory/memory.oom_control", "under_oom 0\noom_kill 3\n")],
)
def test_what_the_kernel_killed_for_memory_is_counted_by_the_control_group(
    tmp_path: Path, name: str, text: str
) -> None:
    assert launch.memory_kills(str(tmp_path)) is None
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(text)
    assert launch.memory_kills(str(tmp_path)) == 3
    assert launch.outcome(137, True) == "was killed by SIGKILL (out of memory)"
    assert launch.outcome(137, False) == "was killed by SIGKILL (not for memory)"


def test_a_long_last_message_keeps_its_first_line_and_its_end() -> None:
    text = launch.shortened("Rank 1 exited with code 1.\n" + "\n".join(f"line {n}" for n in range(2000)))
    assert text.startswith("Rank 1 exited with code 1.\nline ")
    assert text.endswith("line 1999")
    assert len(text.encode()) <= 4096


ON_SIGTERM = """
import signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])  # a data loader
def stop(*_):
    assert child.poll() is None, "the data loader was ended too"
    child.kill()
    print("checkpoint written", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
print("ready", flush=True)
time.sleep(60)
"""


def test_sigterm_reaches_the_processes_and_not_what_they_started(tmp_path: Path) -> None:
    process = start(tmp_path, ON_SIGTERM, NPROC_PER_NODE="2")
    assert process.stdout is not None
    assert sorted(process.stdout.readline() for _ in range(2)) == ["[0] ready\n", "[1] ready\n"]
    process.send_signal(signal.SIGTERM)
    code, out, _ = finish(process)
    assert out.count("checkpoint written") == 2
    assert code == 143


def test_what_a_process_leaves_behind_is_ended(tmp_path: Path) -> None:
    script = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(child.pid)
"""
    code, out, _ = finish(start(tmp_path, script))
    assert code == 0
    with pytest.raises(ProcessLookupError):
        for _ in range(100):
            os.kill(int(out), 0)
            if Path(f"/proc/{int(out)}/stat").read_text().split()[2] == "Z":
                raise ProcessLookupError
            time.sleep(0.05)


@pytest.mark.parametrize(
    ("arguments", "environment", "sentence"),
    [
        (["--launcher", "mpi", "--", "python3"], {}, "There is no launcher 'mpi': use torchrun, jax, ray or none."),
        (["--launcher", "torchrun", "--"], {}, "No command was given after --."),
        (["--launcher", "torchrun", "--", "no-such-program"], {}, "Cannot start 'no-such-program': No such file or directory."),
        (["--launcher", "torchrun", "--", "true"], {"NNODES": "two"}, "NNODES is 'two': a number of at least 1 is needed."),
        (["--launcher", "torchrun", "--", "true"], {"NODE_RANK": "2", "NNODES": "2"}, "NODE_RANK is 2 and there are 2 nodes (NNODES)."),
    ],
)  # fmt: skip
def test_what_cannot_be_launched(
    tmp_path: Path, arguments: list[str], environment: dict[str, str], sentence: str
) -> None:
    settings = {"PATH": os.environ["PATH"], "FOOTPLATE_TERMINATION_LOG": str(tmp_path / "message"), **environment}
    done = subprocess.run(
        [sys.executable, str(LAUNCH), *arguments], env=settings, capture_output=True, text=True, check=False
    )
    assert done.returncode == 64
    assert done.stderr == f"footplate: {sentence}\n"
    assert message(tmp_path) == sentence


def test_the_first_node_is_waited_for_within_a_bound(tmp_path: Path) -> None:
    node = launch.Node({"NNODES": "2", "MASTER_ADDR": "no-such-node.invalid"})
    with pytest.raises(launch.LaunchError, match="could not be found within") as error:
        launch.find_first_node(node, launch.Stop(), seconds=0.5)
    assert error.value.code == 75


def commit(tmp_path: Path, step: int) -> tuple[str, int]:
    with checkpoint.saving(step, where=tmp_path / "checkpoints") as directory:
        (directory / "state.pt").write_text("x")
    marker = tmp_path / "checkpoints" / checkpoint.step_name(step) / ".commit-0-of-1"
    return f"{checkpoint.step_name(step)}/{marker.name}", marker.stat().st_mtime_ns


def tell(tmp_path: Path, settled: dict[str, int], error: str | None = None, enabled: bool = True) -> None:
    state = {"enabled": enabled, "uploading": None, "settled": settled, "error": error}
    (tmp_path / "checkpoints" / checkpoint.SYNC_STATE).write_text(json.dumps(state))


def test_success_waits_for_the_upload(tmp_path: Path) -> None:
    path, time_ns = commit(tmp_path, 10)
    tell(tmp_path, {path: time_ns - 1})  # of an earlier save of the same step
    process = start(tmp_path, "pass")
    assert process.stderr is not None
    assert process.stderr.readline() == "footplate: waiting for the upload of step-000000000010\n"
    assert (tmp_path / "checkpoints" / checkpoint.FINISHED).exists()
    assert process.poll() is None
    tell(tmp_path, {path: time_ns})
    assert finish(process)[0] == 0


def test_an_upload_that_does_not_end_is_a_temporary_failure(tmp_path: Path) -> None:
    commit(tmp_path, 10)
    tell(tmp_path, {}, error="The object store of s3://b does not answer: refused.")
    code, _, _ = finish(start(tmp_path, "pass", FOOTPLATE_SYNC_SECONDS="0.5"))
    assert code == 75
    assert "step-000000000010 could not be uploaded within 0 s: The object store" in message(tmp_path)


def test_no_checkpoint_or_no_uri_means_no_wait(tmp_path: Path) -> None:
    assert finish(start(tmp_path, "pass"), 5)[0] == 0
    commit(tmp_path, 10)
    tell(tmp_path, {}, enabled=False)
    assert finish(start(tmp_path, "pass"), 5)[0] == 0


@pytest.mark.parametrize("version", ["3.8", "3.9", "3.13"])
def test_it_runs_with_the_python_of_old_and_new_images(version: str, tmp_path: Path) -> None:
    candidates = [
        shutil.which(f"python{version}"),
        *map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/python")),
    ]
    works = [
        c for c in candidates if c and subprocess.run([c, "-c", ""], capture_output=True, check=False).returncode == 0
    ]
    if not works:
        pytest.skip(f"no Python {version} on this machine")
    commit(tmp_path, 10)
    tell(tmp_path, {}, enabled=False)
    code, out, err = finish(start(tmp_path, "print('hello')", python=works[-1], NPROC_PER_NODE="2"))
    assert (code, out) == (0, "[0] hello\n[1] hello\n") or out == "[1] hello\n[0] hello\n", err


def test_as_the_first_process_it_reaps_orphans_and_obeys_sigterm(tmp_path: Path) -> None:
    """In a PID namespace of its own, as in a container."""
    if os.geteuid() != 0:
        pytest.skip("a PID namespace needs root")
    script = """
import os, signal, subprocess, sys, time
for _ in range(20):
    subprocess.run(["sh", "-c", "sleep 0.05 &"])
time.sleep(1)
states = [open(f"/proc/{p}/stat").read().split()[2] for p in os.listdir("/proc") if p.isdigit()]
print("zombies", states.count("Z"), flush=True)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
time.sleep(60)
"""
    program = tmp_path / "program.py"
    program.write_text(script)
    process = subprocess.Popen(
        ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable, str(LAUNCH), "--launcher",
         "torchrun", "--", sys.executable, str(program)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={"PATH": os.environ["PATH"], "FOOTPLATE_TERMINATION_LOG": str(tmp_path / "message")},
    )  # fmt: skip
    watchdog = threading.Timer(30, process.kill)
    watchdog.start()
    assert process.stdout is not None
    assert process.stdout.readline() == "zombies 0\n"
    child = int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0])
    os.kill(child, signal.SIGTERM)
    assert finish(process)[0] == 143
    watchdog.cancel()


def test_what_does_not_heed_sigterm_is_killed_when_its_grace_is_over(tmp_path: Path) -> None:
    script = (
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('ready', flush=True)\ntime.sleep(60)"
    )
    process = start(tmp_path, script, FOOTPLATE_GRACE_SECONDS="1")
    assert process.stdout is not None
    assert "ready" in process.stdout.readline()
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    code, _, _ = finish(process)
    assert code in (137, 143)
    assert time.monotonic() - began < 30


def test_a_program_of_no_launcher_runs_as_it_is_and_its_output_is_kept(tmp_path: Path) -> None:
    run = tmp_path / "run"
    script = "import os, sys; print(os.environ.get('RANK'), os.environ['NPROC_PER_NODE']); sys.exit(3)"
    process = start(tmp_path, script, launcher="none", NPROC_PER_NODE="4", NODE_RANK="1", NNODES="2",
                    MASTER_ADDR="not.there", FOOTPLATE_RUN_DIR=str(run))  # fmt: skip
    code, out, _ = finish(process)
    assert (code, out) == (3, "None 4\n")
    kept = (run / "logs" / "rank-1" / f"{0:015d}.log").read_text()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z None 4\n", kept)
    assert "rank 1 exited with code 3" in (run / "logs" / "node-1" / f"{0:015d}.log").read_text().lower()
    assert message(tmp_path).startswith("Rank 1 exited with code 3")


def test_a_program_of_no_launcher_that_is_not_there_ends_as_in_a_shell(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "FOOTPLATE_TERMINATION_LOG": str(tmp_path / "message")}
    found = subprocess.run(
        [sys.executable, str(LAUNCH), "--launcher", "none", "--", "no-such-program"], env=environment, check=False
    )
    assert found.returncode == 127
    assert "no-such-program" in message(tmp_path)


def test_training_goes_on_where_its_output_cannot_be_kept(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("in the way")
    code, out, err = finish(start(tmp_path, "print('hello')", FOOTPLATE_RUN_DIR=str(tmp_path / "run")))
    assert (code, out) == (0, "hello\n")
    assert err.count("some of the output is not kept") == 1
