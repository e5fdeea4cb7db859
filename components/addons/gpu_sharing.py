"""How NVIDIA's device plugin shares GPUs: one named config a way of sharing, which nodes choose by their label.

Source: NVIDIA/k8s-device-plugin, README, "Shared Access to GPUs" and "Per-node configuration".
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from providers.spec import GpuPool

#: Whole GPUs, and MIG slices as resources of their own.
DEFAULT = "whole"


def plugin_config(pools: Sequence[GpuPool]) -> dict[str, Any]:
    """Values of the GPU operator's `devicePlugin.config`."""
    configs: dict[str, Any] = {DEFAULT: {"version": "v1", "flags": {"migStrategy": "mixed"}}}
    for pool in pools:
        sharing = pool.sharing
        if sharing is None or sharing.mode == "mig":
            continue
        key = "timeSlicing" if sharing.mode == "time-slicing" else "mps"
        shared: dict[str, Any] = {
            "renameByDefault": True,
            "resources": [{"name": "nvidia.com/gpu", "replicas": sharing.replicas}],
        }
        configs[f"{sharing.mode}-{sharing.replicas}"] = {"version": "v1", "sharing": {key: shared}}
    data = {name: json.dumps(configs[name]) for name in sorted(configs)}  # JSON is YAML
    return {"create": True, "name": "footplate-device-plugin", "default": DEFAULT, "data": data}
