"""The page that `job explain` prints, and the table of `job attempts`."""

from __future__ import annotations

from datetime import UTC, datetime

from footplate.api.trainingjob import Attempt, Straggler
from footplate.api.usage import Holder, Pool
from footplate.cli import human
from footplate.cli.output import Column, table
from footplate.cli.showing import cause_text
from footplate.client.reasons import Explanation, Quota


def explanation_page(found: Explanation) -> str:
    place = f"{found.position} of {found.waiting} that wait" if found.position and found.waiting else ""
    rows = [
        ("Asks for", found.asked),
        ("Position", place),
        ("What would help", found.next_action or ""),
    ]
    return human.page(
        found.sentence,
        rows,
        [
            ("What there is", _pools(found.pools)),
            ("Who holds it", _holders(found.holders)),
            ("Slow ranks, for which the others wait", _slow(found.slow)),
            ("Your team's quota", _quota(found.quota)),
        ],
    )


def _pools(pools: tuple[Pool, ...]) -> list[str]:
    columns = (
        Column[Pool]("Pool", lambda p: p.label),
        Column[Pool]("Nodes", lambda p: p.nodes),
        Column[Pool]("Has", lambda p: p.capacity),
        Column[Pool]("In use", lambda p: p.used),
        Column[Pool]("Of one node", lambda p: p.most or None),
        Column[Pool]("Most free on one", lambda p: max((int(n) for n in p.free), default=0)),
        Column[Pool]("Closed nodes", lambda p: p.closed or None),
        Column[Pool]("Suspect", lambda p: ", ".join(p.suspect)),
    )
    return table(pools, columns, width=None, colour=False).splitlines() if pools else []


def _holders(holders: tuple[Holder, ...]) -> list[str]:
    columns = (
        Column[Holder]("Team", lambda h: h.team),
        Column[Holder]("What", lambda h: f"{h.kind} {h.name}"),
        Column[Holder]("GPUs", lambda h: f"{h.units} × {h.gpu or 'GPU'}"),
        Column[Holder]("Priority", lambda h: h.priority),
        Column[Holder]("For", lambda h: human.age(h.since)),
    )
    return table(holders, columns, width=None, colour=False).splitlines() if holders else []


def _slow(slow: tuple[Straggler, ...]) -> list[str]:
    columns = (
        Column[Straggler]("Rank", lambda s: s.rank),
        Column[Straggler]("Node", lambda s: s.node),
        Column[Straggler]("Takes", lambda s: f"{s.times} × the others' time"),
        Column[Straggler]("For", lambda s: human.age(s.since)),
    )
    return table(slow, columns, width=None, colour=False).splitlines() if slow else []


def _quota(quota: tuple[Quota, ...]) -> list[str]:
    columns = (
        Column[Quota]("Resource", lambda q: q.resource),
        Column[Quota]("In use", lambda q: q.used),
        Column[Quota]("Of", lambda q: q.hard),
    )
    return table(quota, columns, width=None, colour=False).splitlines() if quota else []


def attempt_columns(now: datetime | None = None) -> tuple[Column[Attempt], ...]:
    at = now or datetime.now(UTC)
    return (
        Column[Attempt]("#", lambda a: a.number),
        Column[Attempt]("Nodes", lambda a: a.nodes),
        Column[Attempt]("Began", lambda a: human.ago(a.start, at)),
        Column[Attempt]("Waited", lambda a: human.waited(a, at)),
        Column[Attempt]("Ran", lambda a: human.ran(a, at)),
        Column[Attempt]("From step", lambda a: a.start_step),
        Column[Attempt]("Checkpoint", lambda a: a.checkpoint_step),
        Column[Attempt]("Budget", lambda a: a.cause.budget if a.cause else None),
        Column[Attempt]("Ended by", lambda a: cause_text(a.cause) if a.cause else None),
    )
