"""GPUs: which, how many, for how much, and how they are paid for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase

from msgspec import field

from footplate.costs.prices import Market
from policies.gpus import CAPACITY, COUNTED, NAMED, Pool, cost, named_gpus, pools, unpriced
from policies.rule import Finding, Resource, ResourceRule, Settings, Severity, StackRule
from policies.values import at, mapping, may_be


class Types(Settings, frozen=True):
    #: GPUs by the names of the stack's config (L4, A100-80GB, …); empty: any.
    allowed: tuple[str, ...] = ()


def _types(resource: Resource, settings: Types) -> Iterator[str]:
    if settings.allowed:
        for gpu, where in named_gpus(resource).items():
            if gpu not in settings.allowed:
                yield f"{where} has the GPU {gpu}: this environment allows {', '.join(settings.allowed)}"


GPU_TYPES = ResourceRule(
    name="gpu-types",
    description="Only GPUs that the environment allows are asked for.",
    severity=Severity.HIGH,
    source="none",
    types=frozenset(NAMED),
    check=_types,
    settings=Types,
)


class Count(Settings, frozen=True):
    #: GPUs of the whole stack with every pool at its maximum; unset: any number, but a bound.
    most: int | None = None
    #: The same of one GPU, by its name.
    most_of: dict[str, int] = field(default_factory=dict[str, int])


def _count(resources: Sequence[Resource], settings: Count) -> Iterator[Finding]:
    found = pools(resources)
    for pool in found:
        if pool.most is None:
            yield Finding("nothing bounds its GPUs: set its limits or its maximum number of nodes", pool.resource.urn)
    yield from _over(found, settings.most, "GPUs")
    for gpu, most in settings.most_of.items():
        yield from _over([pool for pool in found if gpu in pool.gpus], most, f"{gpu} GPUs")


def _over(found: Sequence[Pool], most: int | None, what: str) -> Iterator[Finding]:
    bounded = sorted(((pool.most, pool.resource.name) for pool in found if pool.most), reverse=True)
    total = sum(count for count, _ in bounded)
    if most is not None and total > most:
        largest = ", ".join(f"{name} {count}" for count, name in bounded[:5])
        yield Finding(f"up to {total} {what}, and {most} are allowed: lower the pools' maximum ({largest})")


GPU_COUNT = StackRule(
    name="gpu-count-cap",
    description="The number of GPUs at the autoscalers' maximum is bounded, and within the environment's cap.",
    severity=Severity.HIGH,
    source="none",
    types=COUNTED,
    check=_count,
    settings=Count,
)


class HourlyCost(Settings, frozen=True):
    #: USD an hour with every pool at its maximum, of the GPU machines alone; unset: any amount.
    gpus: float | None = None
    #: USD an hour with every pool at its maximum, of all that has a price; unset: any amount.
    total: float | None = None
    #: USD an hour with every pool at its minimum, of all that has a price; unset: any amount.
    standing: float | None = None


def _cost(resources: Sequence[Resource], settings: HourlyCost) -> Iterator[Finding]:
    caps = (settings.gpus, settings.total, settings.standing)
    if all(cap is None for cap in caps):
        return
    found = cost(resources)
    amounts = (found.maximum.gpu, found.maximum.total, found.minimum.total)
    whats = ("the GPUs at their maximum", "the stack at its maximum", "the stack at its minimum")
    for cap, amount, what in zip(caps, amounts, whats, strict=True):
        if cap is not None and amount is None:
            yield Finding(f"the cost of {what} has no bound, and ${cap:g}/h are allowed: bound each pool")
        elif cap is not None and amount is not None and amount > cap:
            yield Finding(
                f"{what}: ${amount:,.2f}/h, and ${cap:,.2f}/h are allowed; lower the pools' maximum or minimum"
            )
    for missing in unpriced(resources):
        yield Finding(
            f"{missing.what}: {missing.why}, so that it is not in the cap; give one by FOOTPLATE_PRICES", missing.urn
        )


GPU_COST = StackRule(
    name="hourly-cost-cap",
    description="What the stack costs an hour is within the environment's cap.",
    severity=Severity.HIGH,
    source="clstokes/pulumi-policy-aws-cost (EC2 only)",
    types=COUNTED,
    check=_cost,
    settings=HourlyCost,
)


class Batch(Settings, frozen=True):
    #: Names of pools for work that can wait, `*` stands for any text; a pool's label footplate.dev/pool counts too.
    pools: tuple[str, ...] = ("*batch*",)
    #: Node labels that say the same of a pool.
    labels: dict[str, str] = field(default_factory=lambda: {"footplate.dev/priority": "batch"})


def _batch(resources: Sequence[Resource], settings: Batch) -> Iterator[Finding]:
    for pool in pools(resources):
        named = any(fnmatchcase(name, pattern) for name in pool.names for pattern in settings.pools)
        labelled = any(pool.labels.get(label) == value for label, value in settings.labels.items())
        if (named or labelled) and Market.ON_DEMAND in pool.markets:
            yield Finding(
                f"it is a pool for batch work and takes {', '.join(pool.gpus)} on demand: take spot, flex-start, a capacity "
                "block or a reservation",
                pool.resource.urn,
            )


BATCH_CAPACITY = StackRule(
    name="batch-capacity",
    description="Pools for batch work take spot, flex-start, capacity blocks or reservations.",
    severity=Severity.MEDIUM,
    source="none",
    types=COUNTED,
    check=_batch,
    settings=Batch,
)


class Idle(Settings, frozen=True):
    #: Pools that may keep nodes, `*` stands for any text.
    exempt: tuple[str, ...] = ()


def _standing(resources: Sequence[Resource], settings: Idle) -> Iterator[Finding]:
    for pool in pools(resources):
        if any(fnmatchcase(name, pattern) for name in pool.names for pattern in settings.exempt):
            continue
        if pool.least_nodes and not pool.markets & {Market.RESERVED, Market.CAPACITY_BLOCK}:
            yield Finding(
                f"its minimum is {pool.least_nodes}, which is {pool.least} GPUs also when nothing runs: set it to 0, or name it "
                "among the rule's exempt ones",
                pool.resource.urn,
            )
        disruption = mapping(at(pool.resource.properties, "spec.disruption"))
        if disruption.get("consolidateAfter") == "Never":
            yield Finding("spec.disruption.consolidateAfter is Never: empty nodes stay; set a time", pool.resource.urn)


SCALE_TO_ZERO = StackRule(
    name="gpu-scale-to-zero",
    description="GPU pools have no nodes while nothing runs, but those of a reservation, which is paid for anyway.",
    severity=Severity.MEDIUM,
    source="none",
    types=COUNTED,
    check=_standing,
    settings=Idle,
)

_GCE_RESERVATION = "gcp:compute/reservation:Reservation"
_GCE_FUTURE = "gcp:compute/futureReservation:FutureReservation"


def _endless(reservation: Resource, _: Settings) -> Iterator[str]:
    properties = reservation.properties
    if reservation.type == CAPACITY:
        if not may_be(properties.get("endDateType"), "limited") or properties.get("endDate") is None:
            yield "it is paid for until somebody cancels it: set endDateType to limited, and endDate"
    elif reservation.type == _GCE_RESERVATION:
        if properties.get("deleteAtTime") is None and properties.get("deleteAfterDuration") is None:
            yield "it is paid for until somebody deletes it: set deleteAtTime or deleteAfterDuration"
    elif properties.get("autoCreatedReservationsDeleteTime") is None and not may_be(
        properties.get("autoDeleteAutoCreatedReservations"), True
    ):
        yield (
            "the reservations that it makes stay: set autoDeleteAutoCreatedReservations to true, or "
            "autoCreatedReservationsDeleteTime"
        )


RESERVATION_END = ResourceRule(
    name="reservation-end-date",
    description="Reservations end at a time that is set.",
    severity=Severity.HIGH,
    source="none",
    types=frozenset({CAPACITY, _GCE_RESERVATION, _GCE_FUTURE}),
    check=_endless,
    settings=Settings,
)

RULES = (GPU_TYPES, GPU_COUNT, GPU_COST, BATCH_CAPACITY, SCALE_TO_ZERO, RESERVATION_END)
