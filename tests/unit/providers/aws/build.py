"""An AWS stack against Pulumi's mocks, from config as a stack has it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pulumi

from components.assembly import assemble
from components.config import parse
from tests.unit.conftest import Registered

Register = Callable[[Callable[[], object]], Registered]
TODAY = date(2026, 1, 1)

BASE: dict[str, Any] = {
    "provider": "aws",
    "name": "ml",
    "account": "111122223333",
    "region": "us-east-2",
    "zones": ["us-east-2a", "us-east-2b"],
    "labels": {"environment": "test"},
    "kubernetes": {"admins": ["arn:aws:iam::111122223333:role/admin"]},
    "storage": {"bucketPrefix": "acme"},
    "teams": [{"name": "a"}],
    "standardEnvironments": [],
    "platformImage": "registry.example/platform@sha256:00",
}


def pool(name: str = "train", gpu: str = "H100", count: int = 8, maxNodes: int = 4, **fields: Any) -> dict[str, Any]:  # noqa: N803
    return {"name": name, "gpu": gpu, "count": count, "maxNodes": maxNodes, **fields}


def program(*pools: dict[str, Any], **config: Any) -> Callable[[], object]:
    raw = {**BASE, "gpuPools": list(pools), **config}

    def run() -> object:
        made = assemble(parse(raw, TODAY))
        return pulumi.Output.from_input(made.platform.namespace)

    return run
