"""A workspace's home: whether it is there, and whether what was in it still is.

A home is remembered by its claim's UID: another claim of the same name is a new and empty one.
"""

from __future__ import annotations

from footplate.api import Condition, Workspace, WorkspaceStatus
from footplate.controllers.children import CHANGE_REFUSED
from footplate.controllers.cluster import Claim
from footplate.controllers.loop import Said
from footplate.controllers.workspace.desired import RESIZE_REFUSED
from footplate.controllers.workspace.observed import Observed, has_home
from footplate.kube.conditions import find_condition

CONDITION = "StorageReady"
DELETING = "Deleting"
REPLACED = "Replaced"
NEARLY_FULL = "NearlyFull"
FULL, EMPTIER = 0.9, 0.85

_SAVE = "Its home is being deleted and goes when it stops: save what is in it now."
_FULL = f"The volume of its home is more than {FULL:.0%} full: remove what is not needed, or let it grow with"
_ANEW = "Its former home was deleted: this one is new and empty."


def uid(ws: Workspace, observed: Observed) -> str | None:
    """Of the claim that is its home, or was the last."""
    home = observed.home
    if home is None or not has_home(ws) or not home.metadata.owned_by(ws.metadata.uid):
        return ws.status.home_uid
    return home.metadata.uid


def ready(ws: Workspace, observed: Observed) -> tuple[bool, str, str] | None:
    """Status, reason and message of the condition; None: there is nothing to say."""
    home = observed.home
    if not has_home(ws) or home is None:
        return None
    if home.metadata.deletion_timestamp is not None:
        return False, DELETING, _SAVE
    bound = home.status.phase == "Bound"
    if _is_new(ws, observed):
        return bound, REPLACED, _ANEW
    refused = observed.refused
    before = find_condition(ws.status.conditions, CONDITION)
    if refused is not None and refused.reason == CHANGE_REFUSED:
        return True, RESIZE_REFUSED, refused.message
    if before is not None and before.reason == RESIZE_REFUSED and before.observed_generation == ws.metadata.generation:
        return True, RESIZE_REFUSED, before.message
    if bound and _fills(ws, observed):
        return True, NEARLY_FULL, f"{_FULL} `footplate workspace resize {ws.metadata.name} --home SIZE`."
    if bound:
        return True, "Bound", "Its home is there."
    if home.status.phase == "Lost":
        return False, "Lost", "The volume of its home is gone: its claim has lost it."
    return False, "Pending", waits(home) or "Its home is made when its pod is given a node."


def nearly_full(share: float | None) -> bool:
    return share is not None and share >= FULL


def _fills(ws: Workspace, observed: Observed) -> bool:
    before = find_condition(ws.status.conditions, CONDITION)
    was = before is not None and before.reason == NEARLY_FULL
    share = observed.heard.home if observed.heard is not None else None
    if share is None:
        return was
    return share >= (EMPTIER if was else FULL)


def _is_new(ws: Workspace, observed: Observed) -> bool:
    """It has taken a deleted one's place since this start."""
    if ws.status.home_uid not in (None, uid(ws, observed)):
        return True
    before = find_condition(ws.status.conditions, CONDITION)
    return before is not None and before.reason == REPLACED and before.observed_generation == ws.metadata.generation


def warning(ws: Workspace, observed: Observed) -> str:
    """Of one that runs: what its owner must know at once; else empty."""
    found = ready(ws, observed)
    return f" {found[2]}" if found is not None and found[1] in (DELETING, REPLACED, NEARLY_FULL) else ""


def kept(ws: Workspace, observed: Observed) -> str:
    """Of one that is stopped."""
    if not has_home(ws):
        return ""
    if observed.home is None:
        return " Its home was deleted: the next start makes a new, empty one." if ws.status.home_uid else ""
    return " Its home is kept." if observed.home.metadata.deletion_timestamp is None else " Its home is being deleted."


def waits(home: Claim | None) -> str | None:
    if home is not None and home.status.phase == "Pending" and not home.spec.storage_class_name:
        return "Its home waits for storage: the cluster has no default storage class, so set home.storageClass."
    return None


def said(before: WorkspaceStatus, after: WorkspaceStatus) -> list[Said]:
    old, new = _reason(before), _reason(after)
    if (
        new is None
        or new.reason not in (DELETING, REPLACED, NEARLY_FULL)
        or (old is not None and old.reason == new.reason)
    ):
        return []
    return [Said("Warning", f"Home{new.reason}", "Store", new.message)]


def _reason(status: WorkspaceStatus) -> Condition | None:
    return find_condition(status.conditions, CONDITION)
