"""Whether the container's GPUs compute: NVIDIA's management library, or the load that a simulated GPU is told to show.

Source: https://docs.nvidia.com/deploy/nvml-api/group__nvmlDeviceQueries.html
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import msgspec

BUSY = 1
"""Percent of the time in which a kernel ran on it, from which on a GPU computes."""
VISIBLE = "NVIDIA_VISIBLE_DEVICES"
SIMULATED = "FOOTPLATE_SIMULATED_GPU_LOAD"
"""Path of a file that says the load in percent by device id, as devcluster's device plugin gives it to containers."""


class Gpus(Protocol):
    def load(self) -> dict[str, int]:
        """Percent by name. Raises OSError where it cannot be read."""
        ...


class NoGpus:
    def load(self) -> dict[str, int]:
        return {}


class Simulated:
    def __init__(self, path: Path, devices: list[str]) -> None:
        self._path, self._devices = path, devices

    def load(self) -> dict[str, int]:
        try:
            told = msgspec.json.decode(self._path.read_bytes(), type=dict[str, int])
        except (FileNotFoundError, msgspec.DecodeError):
            told = {}
        return {f"GPU {number}": told.get(device, 0) for number, device in enumerate(self._devices)}


class Nvml:
    """Of whole GPUs. The library says nothing of a MIG slice's load: there the processes' CPU use has to do."""

    def __init__(self) -> None:
        """Raises ImportError, or OSError where there is no driver."""
        self._nvml: Any = importlib.import_module("pynvml")
        try:
            self._nvml.nvmlInit()
        except self._nvml.NVMLError as error:
            raise OSError(str(error)) from error

    def load(self) -> dict[str, int]:
        found: dict[str, int] = {}
        try:
            for number in range(self._nvml.nvmlDeviceGetCount()):
                handle = self._nvml.nvmlDeviceGetHandleByIndex(number)
                try:
                    found[f"GPU {number}"] = int(self._nvml.nvmlDeviceGetUtilizationRates(handle).gpu)
                except self._nvml.NVMLError_NotSupported:
                    continue
        except self._nvml.NVMLError as error:
            raise OSError(str(error)) from error
        return found


def find(environment: Mapping[str, str]) -> Gpus:
    if path := environment.get(SIMULATED):
        return Simulated(Path(path), [name for name in environment.get(VISIBLE, "").split(",") if name])
    try:
        return Nvml()
    except (ImportError, OSError):
        return NoGpus()
