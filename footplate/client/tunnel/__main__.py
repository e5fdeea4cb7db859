"""The background process. Its socket, its lock and its log are inherited; what it says goes to the log."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from datetime import UTC, datetime
from pathlib import Path

from footplate.client.session import Session
from footplate.client.target import Target
from footplate.client.tunnel.record import Lock, read
from footplate.client.tunnel.serving import Tunnel
from footplate.errors import FootplateError


def log(text: str) -> None:
    print(f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} {text}", file=sys.stderr, flush=True)


async def run(lock: Lock, listening: socket.socket, target: Target) -> None:
    record = read(lock.file)
    if record is None:
        raise FootplateError(f"{lock.file} names no workspace")
    async with Session(target) as session:
        tunnel = Tunnel(session, record.namespace, record.workspace, record.uid, log)
        serving = asyncio.create_task(tunnel.serve(listening))
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, serving.cancel)
        try:
            log(f"ends: {await serving}")
        except asyncio.CancelledError:
            log("ends: it was closed")


def main() -> None:
    file, lock_descriptor, socket_descriptor, kubeconfig, context = sys.argv[1:6]
    for descriptor in (lock_descriptor, socket_descriptor):
        # Credential plugins that this process runs must not keep them alive.
        os.set_inheritable(int(descriptor), False)
    lock = Lock(Path(file), int(lock_descriptor))
    listening = socket.socket(fileno=int(socket_descriptor))
    try:
        asyncio.run(run(lock, listening, Target(Path(kubeconfig) if kubeconfig else None, context or None)))
    except FootplateError as error:
        log(f"ends: {error.message}")


if __name__ == "__main__":
    main()
