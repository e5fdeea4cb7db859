"""What one check found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from footplate import errors
from footplate.errors import FootplateError


class Verdict(StrEnum):
    OK = "ok"
    WARNING = "warning"
    """It works, and something is worth a look."""
    FAILED = "failed"
    SKIPPED = "skipped"
    """It could not be looked at: something before it failed, or this person may not."""


@dataclass(frozen=True)
class Finding:
    check: str
    verdict: Verdict
    detail: str
    remedy: str | None = None
    kind: type[FootplateError] = errors.ClusterAccess
    """What a failure of this check is, for the exit code."""


def ok(check: str, detail: str) -> Finding:
    return Finding(check, Verdict.OK, detail)


def warning(check: str, detail: str, remedy: str | None = None) -> Finding:
    return Finding(check, Verdict.WARNING, detail, remedy)


def skipped(check: str, detail: str) -> Finding:
    return Finding(check, Verdict.SKIPPED, detail)


def failed(check: str, error: FootplateError) -> Finding:
    return Finding(check, Verdict.FAILED, error.message, error.remedy, type(error))
