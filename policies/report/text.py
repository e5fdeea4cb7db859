"""A report for people: what has to change first."""

from __future__ import annotations

from collections.abc import Iterator

from policies.report.reading import Found, Report


def text(report: Report) -> str:
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    counts = f"{len(report.mandatory)} mandatory, {len(report.advisory)} advisory"
    more = [f"{len(report.mended)} put right"] if report.mended else []
    more += [f"{len(report.exempted)} exempted"] if report.exempted else []
    yield f"{report.stack}: {', '.join([counts, *more])}"
    if report.error:
        yield f"the preview came to no end, so there may be more: {report.error}"
    for title, findings in (("must change", report.mandatory), ("should change", report.advisory)):
        if findings:
            yield ""
            yield title
            yield from (line for found in findings for line in _found(found))
    if report.exempted:
        yield ""
        yield "exempted"
        for passed in report.exempted:
            yield f"  {passed.rule}  {short(passed.resource)}  until {passed.until} by {passed.owner}: {passed.reason}"
    for note in report.notes:
        yield f"note: {note}"


def _found(found: Found) -> Iterator[str]:
    where = f"  ({found.location})" if found.location else ""
    yield f"  {found.rule} [{found.severity}]  {short(found.resource)}{where}"
    yield f"    {found.message}"


def short(urn: str) -> str:
    """`NodePool l4` of a URN."""
    if not urn:
        return "the stack"
    type, _, name = urn.rpartition("::")
    return f"{type.rpartition('::')[2].rpartition('$')[2].rpartition(':')[2]} {name}"
