"""What the platform's containers in a job's pod say as they end, in their termination messages."""

from datetime import datetime

import msgspec

from footplate.api.meta import Wire


class PodReport(Wire, frozen=True):
    restored_step: int | None = None
    """By `prepare`: the checkpoint that the processes find."""
    checkpoint_step: int | None = None
    """By the agent: the newest checkpoint that is complete in the object store."""
    checkpoint_at: datetime | None = None
    """When its last part was written."""

    def encode(self) -> str:
        return msgspec.json.encode(self).decode()


def parse(message: str) -> PodReport:
    """An empty one for anything else, such as a sentence about a failure."""
    try:
        return msgspec.json.decode(message, type=PodReport)
    except msgspec.DecodeError:
        return PodReport()
