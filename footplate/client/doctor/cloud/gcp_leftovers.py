"""Leftovers on Google Cloud, found by the labels and names that GKE and its controllers give to what they make."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, cast

from footplate.client.doctor.cloud.gcp import Clients, cloud_errors, explained, pages
from footplate.client.doctor.cloud.leftovers import Left, judged
from footplate.client.doctor.finding import Finding, failed, warning

#: Source: https://cloud.google.com/kubernetes-engine/docs/how-to/creating-managing-labels (labels that GKE sets).
CLUSTER_LABEL: Final = "goog-k8s-cluster-name"


def examine(clients: Clients, cluster: str) -> Iterator[Finding]:
    kinds: Mapping[str, Callable[[Clients, str], Sequence[Left]]] = {
        "load balancers": _forwarding_rules,
        "disks": _disks,
        "snapshots": _snapshots,
        "endpoint groups": _endpoint_groups,
        "firewall rules": _firewalls,
        "addresses": _addresses,
    }
    for number, (kind, find) in enumerate(kinds.items()):
        try:
            yield from judged(kind, find(clients, cluster), cluster)
        except cloud_errors() as error:
            if number == 0:
                yield failed(kind, explained(error))
                return
            yield warning(kind, f"could not be looked at: {explained(error).message}")


def _all(clients: Clients, kind: str, key: str, search: str = "") -> Sequence[tuple[str, Any]]:
    request = {"project": clients.project, **({"filter": search} if search else {})}
    return pages(clients.compute(kind).aggregated_list(request=request), key)


def _labelled(cluster: str) -> str:
    return f'labels.{CLUSTER_LABEL} = "{cluster}"'


def _forwarding_rules(clients: Clients, cluster: str) -> list[Left]:
    return [
        Left(
            "load balancer",
            one.name,
            f"{one.load_balancing_scheme}, {one.I_p_address}",
            f"gcloud compute forwarding-rules delete {one.name} {_place(scope)} --project {clients.project}",
        )
        for scope, one in _all(clients, "ForwardingRules", "forwarding_rules", _labelled(cluster))
    ]


def _disks(clients: Clients, cluster: str) -> list[Left]:
    return [
        Left(
            "disk",
            one.name,
            f"{one.size_gb} GiB, {_claim(one.description)}",
            f"gcloud compute disks delete {one.name} {_place(scope)} --project {clients.project}   # when its data is not wanted",
        )
        for scope, one in _all(clients, "Disks", "disks", _labelled(cluster))
        if not one.users
    ]


def _snapshots(clients: Clients, cluster: str) -> list[Left]:
    found = clients.compute("Snapshots").list(request={"project": clients.project, "filter": _labelled(cluster)})
    return [
        Left(
            "snapshot",
            one.name,
            f"{one.disk_size_gb} GiB, {one.creation_timestamp[:10]}",
            f"gcloud compute snapshots delete {one.name} --project {clients.project}   # when it is not wanted",
        )
        for one in found
    ]


def _endpoint_groups(clients: Clients, cluster: str) -> list[Left]:
    """Their labels are JSON in the description (https://cloud.google.com/kubernetes-engine/docs/how-to/standalone-neg)."""
    return [
        Left(
            "endpoint group",
            one.name,
            "it keeps the network",
            f"gcloud compute network-endpoint-groups delete {one.name} {_place(scope)} --project {clients.project}",
        )
        for scope, one in _all(clients, "NetworkEndpointGroups", "network_endpoint_groups")
        if one.annotations.get("cluster-name") == cluster or _described(one.description).get("cluster-name") == cluster
    ]


def _firewalls(clients: Clients, cluster: str) -> list[Left]:
    found = clients.compute("Firewalls").list(request={"project": clients.project})
    return [
        Left(
            "firewall rule",
            one.name,
            "it keeps the network",
            f"gcloud compute firewall-rules delete {one.name} --project {clients.project}",
        )
        for one in found
        if one.name.startswith((f"gke-{cluster}-", f"k8s-{cluster}-"))
    ]


def _addresses(clients: Clients, cluster: str) -> list[Left]:
    return [
        Left(
            "address",
            one.name,
            f"{one.address}, {one.status.lower()}",
            f"gcloud compute addresses delete {one.name} {_place(scope)} --project {clients.project}",
        )
        for scope, one in _all(clients, "Addresses", "addresses")
        if one.labels.get(CLUSTER_LABEL) == cluster or _described(one.description).get("cluster-name") == cluster
    ]


def _place(scope: str) -> str:
    """`--zone a` of `zones/a`, `--region r` of `regions/r`, `--global`."""
    kind, _, name = scope.partition("/")
    return {"zones": f"--zone {name}", "regions": f"--region {name}"}.get(kind, "--global")


def _described(description: str) -> Mapping[str, Any]:
    try:
        found = json.loads(description or "{}")
    except ValueError:
        return {}
    return cast(Mapping[str, Any], found) if isinstance(found, dict) else {}


def _claim(description: str) -> str:
    found = _described(description)
    name = found.get("kubernetes.io/created-for/pvc/name")
    return f"of {found.get('kubernetes.io/created-for/pvc/namespace', '')}/{name}" if name else "of no claim"
