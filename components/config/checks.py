"""What no single field shows: relations between the parts of a config. Each check yields (path, message)."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date

from components.config.explain import suggestion
from components.config.schema import PlatformConfig
from footplate.api import quantity
from footplate.api.gpu_types import GPU_TYPES
from providers.spec import Capacity, GpuPool, Nodes

Problems = Iterator[tuple[str, str]]


def problems(config: PlatformConfig, today: date) -> list[tuple[str, str]]:
    return [
        *_names(config),
        *_place(config),
        *_network(config),
        *_kubernetes(config),
        *(found for index, pool in enumerate(config.gpu_pools) for found in _pool(config, index, pool, today)),
        *_quotas(config),
        *_storage(config),
        *_ingress(config),
    ]


def _names(config: PlatformConfig) -> Problems:
    parts: tuple[tuple[str, str, Iterable[str]], ...] = (
        ("teams", "teams", (team.name for team in config.teams)),
        ("gpuPools", "pools", (pool.name for pool in config.gpu_pools)),
        ("environments", "environments", (environment.name for environment in config.environments)),
        ("zones", "zones", config.zones),
    )
    for key, kind, names in parts:
        twice = sorted(name for name, count in Counter(names).items() if count > 1)
        if twice:
            yield key, f"two {kind} are named {', '.join(twice)}: rename or remove one"


def _place(config: PlatformConfig) -> Problems:
    if config.provider == "local":
        return
    for key, example in (("account", "the account or project that pays"), ("region", "such as us-east-2")):
        if not getattr(config, key):
            yield key, f"is missing: provider {config.provider} needs it, {example}"
    if not config.zones:
        yield "zones", "is empty: list the zones to use, those first that have the GPUs"
    for index, zone in enumerate(config.zones):
        if config.region and not zone.startswith(config.region):
            yield f"zones[{index}]", f"{zone!r} is no zone of region {config.region!r}: correct either"


def _network(config: PlatformConfig) -> Problems:
    network = config.network
    if network is None:
        return
    ranges: dict[str, ipaddress.IPv4Network] = {}
    for key in ("cidr", "podCidr", "serviceCidr"):
        text = {"cidr": network.cidr, "podCidr": network.pod_cidr, "serviceCidr": network.service_cidr}[key]
        parsed = _cidr(text)
        if isinstance(parsed, str):
            yield f"network.{key}", parsed
            continue
        if parsed.prefixlen > 22:
            yield f"network.{key}", f"{text!r} is too small for a cluster: a /22 at least, such as /16"
        for other, range_ in ranges.items():
            if parsed.overlaps(range_):
                yield f"network.{key}", f"{text!r} overlaps network.{other} ({range_}): choose another range"
        ranges[key] = parsed


def _cidr(text: str) -> ipaddress.IPv4Network | str:
    try:
        return ipaddress.IPv4Network(text)
    except ValueError as error:
        return f"{text!r} is no network ({error}): write its first address, such as 10.64.0.0/16"


def _kubernetes(config: PlatformConfig) -> Problems:
    kubernetes = config.kubernetes
    if kubernetes is None:
        return
    endpoint = kubernetes.endpoint
    if endpoint.public and not endpoint.cidrs:
        yield "kubernetes.endpoint.cidrs", "is empty: name who reaches the public endpoint, such as 203.0.113.0/24"
    yield from _callers("kubernetes.endpoint.cidrs", endpoint.cidrs)
    if endpoint.cidrs and not endpoint.public:
        yield "kubernetes.endpoint.public", "is false, so endpoint.cidrs admit nobody: set it to true or remove them"
    yield from _sizes("kubernetes.systemNodes", kubernetes.system_nodes)
    yield from _sizes("kubernetes.cpuNodes", kubernetes.cpu_nodes)
    if kubernetes.system_nodes.min_nodes < 1:
        yield "kubernetes.systemNodes.minNodes", "is 0: the platform itself needs 1 at least, 2 to outlive one"


def _callers(path: str, cidrs: Iterable[str]) -> Problems:
    for index, text in enumerate(cidrs):
        parsed = _cidr(text)
        if isinstance(parsed, str):
            yield f"{path}[{index}]", parsed
        elif parsed.prefixlen < 8:
            yield f"{path}[{index}]", f"{text!r} admits everybody: name the ranges of your office or VPN"


def _sizes(path: str, nodes: Nodes | GpuPool) -> Problems:
    if nodes.min_nodes > nodes.max_nodes:
        yield f"{path}.minNodes", f"{nodes.min_nodes} is more than maxNodes, {nodes.max_nodes}: lower it or raise that"


def _pool(config: PlatformConfig, index: int, pool: GpuPool, today: date) -> Problems:
    path = f"gpuPools[{index}]"
    if pool.gpu not in GPU_TYPES:
        yield f"{path}.gpu", f"there is no GPU {pool.gpu!r}; {suggestion(pool.gpu, list(GPU_TYPES))}"
        return
    yield from _sizes(path, pool)
    for number, zone in enumerate(pool.zones):
        if zone not in config.zones:
            yield f"{path}.zones[{number}]", f"{zone!r} is none of footplate:zones ({', '.join(config.zones)})"
    for number, step in enumerate(pool.capacity):
        yield from _step(f"{path}.capacity[{number}]", step, today)
    steps = [(step.kind, step.reservation) for step in pool.capacity]
    if len(set(steps)) < len(steps):
        yield f"{path}.capacity", "has a step twice: each kind is tried once"
    for key in pool.labels:
        if key.partition("/")[0].endswith(("kubernetes.io", "k8s.io", "footplate.dev")):
            yield f"{path}.labels", f"{key!r} is not the stack's to set: use a prefix of your own"
    if pool.fabric and pool.sharing is not None:
        yield f"{path}.fabric", "a fabric joins whole GPUs: remove sharing, or the fabric"
    yield from _sharing(path, pool)


def _step(path: str, step: Capacity, today: date) -> Problems:
    bought = step.kind == "reservation" or (step.kind == "flex" and step.reservation)
    if step.kind == "reservation" and not step.reservation:
        yield f"{path}.reservation", "is missing: name the reservation by its id with the cloud"
    if step.kind in ("spot", "on-demand") and (step.reservation or step.expires):
        yield (
            f"{path}.kind",
            f"{step.kind!r} has no reservation and does not expire: remove those, or make it a reservation",
        )
    if bought and step.expires is None:
        yield f"{path}.expires", "is missing: the day on which the reservation ends, such as 2027-06-30"
    if step.expires is not None and step.expires <= today:
        yield f"{path}.expires", f"{step.expires} is past: remove the step, or renew the reservation and its date"


def _sharing(path: str, pool: GpuPool) -> Problems:
    sharing = pool.sharing
    if sharing is None:
        return
    profiles = GPU_TYPES[pool.gpu].mig
    if sharing.mode == "mig":
        if not profiles:
            yield f"{path}.sharing.mode", f"{pool.gpu} has no MIG: use time-slicing or mps"
        elif sharing.profile not in profiles:
            hint = suggestion(sharing.profile, list(profiles))
            yield f"{path}.sharing.profile", f"{pool.gpu} has no MIG profile {sharing.profile!r}; {hint}"
        if sharing.replicas != 1:
            yield f"{path}.sharing.replicas", "is for time-slicing and mps: the MIG profile says how many there are"
        return
    if sharing.profile:
        yield f"{path}.sharing.profile", f"is for mig: remove it, mode {sharing.mode} has replicas"
    if sharing.replicas < 2:
        yield f"{path}.sharing.replicas", "1 shares nothing: 2 at least, or remove sharing"


def _quotas(config: PlatformConfig) -> Problems:
    """Only where the pools are the stack's to know."""
    most: Counter[str] = Counter()
    for pool in config.gpu_pools:
        most[pool.gpu] += _shares(pool) * pool.count * pool.max_nodes
    for index, team in enumerate(config.teams):
        path = f"teams[{index}].quota"
        for gpu, count in team.quota.gpu_types.items():
            if gpu not in GPU_TYPES:
                yield f"{path}.gpuTypes", f"there is no GPU {gpu!r}; {suggestion(gpu, list(GPU_TYPES))}"
            elif config.provider != "local" and count > most[gpu]:
                yield f"{path}.gpuTypes.{gpu}", f"{count} is more than the pools have at most, {most[gpu]}: lower it"
        total = most.total()
        if config.provider != "local" and team.quota.gpu is not None and team.quota.gpu > total:
            yield (
                f"{path}.gpu",
                f"{team.quota.gpu} is more than the pools have at most, {total}: lower it, or raise maxNodes",
            )


