"""What the controllers may do in the cluster: the rules of their ClusterRole. Pure data; imports nothing."""

from typing import NamedTuple

READ = ("get", "list", "watch")


class Rule(NamedTuple):
    groups: tuple[str, ...]
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    names: tuple[str, ...] = ()
    """Only objects of these names; empty: all."""


RULES: tuple[Rule, ...] = (
    # What they reconcile. `delete`: finished jobs whose ttlAfterFinished is over. `finalizers`: owner references that
    # block deletion, where admission plugin OwnerReferencesPermissionEnforcement is on.
    # `patch`: of one that is stopped because it is idle.
    Rule(("footplate.dev",), ("workspaces",), (*READ, "patch")),
    Rule(("footplate.dev",), ("trainingjobs",), (*READ, "delete")),
    Rule(("footplate.dev",), ("workspaces/status", "trainingjobs/status"), ("update",)),
    Rule(("footplate.dev",), ("workspaces/finalizers", "trainingjobs/finalizers"), ("update",)),
    # What they decide from.
    Rule(("footplate.dev",), ("environments",), READ),
    Rule(("",), ("nodes", "resourcequotas"), READ),
    Rule(("",), ("configmaps",), READ, ("footplate-platform",)),
    Rule(("",), ("events",), ("list",)),
    Rule(("kueue.x-k8s.io",), ("workloads",), READ),
    # What jobs found out about a node is remembered in an annotation of it.
    Rule(("",), ("nodes",), ("patch",)),
    # What the cluster has and who holds it, for everyone to read.
    Rule(("",), ("configmaps",), ("get", "patch"), ("footplate-usage",)),
    # What they make. Tokens are written and never read.
    Rule(("",), ("pods", "services"), (*READ, "create", "delete")),
    Rule(("",), ("persistentvolumeclaims",), (*READ, "create", "patch")),
    Rule(("",), ("secrets",), ("create",)),
    Rule(("discovery.k8s.io",), ("endpointslices",), (*READ, "create", "update", "delete")),
    Rule(("batch",), ("jobs",), (*READ, "create", "delete")),
    Rule(("scheduling.k8s.io",), ("podgroups",), (*READ, "create", "delete")),
    # Whose token a report came with.
    Rule(("authentication.k8s.io",), ("tokenreviews",), ("create",)),
    # Which replica leads, and what they tell people.
    Rule(("coordination.k8s.io",), ("leases",), ("get", "create", "update")),
    Rule(("events.k8s.io",), ("events",), ("create", "patch")),
)
