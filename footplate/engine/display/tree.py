"""The resources of a run as a tree under the stack: what is planned, under way, done, failed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

from rich.text import Text

from footplate.engine.display import wording
from footplate.engine.events import Op, Step


class State(Enum):
    PLANNED = "planned"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass
class Node:
    step: Step
    state: State
    since: float = 0.0
    seconds: float = 0.0
    message: str = ""
    """What it waits for, or why it failed."""

    @property
    def matters(self) -> bool:
        return self.step.op is not Op.SAME or self.state is State.FAILED


@dataclass
class Tree:
    """URN → node, in the order of first mention."""

    nodes: dict[str, Node] = field(default_factory=dict[str, Node])

    def plan(self, step: Step) -> None:
        if not self._replaced(step):
            self.nodes[step.urn] = Node(step, State.PLANNED)

    def start(self, step: Step, now: float) -> None:
        if self._replaced(step):
            replaced = self.nodes[step.urn]
            replaced.state, replaced.since = State.RUNNING, now - replaced.seconds
        else:
            self.nodes[step.urn] = Node(step, State.RUNNING, since=now)

    def wait(self, step: Step, message: str) -> None:
        if step.urn in self.nodes:
            self.nodes[step.urn].message = message

    def finish(self, step: Step, seconds: float, error: str) -> None:
        if self._replaced(step) and not error:
            replaced = self.nodes[step.urn]
            replaced.state, replaced.seconds = State.DONE, replaced.seconds + seconds
            return
        self.nodes[step.urn] = Node(step, State.FAILED if error else State.DONE, seconds=seconds, message=error)

    def _replaced(self, step: Step) -> bool:
        """The one URN stands for the new resource; that the old one goes is part of it."""
        return step.leftover and step.urn in self.nodes

    def lines(self, now: float, *, diff: bool, full: bool = False, height: int | None = None) -> list[Text]:
        """All that changes and what it is under, with its fields (`diff`) and the inputs of what is created (`full`). Cut to
        `height` lines: then what is done goes first."""
        found = list(self._render(now, diff, full, only_open=False))
        if height is not None and len(found) > height:
            found = list(self._render(now, False, False, only_open=True))
            if len(found) > height:
                found = [*found[: height - 1], Text(f"… {len(found) - height + 1} more", style="dim")]
        return found

    def _render(self, now: float, diff: bool, full: bool, *, only_open: bool) -> Iterator[Text]:
        children: dict[str, list[str]] = {}
        for urn, node in self.nodes.items():
            parent = node.step.parent if node.step.parent in self.nodes else ""
            children.setdefault(parent, []).append(urn)
        wanted = {urn for urn, node in self.nodes.items() if _shown(node, only_open)}
        for urn in list(wanted):
            parent = self.nodes[urn].step.parent
            while parent in self.nodes and parent not in wanted:
                wanted.add(parent)
                parent = self.nodes[parent].step.parent
        # Default providers hang on nothing; they are the stack's in a reader's eyes.
        roots = sorted(children.get("", []), key=lambda urn: self.nodes[urn].step.custom)
        for urn in roots:
            yield from self._branch(urn, children, wanted, "", "", now, diff, full)

    def _branch(
        self,
        urn: str,
        children: dict[str, list[str]],
        wanted: set[str],
        lead: str,
        below: str,
        now: float,
        diff: bool,
        full: bool,
    ) -> Iterator[Text]:
        if urn not in wanted:
            return
        node = self.nodes[urn]
        yield Text(lead, style="dim").append_text(_headline(node, now))
        inner = [child for child in children.get(urn, []) if child in wanted]
        margin = f"{below}{'│ ' if inner else '  '}"
        if diff or node.state is State.FAILED:
            for line in _details(node, diff, full):
                yield Text(f"{margin}  ", style="dim").append_text(line)
        for index, child in enumerate(inner):
            last = index == len(inner) - 1
            yield from self._branch(
                child,
                children,
                wanted,
                f"{below}{'└─ ' if last else '├─ '}",
                f"{below}{'   ' if last else '│  '}",
                now,
                diff,
                full,
            )


def _shown(node: Node, only_open: bool) -> bool:
    if only_open:
        return node.state in (State.RUNNING, State.FAILED)
    return node.matters


def _headline(node: Node, now: float) -> Text:
    line = wording.title(node.step)
    reason = wording.note(node.step)
    match node.state:
        case State.PLANNED:
            if reason:
                line.append(f"  {reason}", style="dim")
        case State.RUNNING:
            line.append(f"  {wording.seconds(now - node.since)}", style="cyan")
            if node.message:
                line.append(f"  {node.message}", style="yellow")
        case State.DONE:
            line.append("  ✓", style="green")
            if node.seconds >= 0.05:
                line.append(f" {wording.seconds(node.seconds)}", style="dim")
            if reason:
                line.append(f"  {reason}", style="dim")
        case State.FAILED:
            line.append("  failed", style="bold red")
    return line


def _details(node: Node, diff: bool, full: bool) -> Iterator[Text]:
    if node.state is State.FAILED:
        for line in node.message.splitlines():
            yield Text(line, style="red")
    if diff:
        yield from wording.fields(node.step.changes)
    if full and node.state is not State.FAILED and node.step.op is Op.CREATE:
        yield from wording.inputs(node.step.inputs)
