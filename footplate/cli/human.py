"""Values as people read them, and the layout of `show`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from footplate.api import Condition, Resources, duration
from footplate.api.trainingjob import Attempt
from footplate.cli.output import colourful, styled, terminal_width

_PHASE_STYLES = {
    "Running": "32",
    "Succeeded": "32",
    "Failed": "31",
    "Queued": "33",
    "Starting": "33",
    "Recovering": "33",
    "Suspended": "33",
    "Stopping": "33",
    "Cancelled": "2",
    "Stopped": "2",
}
#: Conditions that are normally True: it is worth reading why one is not.
_EXPECTED = frozenset({"Ready", "Scheduled", "StorageReady", "Admitted", "Running"})
_UNSETTLED = frozenset({"Queued", "Starting", "Recovering", "Failed"})


def phase_style(phase: str | None) -> str | None:
    return _PHASE_STYLES.get(phase or "")


def age(since: datetime | None, now: datetime | None = None) -> str:
    """`5m`, `3h12m`; empty where there is no moment."""
    return duration.human((now or datetime.now(UTC)) - since) if since else ""


def ago(since: datetime | None, now: datetime | None = None) -> str:
    return f"{age(since, now)} ago" if since else ""


def until(due: datetime, now: datetime | None = None) -> str:
    return duration.human(due - (now or datetime.now(UTC)))


def lasted(start: datetime | None, end: datetime | None, now: datetime | None = None) -> str:
    return duration.human((end or now or datetime.now(UTC)) - start) if start else ""


def waited(attempt: Attempt, now: datetime | None = None) -> str:
    """From its beginning until all its ranks ran: in the queue, and while images and data were fetched."""
    return lasted(attempt.start, attempt.running or attempt.end, now)


def ran(attempt: Attempt, now: datetime | None = None) -> str:
    return lasted(attempt.running, attempt.end, now)


def gpus(resources: Resources) -> str:
    """`2 × H100`; empty where there are none."""
    gpu = resources.gpu
    if gpu is None:
        return ""
    kind = " of ".join(part for part in (gpu.share, gpu.type) if part)
    return f"{gpu.count} × {kind}" if kind else str(gpu.count)


def resources(value: Resources) -> str:
    """`4 CPU, 16Gi memory, 2 H100 GPUs`"""
    parts = [f"{value.cpu} CPU", f"{value.memory} memory"]
    return ", ".join([*parts, value.gpu.phrase] if value.gpu else parts)


def worth_reading(conditions: Sequence[Condition], phase: str | None, message: str | None) -> list[Condition]:
    """What the sentence on top does not say yet. `Honoured=False` names fields that this version does not act on."""
    found: list[Condition] = []
    for condition in conditions:
        unexpected = condition.type in _EXPECTED and condition.status != "True" and phase in _UNSETTLED
        if (condition.type == "Honoured" and condition.status == "False") or (
            unexpected and condition.message and condition.message != message
        ):
            found.append(condition)
    return found


def condition_rows(conditions: Iterable[Condition]) -> list[tuple[str, str]]:
    return [(f"{c.type}={c.status}", c.message or c.reason) for c in conditions]


def page(sentence: str, rows: Sequence[tuple[str, str]], sections: Sequence[tuple[str, Sequence[str]]]) -> str:
    """A sentence, facts (those without a value are left out), then titled sections (empty ones are left out)."""
    bold = "1" if colourful() else None
    lines = [styled(sentence[:1].upper() + sentence[1:], bold), "", *facts(rows)]
    for title, body in sections:
        if body:
            lines += ["", styled(title, bold), *(f"  {line}" for line in body)]
    return "\n".join(lines)


def facts(rows: Sequence[tuple[str, str]]) -> list[str]:
    shown = [(name, value) for name, value in rows if value]
    width = max((len(name) for name, _ in shown), default=0)
    dim = "2" if colourful() else None
    return [f"{styled(name.ljust(width), dim)}  {value}" for name, value in shown]


def wrapped(rows: Sequence[tuple[str, str]]) -> list[str]:
    """`Name  text`, the text wrapped to the window with a hanging indent."""
    import textwrap

    width = max((len(name) for name, _ in rows), default=0)
    room = max(40, (terminal_width() or 120) - width - 4)
    lines: list[str] = []
    for name, text in rows:
        parts = textwrap.wrap(text, room) or [""]
        lines += [f"{name.ljust(width)}  {parts[0]}", *(f"{'':{width}}  {part}" for part in parts[1:])]
    return lines
