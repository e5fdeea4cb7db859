"""What to do with one registered resource, from its state before, the provider's diff and its options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from footplate.engine import paths
from footplate.engine.changes import Change
from footplate.engine.errors import ResourceProtected
from footplate.engine.events import Op
from footplate.engine.goal import Goal
from footplate.engine.providers.contract import Diff
from footplate.engine.state.model import Resource
from footplate.engine.values import Value, has_unknown, plain


@dataclass(frozen=True)
class Decision:
    op: Op
    changes: Sequence[Change] = ()
    reason: str = ""
    delete_first: bool = False


@dataclass(frozen=True)
class Circumstances:
    """`provider_changed`: the old one is in another cluster or account. `replaced_with`: a resource named in
    `replace_with` that is itself replaced in this run (empty: none)."""

    provider_changed: bool = False
    replaced_with: str = ""


def decide(goal: Goal, old: Resource | None, new: Resource, diff: Diff, around: Circumstances) -> Decision:
    """Raises ResourceProtected where a protected resource would have to be deleted."""
    if old is None:
        return Decision(Op.CREATE)
    if old.external and new.custom:
        return Decision(Op.CREATE, reason="it was read before and is managed from now on")
    if old.pending_replacement:
        return Decision(Op.CREATE, reason="the one it replaces was deleted by a run that did not finish")
    if diff.gone:
        return Decision(Op.CREATE, reason="it no longer exists: somebody deleted it")
    changes = _forced(diff.changes, goal.replace_on_changes)
    cause = _cause(goal, old, changes, around)
    if cause is not None:
        if old.protect and new.protect:
            raise ResourceProtected(
                f"it is protected and would have to be replaced: {cause}",
                "set protect=False on it in the program, run `footplate up`, and make the change then",
            )
        # In another cluster or account both can exist; the one there cannot be reached by the new provider.
        asked = goal.delete_before_replace
        first = asked if asked is not None else diff.delete_before_replace and not around.provider_changed
        return Decision(Op.REPLACE, changes, cause, delete_first=first)
    if changes:
        return Decision(Op.UPDATE, changes)
    if old.init_errors:
        return Decision(Op.UPDATE, reason=f"last time: {old.init_errors[0]}")
    return Decision(Op.SAME)


def _forced(changes: Sequence[Change], patterns: Sequence[str]) -> list[Change]:
    parsed = [paths.parse(pattern) for pattern in patterns]
    return [
        replace(change, forces_replacement=True, note=change.note or "replaceOnChanges")
        if any(paths.touches(pattern, change.path) for pattern in parsed)
        else change
        for change in changes
    ]


def _cause(goal: Goal, old: Resource, changes: Sequence[Change], around: Circumstances) -> str | None:
    """Why it must be replaced; None: it need not."""
    if around.provider_changed:
        return "its provider is another one now"
    if around.replaced_with:
        return f"it is replaced with {around.replaced_with}"
    if old.taint:
        return "it is marked for replacement"
    if _triggered(old.replacement_trigger, goal.replacement_trigger):
        return "its replacement trigger changed"
    forcing = [paths.text(change.path) or "its inputs" for change in changes if change.forces_replacement]
    if forcing:
        return f"{', '.join(dict.fromkeys(forcing))} cannot be changed in place"
    return None


def _triggered(old: Value, new: Value) -> bool:
    """None on either side: there was no trigger, or there is none any more."""
    if old is None or new is None:
        return False
    return has_unknown(old) or has_unknown(new) or plain(old) != plain(new)


def decide_plain(old: Resource | None, changes: Sequence[Change]) -> Decision:
    """For what no provider manages: the stack and components."""
    if old is None:
        return Decision(Op.CREATE)
    return Decision(Op.UPDATE, changes) if changes else Decision(Op.SAME)


def decide_provider(old: Resource | None, changes: Sequence[Change], forcing: Sequence[str]) -> Decision:
    if old is None:
        return Decision(Op.CREATE)
    if forcing:
        return Decision(Op.REPLACE, changes, f"{', '.join(forcing)} now names another cluster")
    return Decision(Op.UPDATE, changes) if changes else Decision(Op.SAME)
