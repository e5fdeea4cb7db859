"""What a real JupyterLab in a real pod is kept or stopped for, and the reason that people read. Time is compressed by
the platform's settings: minutes are seconds."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import pytest

from devcluster import cluster
from footplate.api import Workspace
from footplate.api.workspace import WorkspacePhase
from tests.conftest import NodeCluster
from tests.node.workspaces.conftest import PATIENCE, Jupyter, Workspaces

pytestmark = pytest.mark.timeout(900)

AGENT = "-f 'footplate.agent.workspace.observe[r]'"


async def nohup(jupyter: Jupyter) -> None:
    name = await jupyter.type("nohup sh -c 'while :; do echo step; sleep 1; done' > log 2>&1 &", "exit")
    with suppress(AssertionError):  # it may have closed itself
        await jupyter.api("DELETE", f"terminals/{name}")


async def tmux(jupyter: Jupyter) -> None:
    await jupyter.type("tmux new-session -d -s work 'sleep 1800'", "exit")


async def terminal(jupyter: Jupyter) -> None:
    await jupyter.type("sleep 1800")


async def child_of_a_kernel(jupyter: Jupyter) -> None:
    await jupyter.run(
        await jupyter.kernel(), "import subprocess; subprocess.Popen(['sh', '-c', 'while :; do :; done'])"
    )


async def silent_cell(jupyter: Jupyter) -> None:
    await jupyter.run(await jupyter.kernel(), "import time; time.sleep(1800)")


#: What keeps a workspace, the reason that is shown, and what ends it.
KEPT: tuple[tuple[Callable[[Jupyter], Awaitable[None]], str, str], ...] = (
    (nohup, "while :; do echo step; sleep 1; done runs in the background", "pkill -f 'echo ste[p]'"),
    (tmux, "sleep 1800 runs in a terminal", "pkill sleep"),
    (terminal, "sleep 1800 runs in a terminal", "pkill sleep"),
    (child_of_a_kernel, "sh -c while :; do :; done runs in the background", "pkill -f 'do [:]; done'"),
    (silent_cell, "a kernel runs", ""),
)


async def open_tab(jupyter: Jupyter) -> None:
    """As JupyterLab has it: a kernel's socket, and questions all the time."""
    async with jupyter.channels(await jupyter.kernel()):
        while True:
            for path in ("kernels", "sessions", "terminals", "contents?content=0", "status"):
                await jupyter.api("GET", path)
            await asyncio.sleep(1.0)


async def dead_kernel(jupyter: Jupyter) -> None:
    spec = '{"argv": ["sh", "-c", "sleep 0.2; exit 1"], "display_name": "Broken", "language": "none"}'
    where = ".local/share/jupyter/kernels/broken"
    await jupyter.sh(f"mkdir -p {where} && echo '{spec}' > {where}/kernel.json")
    await jupyter.kernel("broken")


def state(name: str, reason: str = "") -> Callable[[Workspace], bool]:
    def judge(ws: Workspace) -> bool:
        found = ws.status.activity
        return found is not None and found.state == name and any(reason in text for text in found.reasons)

    return judge


def stopped(ws: Workspace) -> bool:
    return ws.status.phase is WorkspacePhase.STOPPED


async def test_the_matrix(workspaces: Workspaces, node_cluster: NodeCluster) -> None:
    place = workspaces.place
    await workspaces.start(
        "kept", "quiet", "blocked", "gpu", gpu={"resources": {"cpu": "100m", "memory": "512Mi", "gpu": {}}}
    )

    # A GPU that computes while no process does.
    gpu = await workspaces.enter("gpu")
    device = await gpu.sh("printenv NVIDIA_VISIBLE_DEVICES")
    index = next(
        g.index for g in cluster.gpus(node_cluster.name, environment=node_cluster.environment) if g.id == device
    )
    cluster.show_gpu_load(node_cluster.name, [index], 80, environment=node_cluster.environment)

    # An agent that does not come through: unknown, which is said, and is not idle.
    blocked = await workspaces.enter("blocked")
    await blocked.sh(f"pkill -STOP {AGENT}")

    # All of this together is no activity: an open tab, a viewer, a dead kernel, an agent that is killed again and again.
    quiet = await workspaces.enter("quiet")
    tab = asyncio.create_task(open_tab(quiet))
    await quiet.type("touch log; tail -f log")
    await dead_kernel(quiet)

    async def quiet_stops() -> Workspace:
        for _ in range(3):
            await quiet.sh(f"pkill -KILL {AGENT} || true")  # it may be about to be started again
            await asyncio.sleep(3.0)
        return await place.until_workspace("quiet", stopped, PATIENCE)

    stops = asyncio.create_task(quiet_stops())
    try:
        kept = await workspaces.enter("kept")
        for act, reason, end in KEPT:
            await act(kept)
            await place.until_workspace("kept", state("Active", reason), PATIENCE)
            if end:
                await kept.sh(f"{end} || true")
                await kept.end_kernels()
                await place.until_workspace("kept", state("Idle"), PATIENCE)
        ws = await stops
    finally:
        for task in (tab, stops):
            task.cancel()
        await asyncio.gather(tab, stops, return_exceptions=True)
    assert (ws.status.message or "").startswith("It was stopped: it had been idle since")

    await asyncio.sleep(30.0)  # longer than an idle one is let
    for name, wanted in (
        ("kept", state("Active", "a kernel runs")),
        ("gpu", state("Active", "GPU 0 computes")),
        ("blocked", state("Unknown", "its agent does not report")),
    ):
        ws = await place.until_workspace(name, wanted, 1.0)
        assert ws.status.phase is WorkspacePhase.RUNNING, name

    # What comes back says what it is, and what no longer computes is idle.
    await blocked.sh(f"pkill -CONT {AGENT}")
    cluster.show_gpu_load(node_cluster.name, [index], 0, environment=node_cluster.environment)
    for name in ("blocked", "gpu"):
        await place.until_workspace(name, stopped, PATIENCE)
