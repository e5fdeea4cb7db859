"""The rules as a table for people: `python -m policies.catalogue` prints what docs/policies.md has."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from policies.rule import ResourceRule, Rule
from policies.rules import RULES

_CLOUDS = {"aws": "AWS", "gcp": "GCP", "kubernetes": "Kubernetes"}


def table() -> str:
    lines = [
        "| rule | where it holds | judges | level | severity | settings and their defaults | source |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [f"| {' | '.join(_cells(rule))} |" for rule in RULES.values()]
    return "\n".join(lines) + "\n"


def _cells(rule: Rule) -> tuple[str, ...]:
    clouds = dict.fromkeys(type.partition(":")[0] for type in sorted(rule.types))
    judges = ", ".join(_CLOUDS[cloud] for cloud in clouds)
    if not isinstance(rule, ResourceRule):
        judges += ", as a whole"
    settings = "<br>".join(f"`{name}: {json.dumps(value)}`" for name, value in _defaults(rule).items())
    return (f"`{rule.name}`", rule.description, judges, rule.level.value, rule.severity.value, settings, rule.source)


def _defaults(rule: Rule) -> dict[str, Any]:
    return msgspec.to_builtins(rule.settings())


if __name__ == "__main__":
    print(table(), end="")
