"""Words and signs for steps, fields and totals."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

import yaml
from rich.text import Text

from footplate.engine import paths
from footplate.engine import urn as urns
from footplate.engine.changes import Change, ChangeKind
from footplate.engine.events import Op, Step, Totals, Violation
from footplate.engine.values import Secret, Unknown, masked

SIGNS: Final[Mapping[Op, tuple[str, str]]] = {
    Op.CREATE: ("+", "green"),
    Op.UPDATE: ("~", "yellow"),
    Op.REPLACE: ("±", "magenta"),
    Op.DELETE: ("-", "red"),
    Op.IMPORT: ("=", "cyan"),
    Op.READ: ("<", "cyan"),
    Op.FORGET: ("-", "dim"),
    Op.REFRESH: ("~", "cyan"),
    Op.SAME: (" ", "dim"),
}
_FIELD_SIGNS: Final = {
    ChangeKind.ADD: ("+", "green"),
    ChangeKind.DELETE: ("-", "red"),
    ChangeKind.UPDATE: ("~", "yellow"),
}
_TO_DO: Final = {
    Op.CREATE: "to create",
    Op.UPDATE: "to update",
    Op.REPLACE: "to replace",
    Op.DELETE: "to delete",
    Op.IMPORT: "to import",
    Op.FORGET: "to leave alone from now on",
    Op.REFRESH: "changed in the cluster",
    Op.SAME: "unchanged",
}
_DONE: Final = {
    Op.CREATE: "created",
    Op.UPDATE: "updated",
    Op.REPLACE: "replaced",
    Op.DELETE: "deleted",
    Op.IMPORT: "imported",
    Op.FORGET: "left alone from now on",
    Op.REFRESH: "changed in the cluster",
    Op.SAME: "unchanged",
}
_ORDER: Final = tuple(_DONE)
WIDEST: Final = 72
LINES: Final = 12
"""Of a changed text that are shown."""


def kind(type: str) -> str:
    """`Deployment` of `kubernetes:apps/v1:Deployment`; `provider kubernetes`; `Stack`."""
    if urns.is_provider(type):
        return f"provider {urns.package(type)}"
    return type.rpartition(":")[2]


def title(step: Step) -> Text:
    sign, style = SIGNS[step.op]
    found = Text(f"{sign} ", style=style)
    found.append(kind(step.type), style="bold" if step.op is not Op.SAME else "dim")
    found.append(f" {step.name}", style="" if step.op is not Op.SAME else "dim")
    return found


def note(step: Step) -> str:
    """Why, beside what the fields say."""
    if step.op is Op.REPLACE:
        how = "; the old one is deleted first" if step.delete_first else ""
        return f"{step.reason}{how}"
    if step.takes_along:
        return f"{step.reason}; " * bool(step.reason) + f"{step.takes_along} in it would be lost"
    return step.reason


def fields(changes: Sequence[Change]) -> Iterator[Text]:
    for change in changes:
        yield from field(change)


def field(change: Change) -> Iterator[Text]:
    sign, style = _FIELD_SIGNS[change.kind]
    line = Text(f"{sign} ", style=style)
    line.append(paths.text(change.path) or "(all)")
    texts = [plain for plain in (change.old, change.new) if isinstance(plain, str)]
    if change.kind is ChangeKind.UPDATE and len(texts) == 2 and any("\n" in text for text in texts):
        yield _noted(line, change)
        yield from _text_diff(*texts)
        return
    line.append("  ")
    if change.kind is not ChangeKind.ADD:
        line.append(value(change.old), style="red")
    if change.kind is ChangeKind.UPDATE:
        line.append(" → ", style="dim")
    if change.kind is not ChangeKind.DELETE:
        line.append(value(change.new), style="green")
    yield _noted(line, change)


def _noted(line: Text, change: Change) -> Text:
    notes = [change.note] if change.note else []
    if change.forces_replacement:
        notes.append("replaces it")
    if notes:
        line.append(f"  ({'; '.join(notes)})", style="dim")
    return line


def _text_diff(old: str, new: str) -> Iterator[Text]:
    lines = list(difflib.unified_diff(old.splitlines(), new.splitlines(), lineterm="", n=1))[2:]
    for line in lines[:LINES]:
        style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "dim")
        yield Text(f"    {_cut(line)}", style=style)
    if len(lines) > LINES:
        yield Text(f"    … {len(lines) - LINES} more lines", style="dim")


def inputs(found: Mapping[str, Any]) -> Iterator[Text]:
    if found:
        for line in yaml.safe_dump(masked(dict(found)), sort_keys=False, allow_unicode=True).splitlines():
            yield Text(line, style="dim")


def value(found: Any) -> str:
    """On one line, cut to fit; secrets and unknowns stay what they are."""
    if found is Unknown:
        return "[unknown]"
    if isinstance(found, Secret):
        return "[secret]"
    shown = masked(found)
    return _cut(json.dumps(shown, ensure_ascii=False) if not isinstance(shown, str) else json.dumps(shown))


def _cut(text: str) -> str:
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…"


def totals(found: Totals, *, planned: bool) -> Text:
    words = _TO_DO if planned else _DONE
    parts: list[Text] = []
    for op in _ORDER:
        count = found.counts.get(op, 0)
        if count:
            parts.append(Text(f"{count} {words[op]}", style=SIGNS[op][1]))
    line = Text(", ").join(parts) if parts else Text("no resources", style="dim")
    return line.append(f" ({seconds(found.seconds)})", style="dim")


def seconds(amount: float) -> str:
    if amount < 10:
        return f"{amount:.1f} s"
    return f"{amount:.0f} s" if amount < 120 else f"{int(amount // 60)} min {int(amount % 60)} s"


def violation(found: Violation) -> Text:
    line = Text("✗ " if found.mandatory else "! ", style="red" if found.mandatory else "yellow")
    line.append(f"{found.policy} ", style="bold")
    if found.urn:
        line.append(f"{kind(urns.parse(found.urn).type)} {urns.parse(found.urn).name}: ", style="")
    line.append(found.message)
    return line


def outputs(found: Mapping[str, Any], *, reveal: bool = False) -> list[str]:
    """A line a value: `environments.jupyter  registry/jupyter:…`; lists of plain values stand on one."""
    rows = [row for name in sorted(found) for row in _leaves((name,), masked(found[name], reveal=reveal))]
    width = max((len(name) for name, _ in rows), default=0)
    return [f"{name.ljust(width)}  {shown}".rstrip() for name, shown in rows]


def _leaves(path: paths.Path, found: Any) -> Iterator[tuple[str, str]]:
    if isinstance(found, dict) and found:
        for key, item in cast(dict[str, Any], found).items():
            yield from _leaves((*path, key), item)
    elif isinstance(found, list) and any(isinstance(item, dict | list) for item in cast(list[Any], found)):
        for index, item in enumerate(cast(list[Any], found)):
            yield from _leaves((*path, index), item)
    elif isinstance(found, list):
        yield paths.text(path), ", ".join(_plain(item) for item in cast(list[Any], found)) or "none"
    else:
        yield paths.text(path), "none" if found in ({}, None) else _plain(found)


def _plain(found: Any) -> str:
    return found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)
