"""The documentation of the rules."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from policies.catalogue import table
from policies.rules import RULES

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/policies.md").read_text()


def test_the_page_has_the_rules_as_they_are() -> None:
    assert table() in PAGE, "python -m policies.catalogue prints the table for docs/policies.md"


def test_names_are_unique_and_rules_say_what_holds() -> None:
    topics = sorted((ROOT / "policies/rules").glob("*.py"))
    named = re.findall(r'^    name="([-\w]+)",$', "".join(path.read_text() for path in topics), re.MULTILINE)
    assert sorted(named) == sorted(RULES)
    assert all(rule.description.endswith(".") and rule.source for rule in RULES.values())


def test_the_example_of_another_pack_is_python_on_names_that_are_there() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    tree = ast.parse(example)
    *body, served = tree.body
    assert isinstance(served, ast.Expr)
    assert isinstance(served.value, ast.Call)
    scope: dict[str, object] = {}
    policies = ast.Assign([ast.Name("policies", ast.Store())], served.value.args[1])
    module = ast.fix_missing_locations(ast.Module([*body, policies], []))
    exec(compile(module, "docs/policies.md", "exec"), scope)
    found = scope["policies"]
    assert isinstance(found, list)
    assert [policy.name for policy in found] == ["eks-endpoint-limited", "gpu-types"]
