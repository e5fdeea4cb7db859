"""From the JSON of `footplate preview -o json` to findings."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from policies.exemptions import Exempted, parse
from policies.pack import NOTES
from policies.rules import RULES
from policies.values import mappings

_CHANGED = re.compile(r"policy (?P<rule>\S+) changed its properties")


class Found(msgspec.Struct, frozen=True, omit_defaults=True):
    """`resource`: a URN; empty for the stack as a whole. `location`: `components/team.py:12`, where it is known."""

    rule: str
    level: Literal["mandatory", "advisory"]
    severity: str
    resource: str
    message: str
    location: str = ""


class Passed(msgspec.Struct, frozen=True, omit_defaults=True):
    """A finding that does not count: `owner`, `reason` and `until` of its exemption."""

    rule: str
    resource: str
    message: str
    owner: str
    reason: str
    until: str
    location: str = ""


class Mended(msgspec.Struct, frozen=True):
    rule: str
    resource: str


@dataclass(frozen=True)
class Report:
    """`notes`: about exemptions. `error`: why the preview came to no end; what it has found until then is not all."""

    stack: str
    findings: list[Found] = field(default_factory=list[Found])
    exempted: list[Passed] = field(default_factory=list[Passed])
    mended: list[Mended] = field(default_factory=list[Mended])
    notes: list[str] = field(default_factory=list[str])
    error: str = ""

    @property
    def mandatory(self) -> list[Found]:
        return [found for found in self.findings if found.level == "mandatory"]

    @property
    def advisory(self) -> list[Found]:
        return [found for found in self.findings if found.level == "advisory"]


def read(preview: Mapping[str, Any]) -> Report:
    refused = any(given.get("mandatory") for given in mappings(preview.get("policies")))
    # The error of a preview that policies refuse is their findings.
    report = Report(str(preview.get("stack") or ""), error="" if refused else str(preview.get("error") or ""))
    for given in mappings(preview.get("policies")):
        policy, urn, location = str(given["policy"]), str(given["urn"]), str(given.get("declared") or "")
        message = str(given["message"])
        if policy == NOTES:
            _note(report, urn, message, location)
        elif policy in RULES or given.get("mandatory"):
            rule = RULES.get(policy)
            described = message.removeprefix(rule.description).strip() if rule else message
            level = "mandatory" if given.get("mandatory") else "advisory"
            severity = rule.severity.value if rule else "medium"
            report.findings.append(Found(policy, level, severity, urn, described, location))
    for said in mappings(preview.get("messages")):
        if changed := _CHANGED.match(str(said["message"])):
            report.mended.append(Mended(changed["rule"], str(said.get("urn") or "")))
    return report


def _note(report: Report, urn: str, message: str, location: str) -> None:
    exempted: Exempted | None = parse(message)
    if exempted is None:
        report.notes.append(message)
        return
    report.exempted.append(
        Passed(
            exempted.rule,
            urn,
            exempted.message,
            exempted.owner,
            exempted.reason,
            exempted.expires.isoformat(),
            location,
        )
    )


def data(report: Report) -> dict[str, Any]:
    """For JSON."""
    return {
        "version": 1,
        "stack": report.stack,
        "error": report.error,
        "summary": {
            "mandatory": len(report.mandatory),
            "advisory": len(report.advisory),
            "exempted": len(report.exempted),
            "remediated": len(report.mended),
        },
        "findings": msgspec.to_builtins(report.findings),
        "exempted": msgspec.to_builtins(report.exempted),
        "remediated": msgspec.to_builtins(report.mended),
        "notes": report.notes,
    }
