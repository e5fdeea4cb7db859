"""What people read of a home's snapshots, its restores, and a node that takes the workspace with it."""

from __future__ import annotations

from footplate.api import Workspace, WorkspaceStatus
from footplate.api.home import HomeFailure, HomeStatus
from footplate.controllers.loop import Said
from footplate.controllers.refusal import Refusal
from footplate.controllers.workspace import homes
from footplate.controllers.workspace.observed import Observed
from footplate.kube.conditions import find_condition

CONDITION = "Snapshotted"
INTERRUPTED = "Interrupted"

#: Of a condition: whether it holds, its reason, its message.
Words = tuple[bool, str, str]

#: https://kubernetes.io/docs/concepts/cluster-administration/node-shutdown/#non-graceful-node-shutdown
_OFF = (
    "If the machine is off for certain, an administrator can say so: "
    "`kubectl taint node {node} node.kubernetes.io/out-of-service=nodeshutdown:NoExecute`."
)


def conditions(ws: Workspace, observed: Observed, *, running: bool) -> list[tuple[str, Words | None]]:
    found: list[tuple[str, Words | None]] = []
    if (words := _snapshotted(ws, observed)) is not None:
        found.append((CONDITION, words))
    taken = homes.interruption(observed) if running else None
    found.append((INTERRUPTED, (True, "NodeLeaving", warning(observed).strip()) if taken else None))
    return found


def _snapshotted(ws: Workspace, observed: Observed) -> Words | None:
    """None: it stays as it is."""
    home = ws.status.home
    if home is None:
        return None
    if home.failure is not None and home.failure.kind == "Snapshot":
        return False, "SnapshotFailed", f"Its home could not be saved: {home.failure.message}.{_again(home.failure)}"
    if home.task is not None and home.task.kind == "Snapshot" and observed.refused is not None:
        return False, "SnapshotWaits", f"Its home cannot be saved now. {observed.refused.message}"
    if home.snapshots and not home.unsaved:
        newest = home.snapshots[0]
        lacks = f" {home.incomplete}." if home.incomplete else ""
        text = f"Its home was saved and verified at {newest.at:%Y-%m-%d %H:%M} UTC: snapshot {newest.id}.{lacks}"
        return True, "Incomplete" if home.incomplete else "Saved", text
    return None


def _again(failure: HomeFailure) -> str:
    return f" It is tried again at {failure.retry_at:%H:%M} UTC." if failure.retry_at is not None else ""


def saved(ws: Workspace, observed: Observed) -> str:
    """Of one that is stopped."""
    home = ws.status.home or HomeStatus()
    if home.task is not None and home.task.kind == "Restore":
        return " It is being restored."
    if home.failure is not None:
        what = "saved" if home.failure.kind == "Snapshot" else "restored"
        what = "cleared of old snapshots" if home.failure.kind == "Prune" else what
        return f" It could not be {what}: {home.failure.message}.{_again(home.failure)}"
    if home.task is not None and home.task.kind == "Snapshot":
        why = f" {observed.refused.message}" if observed.refused is not None else ""
        return f" It is still being saved.{why}"
    request = ws.spec.home.request
    if request is not None and home.answer is not None and home.answer.at == request.at and not home.answer.done:
        return f" The last request for it failed: {home.answer.message}"
    return ""


def unfilled(ws: Workspace) -> Refusal | None:
    """Its home could not be restored, and another try would not help."""
    failure = ws.status.home.failure if ws.status.home else None
    if failure is None or failure.kind != "Fill" or failure.retry_at is not None:
        return None
    if failure.generation != ws.metadata.generation:
        return None
    return Refusal("RestoreFailed", f"Its home could not be restored: {failure.message}.")


def warning(observed: Observed) -> str:
    """Of one that runs, where its node is about to go; else empty."""
    taken = homes.interruption(observed)
    if taken is None:
        return ""
    return (
        f" Its node goes: {taken}. Save what is open; its home stays and it starts again on another node, "
        "without what runs in it now."
    )


def stuck(observed: Observed, waits: str) -> str:
    """Where its pod cannot be seen to end, so that nothing else may have its home; else empty."""
    node = observed.pod.spec.node_name if observed.pod else ""
    if not node or node in observed.facts.capacity.ready:
        return ""
    return f"{waits}, but node {node} does not answer, and may still write to its home. {_OFF.format(node=node)}"


def said(before: WorkspaceStatus, after: WorkspaceStatus) -> list[Said]:
    found: list[Said] = []
    old, new = before.home or HomeStatus(), after.home or HomeStatus()
    if new.failure is not None and new.failure != old.failure:
        text = f"{new.failure.kind} of its home failed: {new.failure.message}.{_again(new.failure)}"
        found.append(Said("Warning", f"{new.failure.kind}Failed", "Home", text))
    if new.answer is not None and new.answer != old.answer:
        kind = "Normal" if new.answer.done else "Warning"
        found.append(
            Said(kind, "HomeRequestDone" if new.answer.done else "HomeRequestFailed", "Home", new.answer.message)
        )
    here, there = (find_condition(status.conditions, INTERRUPTED) for status in (after, before))
    if here is not None and there is None:
        found.append(Said("Warning", INTERRUPTED, "Interrupt", here.message))
    return found
