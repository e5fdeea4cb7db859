from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from footplate.engine.changes import Change, ChangeKind
from footplate.engine.deployment.decide import Circumstances, decide, decide_plain, decide_provider
from footplate.engine.deployment.order import delete_in_order, dependents
from footplate.engine.errors import ResourceProtected
from footplate.engine.events import Op
from footplate.engine.goal import Goal
from footplate.engine.providers.contract import NO_DIFF, Diff
from footplate.engine.state.model import Resource

GOAL = Goal("kubernetes:apps/v1:Deployment", "web", True, {})
OLD = Resource("urn:pulumi:d::p::kubernetes:apps/v1:Deployment::web", True, GOAL.type, id="default/web")
REPLICAS = Change(("spec", "replicas"), ChangeKind.UPDATE, 1, 2)
SELECTOR = Change(("spec", "selector"), ChangeKind.UPDATE, {}, {}, forces_replacement=True)


def decided(goal: Goal = GOAL, old: Resource | None = OLD, diff: Diff = NO_DIFF, **around: Any) -> tuple[Op, bool, str]:
    new = msgspec.structs.replace(OLD, protect=bool(goal.protect))
    decision = decide(goal, old, new, diff, Circumstances(**around))
    return decision.op, decision.delete_first, decision.reason


def with_options(**options: Any) -> Goal:
    from dataclasses import replace

    return replace(GOAL, **options)


def test_the_first_time_it_is_created_then_left_alone_until_something_changes() -> None:
    assert decided(old=None)[0] is Op.CREATE
    assert decided()[0] is Op.SAME
    assert decided(diff=Diff([REPLICAS]))[0] is Op.UPDATE


def test_what_somebody_deleted_is_created_again() -> None:
    op, _, reason = decided(diff=Diff(gone=True))
    assert (op, reason) == (Op.CREATE, "it no longer exists: somebody deleted it")


def test_a_fixed_field_replaces_and_the_provider_says_in_which_order() -> None:
    op, first, reason = decided(diff=Diff([REPLICAS, SELECTOR], delete_before_replace=True))
    assert (op, first, reason) == (Op.REPLACE, True, "spec.selector cannot be changed in place")
    assert decided(diff=Diff([SELECTOR]))[:2] == (Op.REPLACE, False)
    # deleteBeforeReplace decides, either way.
    assert decided(with_options(delete_before_replace=True), diff=Diff([SELECTOR]))[1] is True
    assert (
        decided(with_options(delete_before_replace=False), diff=Diff([SELECTOR], delete_before_replace=True))[1]
        is False
    )


def test_options_can_make_any_change_a_replacement() -> None:
    assert decided(with_options(replace_on_changes=("spec.replicas",)), diff=Diff([REPLICAS]))[0] is Op.REPLACE
    assert decided(with_options(replace_on_changes=("*",)), diff=Diff([REPLICAS]))[0] is Op.REPLACE
    assert decided(with_options(replace_on_changes=("metadata",)), diff=Diff([REPLICAS]))[0] is Op.UPDATE
    triggered = msgspec.structs.replace(OLD, replacement_trigger="v1")
    assert decided(with_options(replacement_trigger="v2"), old=triggered)[2] == "its replacement trigger changed"
    assert decided(with_options(replacement_trigger="v1"), old=triggered)[0] is Op.SAME
    assert decided(with_options(replacement_trigger="v1"))[0] is Op.SAME, "the first trigger is no change of it"
    assert decided(replaced_with="Namespace red")[2] == "it is replaced with Namespace red"
    assert decided(old=msgspec.structs.replace(OLD, taint=True))[0] is Op.REPLACE


def test_in_another_cluster_the_new_one_comes_first() -> None:
    assert decided(diff=Diff(delete_before_replace=True), provider_changed=True)[:2] == (Op.REPLACE, False)


def test_an_unfinished_creation_is_taken_up_again() -> None:
    op, _, reason = decided(old=msgspec.structs.replace(OLD, init_errors=("never became ready",)))
    assert (op, reason) == (Op.UPDATE, "last time: never became ready")
    assert decided(old=msgspec.structs.replace(OLD, pending_replacement=True))[0] is Op.CREATE
    assert decided(old=msgspec.structs.replace(OLD, external=True))[0] is Op.CREATE


def test_what_is_protected_is_not_replaced() -> None:
    protected = msgspec.structs.replace(OLD, protect=True)
    with pytest.raises(ResourceProtected, match=r"spec\.selector cannot be changed in place"):
        decided(with_options(protect=True), old=protected, diff=Diff([SELECTOR]))
    # Taking the protection away and replacing go together in one update.
    assert decided(with_options(protect=False), old=protected, diff=Diff([SELECTOR]))[0] is Op.REPLACE
    assert decided(with_options(protect=True), old=protected, diff=Diff([REPLICAS]))[0] is Op.UPDATE


def test_components_and_providers_have_no_api_to_ask() -> None:
    assert decide_plain(None, []).op is Op.CREATE
    assert decide_plain(OLD, [REPLICAS]).op is Op.UPDATE
    assert decide_plain(OLD, []).op is Op.SAME
    assert decide_provider(OLD, [REPLICAS], []).op is Op.UPDATE
    assert decide_provider(OLD, [REPLICAS], ["kubeconfig"]).op is Op.REPLACE


@st.composite
def graphs(draw: st.DrawFn) -> list[Resource]:
    """Resources in the order of a state file: each needs only earlier ones."""
    found: list[Resource] = []
    for index in range(draw(st.integers(1, 12))):
        needs = draw(st.sets(st.integers(0, index - 1), max_size=3)) if index else set[int]()
        found.append(
            Resource(f"urn:pulumi:d::p::t::{index}", True, "t", dependencies=tuple(found[i].urn for i in needs))
        )
    return found


@given(graphs(), st.sets(st.integers(0, 11)))
async def test_nothing_is_deleted_before_what_needs_it(resources: list[Resource], stuck: set[int]) -> None:
    gone: list[str] = []

    async def delete(resource: Resource) -> bool:
        assert all(needing.urn in gone for needing in resources if resource.urn in needing.needs)
        if int(resource.urn.rpartition("::")[2]) in stuck:
            return False
        gone.append(resource.urn)
        return True

    left = await delete_in_order(resources, delete)
    assert left == len(resources) - len(gone)
    # Only what could not be deleted, and what it needs, is left.
    kept = {r.urn for r in resources} - set(gone)
    for resource in resources:
        if resource.urn in kept and int(resource.urn.rpartition("::")[2]) not in stuck:
            assert any(needing.urn in kept for needing in resources if resource.urn in needing.needs)


def test_a_replaced_resource_and_its_successor_are_both_waited_for() -> None:
    new, old = Resource("u", True, "t"), Resource("u", True, "t", delete=True)
    child = Resource("c", True, "t", dependencies=("u",))
    assert dependents([new, old, child]) == {0: [2], 1: [2], 2: []}
