"""A device plugin with simulated GPUs: `python -m devcluster.device_plugin NODE HEALTH-FILE RESOURCE=COUNT…`.

Advertises the devices to the kubelet as NVIDIA's plugin does and gives containers `NVIDIA_VISIBLE_DEVICES`. The health
file says which are unhealthy, by resource and index (`{"nvidia.com/gpu": [3]}`); SIGHUP reads it again. A file beside it
says the load that they show, and containers find it mounted.

Concurrency: one gRPC server and one socket a resource; the kubelet's watch of it holds a thread, which waits on one
condition. The main thread looks once a second whether the kubelet has started anew (it removes all sockets and forgets
all plugins then) and registers again.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc

from devcluster import device_plugin_api as api
from devcluster.simulated_gpus import LOAD_DIRECTORY, LOAD_FILE, device_id, read_health

LOOK_INTERVAL = 1.0
WATCHERS = 4  # threads a resource
IN_CONTAINERS = "/run/footplate-gpus"

logger = logging.getLogger("devcluster.device_plugin")


class Devices:
    """The devices of one resource and their health."""

    def __init__(self, node: str, resource: str, count: int) -> None:
        self.resource: str = resource
        self._ids: tuple[str, ...] = tuple(device_id(node, resource, index) for index in range(count))
        self._unhealthy: frozenset[int] = frozenset()
        self._changed: threading.Condition = threading.Condition()
        self._version: int = 0
        self._closed: bool = False

    def set_unhealthy(self, indexes: frozenset[int]) -> None:
        with self._changed:
            if indexes != self._unhealthy:
                self._unhealthy = indexes
                self._version += 1
                self._changed.notify_all()

    def health(self) -> dict[str, str]:
        bad = {self._ids[index] for index in self._unhealthy if 0 <= index < len(self._ids)}
        return {device: api.UNHEALTHY if device in bad else api.HEALTHY for device in self._ids}

    def watch(self, context: grpc.ServicerContext) -> Iterator[dict[str, str]]:
        """The health of all devices, again after each change, until the caller is gone."""
        seen = -1
        context.add_callback(self._wake)
        while context.is_active():
            with self._changed:
                while self._version == seen and context.is_active():
                    self._changed.wait()
                seen, health = self._version, self.health()
            yield health

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()


class Server:
    """Serves one resource on a socket of its own in the kubelet's directory."""

    def __init__(self, devices: Devices, directory: Path, load: Path) -> None:
        self._devices: Devices = devices
        self._load: Path = load
        self._endpoint: str = f"footplate-{devices.resource.replace('/', '-')}.sock"
        (directory / self._endpoint).unlink(missing_ok=True)
        self._server: grpc.Server = grpc.server(ThreadPoolExecutor(WATCHERS))
        self._server.add_generic_rpc_handlers((self._handlers(),))
        self._server.add_insecure_port(f"unix://{directory / self._endpoint}")
        self._server.start()

    def _handlers(self) -> grpc.GenericRpcHandler:
        unary, stream = grpc.unary_unary_rpc_method_handler, grpc.unary_stream_rpc_method_handler
        return grpc.method_handlers_generic_handler(
            f"{api.PACKAGE}.DevicePlugin",
            {
                "GetDevicePluginOptions": unary(self._options, *_codec("Empty", "DevicePluginOptions")),
                "ListAndWatch": stream(self._list_and_watch, *_codec("Empty", "ListAndWatchResponse")),
                "Allocate": unary(self._allocate, *_codec("AllocateRequest", "AllocateResponse")),
            },
        )

    def register(self, kubelet: Path) -> None:
        request = api.message("RegisterRequest")(
            version=api.VERSION, endpoint=self._endpoint, resource_name=self._devices.resource
        )
        with grpc.insecure_channel(f"unix://{kubelet}") as channel:
            call = channel.unary_unary(
                f"/{api.PACKAGE}.Registration/Register",
                request_serializer=api.message("RegisterRequest").SerializeToString,
                response_deserializer=api.message("Empty").FromString,
            )
            call(request, timeout=5)
        logger.info("registered %s", self._devices.resource)

    def stop(self) -> None:
        self._server.stop(None).wait()

    def _options(self, request: Any, context: grpc.ServicerContext) -> Any:
        return api.message("DevicePluginOptions")()

    def _list_and_watch(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        device = api.message("Device")
        for health in self._devices.watch(context):
            devices = [device(ID=name, health=state) for name, state in health.items()]
            yield api.message("ListAndWatchResponse")(devices=devices)

    def _allocate(self, request: Any, context: grpc.ServicerContext) -> Any:
        response, mount = api.message("ContainerAllocateResponse"), api.message("Mount")
        mounted = mount(container_path=IN_CONTAINERS, host_path=str(self._load), read_only=True)
        return api.message("AllocateResponse")(
            container_responses=[
                response(
                    envs={
                        "NVIDIA_VISIBLE_DEVICES": ",".join(container.devices_ids),
                        "FOOTPLATE_SIMULATED_GPU_LOAD": f"{IN_CONTAINERS}/{LOAD_FILE}",
                    },
                    mounts=[mounted],
                )
                for container in request.container_requests
            ]
        )


def _codec(request: str, response: str) -> tuple[Any, Any]:
    return api.message(request).FromString, api.message(response).SerializeToString


def birth(socket: Path) -> tuple[int, int] | None:
    """Tells one life of the kubelet from the next."""
    try:
        found = socket.stat()
    except OSError:
        return None
    return found.st_ino, found.st_ctime_ns


def serve(node: str, health: Path, counts: Mapping[str, int]) -> None:
    every = [Devices(node, resource, count) for resource, count in counts.items()]
    woken, stopped = threading.Event(), threading.Event()

    def on_signal(number: int, _: object) -> None:
        if number == signal.SIGTERM:
            stopped.set()
        woken.set()

    signal.signal(signal.SIGHUP, on_signal)
    signal.signal(signal.SIGTERM, on_signal)
    servers: list[Server] = []
    registered: tuple[int, int] | None = None
    kubelet = Path(api.KUBELET_SOCKET)
    load = health.with_name(LOAD_DIRECTORY)
    load.mkdir(mode=0o755, exist_ok=True)
    woken.set()
    while not stopped.is_set():
        if woken.is_set():
            woken.clear()
            unhealthy = read_health(health)
            for devices in every:
                devices.set_unhealthy(frozenset(unhealthy.get(devices.resource, ())))
        current = birth(kubelet)
        if current is not None and current != registered:
            for server in servers:
                server.stop()
            try:
                servers = [Server(devices, kubelet.parent, load) for devices in every]
                for server in servers:
                    server.register(kubelet)
                registered = current
            except grpc.RpcError as error:
                logger.warning("the kubelet does not take the registration yet: %s", error)
        woken.wait(LOOK_INTERVAL)
    for server in servers:
        server.stop()


def main(arguments: list[str]) -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    node, health, *resources = arguments
    counts = {name: int(count) for name, _, count in (resource.rpartition("=") for resource in resources)}
    logger.info("process %d serves %s", os.getpid(), counts)
    serve(node, Path(health), counts)


if __name__ == "__main__":
    main(sys.argv[1:])
