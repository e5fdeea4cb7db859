"""One small process per cluster that keeps its components running: `python -m devcluster.supervisor DIRECTORY`.

Concurrency: one asyncio loop, one task a component. A task waits until what it comes after is ready, takes over the
running process of its component if there is one (a supervisor that was killed leaves its components running), else
starts one, then waits on the process's pidfd. An exit is followed by another start after a back-off that doubles from
0.2 s to 10 s and is forgotten after half a minute of running.

SIGHUP reads the plan again: components whose digest changed are restarted, those no longer planned are ended, and those
that wait out a back-off start at once. SIGTERM ends all components, those that others come after last, and the supervisor.

A second process, `devcluster.sentinel`, waits for the supervisor's death and becomes the supervisor, in the same
namespaces; the supervisor starts another sentinel when its own dies. Killing both at once leaves the components to the
next `start`.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import msgspec

from devcluster import isolation, probe, processes
from devcluster.paths import ClusterPaths
from devcluster.plan import Component, ComponentStatus, Plan, Status, write_atomically
from devcluster.processes import SENTINEL, SUPERVISOR, Process

FIRST_BACKOFF = 0.2
LONGEST_BACKOFF = 10.0
STEADY_AFTER = 30.0
PROBE_INTERVAL = 0.1
LOG_LIMIT = 64 << 20

logger = logging.getLogger("devcluster.supervisor")


def backoff(failures: int) -> float:
    """Seconds before the next start after so many quick exits in a row."""
    return min(LONGEST_BACKOFF, FIRST_BACKOFF * 2 ** min(failures - 1, 16)) if failures else FIRST_BACKOFF


def stop_tiers(components: Iterable[Component]) -> list[list[Component]]:
    """Who is ended together: what nothing else comes after first, what all come after last."""
    remaining = list(components)
    tiers: list[list[Component]] = []
    while remaining:
        needed = {name for component in remaining for name in component.after}
        tier = [component for component in remaining if component.name not in needed] or remaining
        tiers.append(tier)
        remaining = [component for component in remaining if component not in tier]
    return tiers


class Supervised:
    """One component of the plan and its process."""

    def __init__(self, component: Component, paths: ClusterPaths, changed: asyncio.Event) -> None:
        self.component: Component = component
        self.process: Process | None = None
        self.ready: asyncio.Event = asyncio.Event()
        self.nudged: asyncio.Event = asyncio.Event()
        self.restarts: int = 0
        self.last_exit: str = ""
        self.since: float = 0.0
        self._paths: ClusterPaths = paths
        self._changed: asyncio.Event = changed
        self._children: dict[int, subprocess.Popen[bytes]] = {}

    def status(self) -> ComponentStatus:
        pid, ticks = (self.process.pid, self.process.start_ticks) if self.process else (0, 0)
        return ComponentStatus(pid, ticks, self.restarts, self.ready.is_set(), self.since, self.last_exit)

    async def run(self, others: dict[str, Supervised]) -> None:
        failures = 0
        while True:
            for name in self.component.after:
                if name in others:
                    await others[name].ready.wait()
            started = time.monotonic()
            self.process = self._running() or self._spawn()
            self._changed.set()
            if self.process is not None:
                await self._until_exit(self.process)
            self.process = None
            self.ready.clear()
            self._changed.set()
            failures = 0 if time.monotonic() - started > STEADY_AFTER else failures + 1
            self.restarts += 1
            self.nudged.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.nudged.wait(), backoff(failures))

    async def replan(self, component: Component) -> None:
        """Restart the process if it was started from another plan; its task starts it again."""
        self.component = component
        self.nudged.set()
        if self.process is not None and self.process.plan != component.digest():
            logger.info("%s: its plan changed; restarting", component.name)
            self.ready.clear()
            await self.end_process()

    async def end_process(self) -> None:
        process = self.process
        if process is not None:
            await asyncio.to_thread(processes.end, [process], self._paths.root, self.component.stop_seconds)
            if child := self._children.pop(process.pid, None):
                child.poll()

    def _running(self) -> Process | None:
        """A process left by an earlier supervisor: the newest is taken over, any other is ended."""
        found = [p for p in processes.of_cluster(self._paths.root) if p.leader and p.component == self.component.name]
        wanted = self.component.digest()
        found.sort(key=lambda process: process.start_ticks)
        keep = found.pop() if found and found[-1].plan == wanted else None
        processes.end(found, self._paths.root, self.component.stop_seconds)
        if keep is not None:
            logger.info("%s: took over process %d", self.component.name, keep.pid)
            self.since = processes.started_at(keep)
        return keep

    def _spawn(self) -> Process | None:
        component = self.component
        environment = {
            "PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/bin:/bin",
            "HOME": os.environ.get("HOME", "/"),
            "LANG": "C.UTF-8",
            **component.environment,
            processes.CLUSTER_VARIABLE: str(self._paths.root),
            processes.COMPONENT_VARIABLE: component.name,
            processes.PLAN_VARIABLE: component.digest(),
        }
        log = self._paths.log(component.name)
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("ab") as output:
                child = subprocess.Popen(
                    component.command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=environment,
                    cwd="/",
                    start_new_session=True,
                )
        except OSError as error:
            self.last_exit = f"could not be started: {error}"
            logger.error("%s: %s", component.name, self.last_exit)
            return None
        self.since = time.time()
        process = processes.of_child(child, self._paths.root, component.name)
        if process is None:
            self._note_exit(child.pid, child.wait())
        else:
            self._children[child.pid] = child
            logger.info("%s: started process %d", component.name, child.pid)
        return process

    async def _until_exit(self, process: Process) -> None:
        readiness = asyncio.create_task(self._watch_readiness())
        try:
            await _exit_of(process, self._paths.root)
        finally:
            readiness.cancel()
        child = self._children.pop(process.pid, None)
        self._note_exit(process.pid, child.wait() if child else None)

    def _note_exit(self, pid: int, code: int | None) -> None:
        """The code of a process that an earlier supervisor started is not known."""
        self.last_exit = "exited" if code is None else f"signal {-code}" if code < 0 else f"exit code {code}"
        logger.warning("%s: process %d ended (%s)", self.component.name, pid, self.last_exit)

    async def _watch_readiness(self) -> None:
        check = self.component.check
        ready = check is None
        while check is not None and not ready:
            ready = await asyncio.to_thread(probe.is_ready, check, self._paths.pki)
            if not ready:
                await asyncio.sleep(PROBE_INTERVAL)
        logger.info("%s: ready after %.1f s", self.component.name, time.time() - self.since)
        self.ready.set()
        self._changed.set()


class Supervisor:
    def __init__(self, paths: ClusterPaths) -> None:
        self._paths: ClusterPaths = paths
        self._changed: asyncio.Event = asyncio.Event()
        self._components: dict[str, Supervised] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._digests: dict[str, str] = {}
        self._stop: asyncio.Event = asyncio.Event()
        self._reloading: asyncio.Lock = asyncio.Lock()
        self._reloads: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload_soon)
        sentinel = asyncio.create_task(self._keep_sentinel())
        reporter = asyncio.create_task(self._report())
        await self._load_plan()
        await self._stop.wait()
        for task in (sentinel, reporter, *self._reloads):
            task.cancel()
        self._end_sentinels()
        for tier in stop_tiers(known.component for known in self._components.values()):
            await asyncio.gather(*(self._end(component.name) for component in tier))
        self._paths.status.unlink(missing_ok=True)

    def _reload_soon(self) -> None:
        task = asyncio.create_task(self._load_plan())
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)

    async def _load_plan(self) -> None:
        async with self._reloading:
            plan = read_plan(self._paths)
            wanted = {component.name: component for component in plan.components}
            kept = {*wanted, SENTINEL, SUPERVISOR}
            stale = [p for p in processes.of_cluster(self._paths.root) if p.leader and p.component not in kept]
            await asyncio.gather(*(self._end(name) for name in [*self._components] if name not in wanted))
            await asyncio.to_thread(processes.end, stale, self._paths.root, 5.0)
            for name, component in wanted.items():
                if known := self._components.get(name):
                    await known.replan(component)
                else:
                    added = self._components[name] = Supervised(component, self._paths, self._changed)
                    self._tasks[name] = asyncio.create_task(added.run(self._components))
            self._digests = plan.digests()
            self._changed.set()

    async def _end(self, name: str) -> None:
        task = self._tasks.pop(name)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await self._components.pop(name).end_process()
        logger.info("%s: ended", name)

    async def _report(self) -> None:
        """Write the status file when something changed; keep logs of long-running clusters bounded."""
        while True:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), 60)
            self._changed.clear()
            status = Status(self._digests, {name: known.status() for name, known in self._components.items()})
            try:
                for name in [*self._components, SUPERVISOR]:
                    trim_log(self._paths.log(name))
                write_atomically(self._paths.status, msgspec.json.encode(status))
            except OSError as error:  # a full disk must not end the supervision
                logger.error("the status could not be written: %s", error)
                await asyncio.sleep(1)
                self._changed.set()
            await asyncio.sleep(0.05)

    async def _keep_sentinel(self) -> None:
        while True:
            await asyncio.to_thread(self._end_sentinels)
            sentinel = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "devcluster.sentinel",
                str(self._paths.root),
                str(os.getpid()),
                stdin=subprocess.DEVNULL,
                env={**os.environ, processes.COMPONENT_VARIABLE: SENTINEL},
            )
            await sentinel.wait()
            await asyncio.sleep(FIRST_BACKOFF)

    def _end_sentinels(self) -> None:
        for process in processes.of_cluster(self._paths.root):
            if process.component == SENTINEL and process.pid != os.getpid():
                processes.send(process, self._paths.root, signal.SIGKILL)


async def _exit_of(process: Process, cluster: Path) -> None:
    with processes.opened(process, cluster) as descriptor:
        if descriptor is None:
            return
        loop = asyncio.get_running_loop()
        exited = asyncio.Event()
        loop.add_reader(descriptor, exited.set)
        try:
            await exited.wait()
        finally:
            loop.remove_reader(descriptor)


def read_plan(paths: ClusterPaths) -> Plan:
    return msgspec.json.decode(paths.plan.read_bytes(), type=Plan)


def trim_log(path: Path) -> None:
    """Keep the newer half of a log that has grown past the limit (writers append, so they carry on at the new end)."""
    try:
        if path.stat().st_size <= LOG_LIMIT:
            return
        with path.open("r+b") as log:
            log.seek(-LOG_LIMIT // 2, os.SEEK_END)
            kept = log.read()
            log.seek(0)
            log.write(kept)
            log.truncate()
    except FileNotFoundError:
        return


def main(arguments: list[str]) -> int:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", stream=sys.stderr)
    paths = ClusterPaths(Path(arguments[0]))
    paths.run.mkdir(parents=True, exist_ok=True)
    with (paths.run / "supervisor.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logger.info("another supervisor runs; leaving")
            return 0
        network = read_plan(paths).network
        if network is not None:
            isolation.enter(network, paths)
        asyncio.run(Supervisor(paths).run())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
