"""Starts N servers with kubespawner alone, no hub around it: `python -m benchmarks.kubespawner_run NAMESPACE N TIMEOUT`.

At most 100 at once, as JupyterHub's concurrent_spawn_limit has it. Prints one JSON object.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
import time
from importlib import import_module
from typing import Any

import psutil

CONCURRENT = 100


async def run(namespace: str, count: int, timeout: float) -> dict[str, Any]:
    # Of a dependency group of its own, which is there only for benchmarks.
    KubeSpawner: Any = import_module("kubespawner").KubeSpawner  # noqa: N806
    config: Any = import_module("traitlets.config").Config()
    config.KubeSpawner.namespace = namespace
    config.KubeSpawner.image = "jupyter:test"
    config.KubeSpawner.cmd = ["jupyterhub-singleuser"]
    config.KubeSpawner.services_enabled = False
    config.KubeSpawner.events_enabled = False
    config.KubeSpawner.start_timeout = int(timeout)
    config.KubeSpawner.cpu_guarantee = 0.01
    config.KubeSpawner.mem_guarantee = "16M"
    spawners = [_spawner(KubeSpawner, config, number) for number in range(count)]
    gate = asyncio.Semaphore(CONCURRENT)
    process = psutil.Process()
    cpu, started = sum(process.cpu_times()[:2]), time.perf_counter()
    done: list[float] = []

    async def start(spawner: Any) -> None:
        async with gate:
            await spawner.start()
            done.append(time.perf_counter() - started)

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout):
            await asyncio.gather(*(start(spawner) for spawner in spawners), return_exceptions=True)
    return {
        "ready": len(done),
        "seconds": max(done, default=0.0),
        "cpu": sum(process.cpu_times()[:2]) - cpu,
        "rss": process.memory_info().rss,
    }


def _spawner(kind: Any, config: Any, number: int) -> Any:
    spawner = kind(config=config, _mock=True, user=_user(number), hub=_hub())
    spawner.api_token = "token"
    spawner.will_resume = False
    return spawner


class _Named:
    """As much of a hub's object as kubespawner looks at."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)


def _user(number: int) -> Any:
    return _Named(name=f"user-{number}", id=number, url=f"/user/user-{number}/", escaped_name=f"user-{number}")


def _hub() -> Any:
    return _Named(public_host="", url="http://hub:8081", base_url="/hub/", api_url="http://hub:8081/hub/api")


def main() -> None:
    logging.disable(logging.WARNING)
    namespace, count, timeout = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    print(json.dumps(asyncio.run(run(namespace, count, timeout))), flush=True)


if __name__ == "__main__":
    main()
