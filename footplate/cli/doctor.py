"""`footplate doctor`."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import typer

from footplate.cli.exit_codes import ExitCode, exit_code
from footplate.cli.group import group
from footplate.cli.options import ContextOption, KubeconfigOption, TeamOption
from footplate.cli.output import Output, OutputOption, colourful, print_data, styled

if TYPE_CHECKING:
    from footplate.client.doctor.finding import Finding

app = group("Checks this machine, the cluster and the platform on it.")

_MARKS = {"ok": ("ok", "32"), "warning": ("!!", "33"), "failed": ("NO", "31"), "skipped": ("--", "2")}
_WIDTH = 14


@app.command()
def doctor(
    output: OutputOption = Output.TABLE,
    team: TeamOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
) -> None:
    """Check this machine, the cluster and the platform on it; ends with 0 where nothing failed."""
    from footplate.client.doctor.checks import examine
    from footplate.client.target import Target

    async def run() -> list[Finding]:
        found: list[Finding] = []
        async with aclosing(examine(Target(kubeconfig, context), team)) as findings:
            async for finding in findings:
                found.append(finding)
                if output is Output.TABLE and finding.verdict != "skipped":
                    print(_line(finding), flush=True)
        return found

    found = asyncio.run(run())
    if output is Output.TABLE:
        print("\n".join(_skipped(found)), end="\n" if _skipped(found) else "")
    else:
        print_data([_data(finding) for finding in found], output)
    raise typer.Exit(_code(found))


def _line(finding: Finding) -> str:
    mark, colour = _MARKS[finding.verdict]
    line = f"{styled(mark, colour if colourful() else None)}  {finding.check:<{_WIDTH}}{finding.detail}"
    return f"{line}\n    {'':{_WIDTH}}{finding.remedy}" if finding.remedy else line


def _skipped(found: list[Finding]) -> list[str]:
    """One line a reason."""
    reasons: dict[str, list[str]] = {}
    for finding in found:
        if finding.verdict == "skipped":
            reasons.setdefault(finding.detail, []).append(finding.check)
    mark = styled(*_MARKS["skipped"]) if colourful() else _MARKS["skipped"][0]
    return [f"{mark}  not looked at: {', '.join(checks)} ({why})" for why, checks in reasons.items()]


def _data(finding: Finding) -> dict[str, Any]:
    row = {"check": finding.check, "verdict": str(finding.verdict), "detail": finding.detail}
    return {**row, "remedy": finding.remedy} if finding.remedy else row


def _code(found: list[Finding]) -> int:
    """Of the first failure: what comes after it may follow from it."""
    first = next((finding for finding in found if finding.verdict == "failed"), None)
    return ExitCode.OK if first is None else exit_code(first.kind(first.detail))
