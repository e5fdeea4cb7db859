"""Whether the node's driver can run the CUDA toolkit of this image, said once at the start of a workspace.

Source: CUDA Toolkit release notes, "CUDA Toolkit and Minimum Required Driver Version for CUDA Minor Version Compatibility"
(Linux), https://docs.nvidia.com/cuda/cuda-toolkit-release-notes/
"""

from __future__ import annotations

import importlib
import importlib.metadata
import re
from collections.abc import Mapping
from typing import Any

Version = tuple[int, ...]

#: Major version of the toolkit → the oldest driver that runs all of its minor versions.
OLDEST_DRIVER: dict[int, Version] = {11: (450, 80, 2), 12: (525, 60, 13), 13: (580, 65, 6)}

#: Distributions whose version is that of the toolkit they are of.
_RUNTIMES = ("nvidia-cuda-runtime", "nvidia-cuda-runtime-cu13", "nvidia-cuda-runtime-cu12", "nvidia-cuda-runtime-cu11")


def parse(text: str) -> Version:
    """`580.65.06` → (580, 65, 6)."""
    return tuple(int(number) for number in re.findall(r"\d+", text))


def text(version: Version) -> str:
    return ".".join(str(number) for number in version)


def problem(toolkit: Version | None, driver: Version | None) -> str | None:
    """A sentence where they do not fit. None of a version: there is none."""
    if toolkit is None or driver is None:
        return None
    needed = OLDEST_DRIVER.get(toolkit[0])
    if needed is None or driver >= needed:
        return None
    fitting = [f"CUDA {major}" for major, oldest in OLDEST_DRIVER.items() if driver >= oldest]
    remedy = f"choose an environment with {fitting[-1]} or older" if fitting else "its driver runs no supported CUDA"
    return (
        f"This environment has CUDA {text(toolkit[:2])}, which needs driver {text(needed)} or newer; the node has "
        f"{text(driver)}: {remedy}, or ask a platform engineer for newer drivers."
    )


def toolkit(environment: Mapping[str, str]) -> Version | None:
    """Of the Python packages in the image, else as CUDA's own images say it."""
    for name in _RUNTIMES:
        try:
            return parse(importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            continue
    said = parse(environment.get("CUDA_VERSION", ""))
    return said or None


def driver() -> Version | None:
    """By NVML; None where there is no driver."""
    try:
        nvml: Any = importlib.import_module("pynvml")
        nvml.nvmlInit()
        return parse(str(nvml.nvmlSystemGetDriverVersion()))
    except Exception:  # NVMLError, of a module that may be missing: there is no GPU to speak of
        return None


def check(environment: Mapping[str, str]) -> str | None:
    return problem(toolkit(environment), driver())
