"""A small edit changes what it is about: pools that are added, removed or put in another order leave the others alone."""

from __future__ import annotations

from typing import Any

from tests.unit.providers.gcp.conftest import Built, build, pool

L4 = pool(name="l4", gpu="L4")
H100 = pool(name="h100", gpu="H100", count=8, fabric=True, capacity=[{"kind": "spot"}])
MORE = pool(name="more", gpu="H100", count=8, fabric=True, capacity=[{"kind": "flex"}, {"kind": "spot"}])


def inputs(built: Built) -> dict[tuple[str, str], Any]:
    return built.registered.resources


def test_the_order_of_pools_and_a_pool_beside_them_change_no_other() -> None:
    before = inputs(build(pools=[L4, H100]))
    after = inputs(build(pools=[MORE, H100, L4]))
    assert {key: after[key] for key in before} == before
    added = {name for _, name in after.keys() - before.keys()}
    assert added == {"more", "more-flex", "more-spot"}, "a fabric's networks are there for all pools of it"


def test_a_step_of_the_ladder_is_its_own_node_pool_wherever_it_stands() -> None:
    reserved = {"kind": "reservation", "reservation": "l4-a", "expires": "2027-06-30"}
    zone = ["us-central1-a"]
    short = inputs(build(pools=[pool(name="l4", gpu="L4", zones=zone, capacity=[reserved])]))
    second = {**reserved, "reservation": "l4-b"}
    steps = [second, {"kind": "spot"}, reserved]
    long = inputs(build(pools=[pool(name="l4", gpu="L4", zones=zone, capacity=steps)]))
    type_ = "gcp:container/nodePool:NodePool"
    (name,) = {name for kind, name in short if kind == type_ and name.startswith("l4-")}
    assert long[type_, name] == short[type_, name]
