"""Why something cannot start now, in a value: a reason for conditions and a sentence for people."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Refusal:
    reason: str
    """CamelCase, for conditions and scripts."""
    message: str
    """One sentence with the cause and what would help."""
    final: bool = True
    """True: it cannot run as specified (phase Failed); False: it waits for others (phase Queued)."""
    action: str | None = None
    """What a person could do, where `message` does not already say it."""
