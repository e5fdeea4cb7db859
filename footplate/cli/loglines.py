"""Log lines on stdout, with the node in front where there are several."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing

from footplate.cli.output import colourful, styled
from footplate.cli.progress import Live
from footplate.client.logs.container import Line

_COLOURS = ("36", "33", "35", "32", "34", "31")


async def print_lines(lines: AsyncGenerator[Line], live: Live, *, nodes: int) -> None:
    """Bytes as they are. What is waited for is shown until the first line comes."""
    attempt = 0
    out = sys.stdout.buffer
    async with aclosing(lines) as source:
        async for line in source:
            live.pause()
            if line.attempt > attempt > 0:
                out.flush()
                live.say(f"--- attempt {line.attempt} ---")
            attempt = max(attempt, line.attempt)
            out.write(_prefix(line.node, nodes) + line.text + b"\n")
            out.flush()


def _prefix(node: int, nodes: int) -> bytes:
    """`node 0 | `, of the same width for all nodes of the job."""
    if nodes < 2:
        return b""
    text = f"node {node:>{len(str(nodes - 1))}} | "
    return styled(text, _COLOURS[node % len(_COLOURS)] if colourful() else None).encode()
