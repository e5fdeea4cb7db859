"""A report as SARIF 2.1.0 (https://docs.oasis-open.org/sarif/sarif/v2.1.0/), as code scanning services read it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

from policies.report.reading import Found, Passed, Report
from policies.rule import Rule, Severity
from policies.rules import RULES

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS: Final = {"mandatory": "error", "advisory": "warning"}
#: GitHub sorts alerts by this number.
_SCORES: Final = {Severity.LOW: "3.0", Severity.MEDIUM: "5.0", Severity.HIGH: "8.0", Severity.CRITICAL: "9.5"}


def sarif(reports: Sequence[Report], version: str, *, root: str = "", fallback: str = "Pulumi.yaml") -> dict[str, Any]:
    """One run a stack. `root`: of the Pulumi project in its repository. `fallback`: the file of what has no place."""
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [_run(report, version, root, fallback) for report in reports],
    }


def _run(report: Report, version: str, root: str, fallback: str) -> dict[str, Any]:
    unknown = dict.fromkeys(found.rule for found in report.findings if found.rule not in RULES)
    rules = [*(_rule(rule) for rule in RULES.values()), *({"id": name} for name in unknown)]
    index = {str(rule["id"]): number for number, rule in enumerate(rules)}

    def result(found: Found | Passed) -> dict[str, Any]:
        level = _LEVELS[found.level] if isinstance(found, Found) else "error"
        return {
            "ruleId": found.rule,
            "ruleIndex": index[found.rule],
            "level": level,
            "message": {"text": found.message},
            "locations": [_location(found, report.stack, root, fallback)],
            "partialFingerprints": {"policyResource/v1": _fingerprint(found)},
            **({} if isinstance(found, Found) else {"suppressions": [_suppression(found)]}),
        }

    invocation: dict[str, Any] = {"executionSuccessful": not report.error}
    if report.error:
        invocation["toolExecutionNotifications"] = [{"level": "error", "message": {"text": report.error}}]
    return {
        "tool": {"driver": {"name": "footplate-policies", "version": version, "rules": rules}},
        "automationDetails": {"id": f"footplate-policies/{report.stack}/"},
        "columnKind": "unicodeCodePoints",
        "invocations": [invocation],
        "results": [result(found) for found in (*report.findings, *report.exempted) if found.rule in index],
    }


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.name,
        "shortDescription": {"text": rule.description},
        "fullDescription": {"text": rule.description},
        "help": {"text": f"{rule.description} Source: {rule.source}."},
        "defaultConfiguration": {"level": _LEVELS.get(rule.level.value, "error")},
        "properties": {
            "tags": ["security", "policy"],
            "precision": "very-high",
            "security-severity": _SCORES[rule.severity],
        },
    }


def _location(found: Found | Passed, stack: str, root: str, fallback: str) -> dict[str, Any]:
    file, _, line = found.location.rpartition(":")
    physical = {
        "artifactLocation": {"uri": quote("/".join(part for part in (root.strip("/"), file or fallback) if part))},
        "region": {"startLine": int(line) if line.isdigit() else 1},
    }
    name = found.resource or stack
    return {"physicalLocation": physical, "logicalLocations": [{"fullyQualifiedName": name, "kind": "resource"}]}


def _fingerprint(found: Found | Passed) -> str:
    """The same finding tomorrow, if a number in it has changed."""
    text = re.sub(r"\d+", "#", found.message)
    return hashlib.sha256("\n".join((found.rule, found.resource, text)).encode()).hexdigest()[:32]


def _suppression(passed: Passed) -> dict[str, str]:
    return {
        "kind": "external",
        "justification": f"{passed.reason} (until {passed.until}, by {passed.owner})",
    }