def _shares(pool: GpuPool) -> int:
    if pool.sharing is None:
        return 1
    if pool.sharing.mode == "mig":
        return GPU_TYPES[pool.gpu].mig.get(pool.sharing.profile, 1) if pool.gpu in GPU_TYPES else 1
    return pool.sharing.replicas


def _storage(config: PlatformConfig) -> Problems:
    own = config.provider != "local" and not config.object_store.uri
    if own and (config.storage is None or not config.storage.bucket_prefix):
        yield "storage.bucketPrefix", "is missing: buckets share one namespace worldwide; such as acme-ml-prod"
    if config.scratch is not None and config.scratch.zone and config.scratch.zone not in config.zones:
        yield "scratch.zone", f"{config.scratch.zone!r} is none of footplate:zones ({', '.join(config.zones)})"
    for key, part in (("sharedFilesystem", config.shared_filesystem), ("scratch", config.scratch)):
        if part is not None and quantity.parse(part.size) < 1024**3:
            yield f"{key}.size", f"{part.size!r} is less than 1Gi: give the size with its unit, such as 1Ti"


def _ingress(config: PlatformConfig) -> Problems:
    if config.ingress is None:
        return
    if config.ingress.public and not config.ingress.cidrs:
        yield "ingress.cidrs", "is empty: name who reaches the public ingress, such as 203.0.113.0/24"
    yield from _callers("ingress.cidrs", config.ingress.cidrs)
