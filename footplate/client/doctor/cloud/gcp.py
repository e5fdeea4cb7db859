"""Google Cloud: who calls, which APIs are on, whether the machines are offered, quotas, and permissions to deploy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from footplate import errors
from footplate.client.doctor.cloud.needs import Need, Needs
from footplate.client.doctor.finding import Finding, failed, ok, skipped, warning
from footplate.costs.machines import gpus, vcpus
from footplate.costs.prices import Market
from footplate.errors import FootplateError, MachineLacks, Refused

REMEDY: Final = "`gcloud auth application-default login`; in CI Workload Identity Federation: no keys are needed"
_LATER: Final = ("APIs", "machines", "quotas", "permissions")
SERVICES: Final = {
    "compute.googleapis.com": "networks and nodes",
    "container.googleapis.com": "the cluster",
    "iam.googleapis.com": "identities of teams and controllers",
    "cloudkms.googleapis.com": "encryption of secrets and data",
    "storage.googleapis.com": "data, checkpoints, code and outputs",
    "artifactregistry.googleapis.com": "the platform's images",
    "logging.googleapis.com": "audit logs",
    "monitoring.googleapis.com": "metrics",
}
#: What `pulumi up` of a stack does first, by which a missing permission is found before it stops half-way.
PERMISSIONS: Final = {
    "compute.networks.create": "the network",
    "compute.subnetworks.create": "the network",
    "compute.routers.create": "the nodes' way out",
    "compute.firewalls.create": "the network",
    "container.clusters.create": "the cluster",
    "container.clusters.update": "GPU pools",
    "iam.serviceAccounts.create": "identities of teams and controllers",
    "iam.serviceAccounts.actAs": "nodes that run as their own account",
    "resourcemanager.projects.setIamPolicy": "what those identities may do",
    "cloudkms.keyRings.create": "encryption of secrets and data",
    "storage.buckets.create": "data, checkpoints, code and outputs",
    "artifactregistry.repositories.create": "the platform's images",
}
#: GPU → its quota of a region. Those of newer GPUs are per GPU family, which this API does not tell.
#: Source: https://cloud.google.com/compute/resource-usage#gpu_quota
GPU_QUOTAS: Final = {
    "T4": "NVIDIA_T4_GPUS",
    "V100": "NVIDIA_V100_GPUS",
    "P100": "NVIDIA_P100_GPUS",
    "L4": "NVIDIA_L4_GPUS",
    "A100-40GB": "NVIDIA_A100_GPUS",
    "A100-80GB": "NVIDIA_A100_80GB_GPUS",
    "H100": "NVIDIA_H100_GPUS",
}


@dataclass(frozen=True)
class Clients:
    """Google's clients over REST. `endpoint`: `host:port` of one that speaks plain HTTP, for tests; empty: Google's."""

    credentials: Any
    project: str
    endpoint: str = ""

    def compute(self, kind: str) -> Any:
        from google.cloud import compute_v1

        return self._rest(getattr(compute_v1, f"{kind}Client"))

    def projects(self) -> Any:
        from google.cloud import resourcemanager_v3

        return self._rest(resourcemanager_v3.ProjectsClient)

    def services(self) -> Any:
        from google.cloud import service_usage_v1

        return self._rest(service_usage_v1.ServiceUsageClient)

    def _rest(self, kind: Any) -> Any:
        if not self.endpoint:
            return kind(credentials=self.credentials, transport="rest")
        transport = kind.get_transport_class("rest")
        return kind(transport=transport(host=self.endpoint, credentials=self.credentials, url_scheme="http"))


def clients_for(project: str) -> Clients:
    """Raises MachineLacks without the libraries, Refused without credentials."""
    try:
        import google.auth
        from google.auth.exceptions import DefaultCredentialsError
        from google.cloud import compute_v1, resourcemanager_v3, service_usage_v1  # noqa: F401  # pyright: ignore
    except ImportError as error:
        raise MachineLacks("Google's client libraries are not installed", "pip install 'footplate[gcp]'") from error
    try:
        credentials, found = cast(Any, google.auth).default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
    except DefaultCredentialsError as error:
        raise Refused("there are no credentials for Google Cloud", REMEDY) from error
    if not (project or found):
        raise errors.BadUsage("no project is named", "give --project, or a stack that has one")
    return Clients(credentials, project or found)


def examine(clients: Clients, asked: Needs) -> Iterator[Finding]:
    try:
        held = _held(clients)
    except cloud_errors() as error:
        yield failed("identity", explained(error))
        yield from (skipped(name, "needs credentials") for name in _LATER)
        return
    who = getattr(clients.credentials, "service_account_email", "") or "these credentials"
    yield ok("identity", f"{who} in project {clients.project}")
    for name, check in (("APIs", _services), ("machines", _machines), ("quotas", _quotas)):
        try:
            yield from check(clients, asked)
        except cloud_errors() as error:
            yield warning(name, f"could not be looked at: {explained(error).message}")
    yield from _permissions(held, clients.project)


def _held(clients: Clients) -> set[str]:
    answer = clients.projects().test_iam_permissions(
        request={"resource": f"projects/{clients.project}", "permissions": list(PERMISSIONS)}
    )
    return set(answer.permissions)


def _permissions(held: set[str], project: str) -> Iterator[Finding]:
    missing = [name for name in PERMISSIONS if name not in held]
    if not missing:
        yield ok("permissions", f"the {len(PERMISSIONS)} that a deployment begins with")
    for name in missing:
        text = f"{name} is not granted on {project}: {PERMISSIONS[name]} cannot be made"
        yield failed("permissions", Refused(text, "grant a role that has it"))


def _services(clients: Clients, asked: Needs) -> Iterator[Finding]:
    names = [f"projects/{clients.project}/services/{name}" for name in SERVICES]
    answer = clients.services().batch_get_services(request={"parent": f"projects/{clients.project}", "names": names})
    on = {service.config.name for service in answer.services if service.state.name == "ENABLED"}
    off = [name for name in SERVICES if name not in on]
    if not off:
        yield ok("APIs", f"the {len(SERVICES)} that a stack needs are on")
    for name in off:
        detail = f"{name} is off: {SERVICES[name]} cannot be made"
        yield failed("APIs", Refused(detail, f"gcloud services enable {name} --project {clients.project}"))


def _machines(clients: Clients, asked: Needs) -> Iterator[Finding]:
    if not asked.machines:
        yield skipped("machines", "no stack is named, or it has no nodes of its own")
        return
    for machine in asked.machines:
        pages = clients.compute("MachineTypes").aggregated_list(
            request={"project": clients.project, "filter": f'name = "{machine}"'}
        )
        zones = sorted(scope.removeprefix("zones/") for scope, found in pages if found.machine_types)
        here = [zone for zone in zones if zone.startswith(f"{asked.region}-")]
        if here:
            yield ok("machines", f"{machine} is offered in {', '.join(here)}")
            continue
        missing = f"{machine} is not offered in {asked.region}"
        elsewhere = f"it is in {', '.join(zones[:6])}" if zones else "it is in no zone of this project"
        yield failed("machines", Refused(missing, f"{elsewhere}; or choose another GPU in footplate:gpuPools"))


def _quotas(clients: Clients, asked: Needs) -> Iterator[Finding]:
    region = clients.compute("Regions").get(project=clients.project, region=asked.region)
    limits: dict[str, tuple[float, float]] = {q.metric: (q.limit, q.usage) for q in region.quotas}
    wanted: dict[str, float | None] = {}
    untold: set[str] = set()
    for pool in asked.pools:
        for need in pool:
            _add(need, wanted, untold)
    for metric, amount in wanted.items():
        yield _judged(metric, amount, limits.get(metric), clients.project, asked.region)
    for gpu in sorted(untold):
        yield warning(
            "quotas",
            f"that of {gpu} is per GPU family, which this check cannot read",
            f"https://console.cloud.google.com/iam-admin/quotas?project={clients.project} (GPUs per GPU family)",
        )


def _add(need: Need, wanted: dict[str, float | None], untold: set[str]) -> None:
    found = gpus("gcp", need.machine)
    prefix = "PREEMPTIBLE_" if need.market is Market.SPOT else ""
    if found is None:
        metric, size = "CPUS", vcpus("gcp", need.machine) or 0
    elif need.market is Market.FLEX_START or found.name not in GPU_QUOTAS or "mega" in need.machine:
        untold.add(found.name)
        return
    else:
        metric, size = f"{prefix}{GPU_QUOTAS[found.name]}", found.number
    before = wanted.get(metric, 0)
    wanted[metric] = None if before is None or need.nodes is None else before + need.nodes * size


def _judged(metric: str, amount: float | None, limit: tuple[float, float] | None, project: str, region: str) -> Finding:
    if limit is None:
        return warning("quotas", f"{metric} is not known in {region}")
    granted, used = limit
    if amount is None:
        return warning("quotas", f"{metric}: {granted:g}; a pool without limits can ask for more")
    detail = f"{metric}: {granted:g}, of which {used:g} are in use; the stack's maximum is {amount:g}"
    if granted >= amount:
        return ok("quotas", detail)
    console = f"https://console.cloud.google.com/iam-admin/quotas?project={project}"
    return failed("quotas", Refused(detail, f"ask for {amount:g} in {region}: {console}"))


def cloud_errors() -> tuple[type[Exception], ...]:
    from google.api_core.exceptions import GoogleAPICallError, RetryError
    from google.auth.exceptions import GoogleAuthError

    return (GoogleAPICallError, RetryError, GoogleAuthError, ConnectionError, OSError)


def explained(error: Exception) -> FootplateError:
    from google.api_core.exceptions import Forbidden, GoogleAPICallError, Unauthenticated
    from google.auth.exceptions import GoogleAuthError

    if isinstance(error, GoogleAuthError | Unauthenticated):
        return Refused(f"the credentials for Google Cloud are not valid: {error}", REMEDY)
    if isinstance(error, Forbidden):
        return Refused(
            f"Google Cloud refuses it: {cast(Any, error).message}", "check the project's name and your roles on it"
        )
    if isinstance(error, GoogleAPICallError):
        return FootplateError(f"Google Cloud says: {cast(Any, error).message}")
    return FootplateError(f"Google Cloud cannot be reached: {error}", "check the network")


def pages(answer: Any, key: str) -> Sequence[Any]:
    """Of an aggregated list: (scope, things) of every zone and region."""
    return [(scope, one) for scope, found in answer for one in getattr(found, key)]
