"""What of an attempt outlives its pods, and where: below ``<the platform's state>/jobs/<team>/<the job's UID>/attempt-<n>``.

| | |
|---|---|
| ``logs/rank-<r>/`` | what a process printed, each line with its time, as `kubectl logs --timestamps` gives it |
| ``logs/node-<n>/``, ``logs/agent-<n>/`` | what the launcher, and the agent, said of it |
| ``metrics/`` | lines of ``metrics.jsonl`` (`footplate.training`) |
| ``tensorboard/node-<n>/``, ``artifacts/node-<n>/`` | files, by their paths |
| ``left-out/node-<n>.json`` | files of it that were over the limit |
| ``stacks/rank-<r>.txt`` | what the process was doing when the attempt was ended because it hung |

Logs and metrics are segments, ``<first byte>-<byte after the last>``, by their place in all of the output. Small ones are
replaced by a large one that covers them: whoever reads on at a byte takes the segment that has it and reaches furthest.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

LOGS, METRICS, LEFT_OUT = "logs", "metrics", "left-out"
TENSORBOARD, ARTIFACTS = "tensorboard", "artifacts"

_SEGMENT = re.compile(r"(\d{15})-(\d{15})")
_STREAM = re.compile(r"(rank|node|agent)-(\d+)")


def records_uri(state_uri: str, team: str, uid: str, attempt: int) -> str:
    """``uid``: of the TrainingJob."""
    return f"{team_uri(state_uri, team)}/{uid}/attempt-{attempt}"


def team_uri(state_uri: str, team: str) -> str:
    """All that the team's jobs leave behind, and what its identity may write of the platform's state."""
    return f"{state_uri.rstrip('/')}/jobs/{team}"


class Segment(NamedTuple):
    start: int
    end: int

    @property
    def name(self) -> str:
        return f"{self.start:015d}-{self.end:015d}"


class Stream(NamedTuple):
    """Of logs. ``kind``: rank, node or agent."""

    kind: str
    number: int


def parse_segment(name: str) -> Segment | None:
    match = _SEGMENT.fullmatch(name)
    if match is None or int(match[1]) >= int(match[2]):
        return None
    return Segment(int(match[1]), int(match[2]))


def parse_stream(name: str) -> Stream | None:
    match = _STREAM.fullmatch(name)
    return Stream(match[1], int(match[2])) if match else None


def chain(segments: Iterable[Segment], position: int = 0) -> list[Segment]:
    """Those to read from ``position`` on. One that begins after the end of the one before follows a gap."""
    left = sorted(segments)
    found: list[Segment] = []
    while left := [segment for segment in left if segment.end > position]:
        here = [segment for segment in left if segment.start <= position]
        best = max(here or [s for s in left if s.start == left[0].start], key=lambda s: s.end)
        found.append(best)
        position = best.end
    return found
