"""What a stack would make: its preview in the embedded engine, with no account."""

from __future__ import annotations

import asyncio
import functools
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from footplate.engine.events import Event, Step, StepDone
from footplate.engine.stack import Stack

ROOT = Path(__file__).parents[3]


@functools.cache
def planned(stack: str) -> Sequence[Step]:
    """Once a test run, in the order of URNs."""
    with tempfile.TemporaryDirectory() as data:
        environ = {**os.environ, "FOOTPLATE_DATA": data, "FOOTPLATE_CACHE": f"{data}/cache"}
        events: list[Event] = []
        asyncio.run(Stack(ROOT, stack, environ=environ).preview(events.append))
    return sorted((e.step for e in events if isinstance(e, StepDone)), key=lambda step: step.urn)
