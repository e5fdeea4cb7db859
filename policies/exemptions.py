"""Exemptions: a rule that does not count for some resources, for a reason, until a day."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from fnmatch import fnmatchcase
from typing import Annotated, NamedTuple

from msgspec import Meta, Struct

from policies.rule import Finding

SOON = 14
"""Days before its end from which an exemption is pointed out."""


class Exemption(Struct, frozen=True, forbid_unknown_fields=True):
    """`resource`: a URN in which * stands for any text, such as `urn:pulumi:dev-*::*::scratch`."""

    rule: Annotated[str, Meta(min_length=1)]
    resource: Annotated[str, Meta(pattern=r"^(urn:pulumi:|\*)")]
    reason: Annotated[str, Meta(min_length=10)]
    owner: Annotated[str, Meta(pattern=r"^[^()]+$")]
    #: The last day on which it counts.
    expires: date

    def covers(self, rule: str, urn: str) -> bool:
        return self.rule == rule and fnmatchcase(urn, self.resource)


class Exempted(NamedTuple):
    """A finding that is exempted: what is told of it, as Pulumi has no such thing as an exempted violation."""

    rule: str
    expires: date
    owner: str
    reason: str
    message: str

    def text(self, days_left: int | None) -> str:
        soon = "" if days_left is None else f", in {days_left} days,"
        return f"{self.rule} is exempted until {self.expires}{soon} by {self.owner} ({self.reason}): {self.message}"


_TOLD = re.compile(
    r"(?P<rule>\S+) is exempted until (?P<expires>[-\d]+)(, in \d+ days,)? by (?P<owner>[^(]+) \((?P<reason>.*?)\): "
    r"(?P<message>.*)",
    re.DOTALL,
)


def parse(text: str) -> Exempted | None:
    """What `text` made; None for any other text."""
    found = _TOLD.search(text)
    if found is None:
        return None
    return Exempted(
        found["rule"], date.fromisoformat(found["expires"]), found["owner"], found["reason"], found["message"]
    )


class Exemptions:
    """Of one run: judges findings, and remembers which were exempted by what."""

    def __init__(self, exemptions: tuple[Exemption, ...], today: date) -> None:
        self._exemptions = exemptions
        self._today = today
        self._used: dict[tuple[Exemption, str, str], None] = {}

    def judge(self, rule: str, finding: Finding, stack_urn: str) -> Finding | None:
        """None where it is exempted. One whose exemption has expired says so."""
        urn = finding.urn or stack_urn
        covering = [exemption for exemption in self._exemptions if exemption.covers(rule, urn)]
        for exemption in covering:
            if exemption.expires >= self._today:
                self._used[exemption, finding.message, urn] = None
                return None
        if covering:
            last = max(covering, key=lambda exemption: exemption.expires)
            ended = f"the exemption that {last.owner} had for it expired on {last.expires}"
            return Finding(f"{finding.message} ({ended})", finding.urn)
        return finding

    def exempts(self, rule: str, urn: str) -> bool:
        return any(one.covers(rule, urn) and one.expires >= self._today for one in self._exemptions)

    def notes(self, stack: str) -> Iterator[Finding]:
        """What was exempted in this run, and exemptions of this stack that are of no use any more."""
        for exemption, message, urn in self._used:
            told = Exempted(exemption.rule, exemption.expires, exemption.owner, exemption.reason, message)
            left = (exemption.expires - self._today).days
            yield Finding(told.text(left if left <= SOON else None), urn)
        used = {exemption for exemption, _, _ in self._used}
        for exemption in self._exemptions:
            stack_pattern = exemption.resource.removeprefix("urn:pulumi:").partition("::")[0]
            if exemption not in used and exemption.expires >= self._today and fnmatchcase(stack, stack_pattern):
                yield Finding(
                    f"the exemption of {exemption.resource} from {exemption.rule} by {exemption.owner} exempts nothing: "
                    "remove it"
                )
