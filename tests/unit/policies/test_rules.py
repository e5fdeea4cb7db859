"""Each rule on inputs that it passes and inputs that it does not."""

from __future__ import annotations

from typing import Any

import pytest

from policies.rule import ResourceRule
from policies.rules import RULES
from tests.unit.policies.cases import CASES
from tests.unit.policies.inputs import Case, resource
from tests.unit.policies.sdk_schema import knows, unknown_inputs
from tests.unit.policies.stack_cases import STACK_CASES, StackCase

CUSTOM = ("karpenter.", "footplate.dev", "cloud.google.com")


def rule_of(case: Case) -> ResourceRule[Any]:
    rule = RULES[case.rule]
    assert isinstance(rule, ResourceRule)
    return rule


def ids(case: Case | StackCase) -> str:
    return f"{case.rule}-{case.type.rpartition(':')[2]}" if isinstance(case, Case) else case.rule


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_what_is_right_passes(case: Case) -> None:
    for inputs in case.right:
        assert rule_of(case).findings(resource(case.type, inputs, protect=case.protect), case.settings) == []


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_what_is_wrong_is_named(case: Case) -> None:
    for inputs, words in case.wrong:
        judged = resource(case.type, inputs, protect=case.protect)
        found = rule_of(case).findings(judged, case.settings)
        assert any(words in finding.message for finding in found), found
        assert {finding.urn for finding in found} == {judged.urn}


@pytest.mark.parametrize("case", STACK_CASES, ids=ids)
def test_a_stack_is_judged_as_a_whole(case: StackCase) -> None:
    rule = RULES[case.rule]
    assert not isinstance(rule, ResourceRule)
    assert rule.findings(case.right, case.settings) == []
    found = rule.findings(case.wrong, case.settings)
    assert any(case.words in finding.message for finding in found), found


def test_each_rule_has_cases() -> None:
    assert {*(case.rule for case in CASES), *(case.rule for case in STACK_CASES)} == set(RULES)
    assert all(case.wrong for case in CASES)


@pytest.mark.parametrize("case", [case for case in CASES if not any(c in case.type for c in CUSTOM)], ids=ids)
def test_the_cases_use_the_sdks_own_names(case: Case) -> None:
    for inputs in [*case.right, *(inputs for inputs, _ in case.wrong)]:
        assert unknown_inputs(case.type, inputs) == []


@pytest.mark.parametrize("name", RULES)
def test_the_sdks_have_the_types_that_a_rule_judges(name: str) -> None:
    rule = RULES[name]
    types = rule.types if isinstance(rule, ResourceRule) else frozenset[str]()
    assert [type for type in types if not any(c in type for c in CUSTOM) and not knows(type)] == []


@pytest.mark.parametrize("case", [case for case in CASES if rule_of(case).mend], ids=ids)
def test_a_remediation_puts_right_what_it_changes(case: Case) -> None:
    rule = rule_of(case)
    for inputs, _ in case.wrong:
        changed = rule.mended(resource(case.type, inputs), case.settings)
        if changed is not None:
            mended = resource(case.type, {**inputs, **changed})
            assert rule.findings(mended, case.settings) == []
            assert rule.mended(mended, case.settings) is None
            assert any(c in case.type for c in CUSTOM) or unknown_inputs(case.type, dict(changed)) == []
    assert all(rule.mended(resource(case.type, inputs), case.settings) is None for inputs in case.right)
