"""`footplate doctor`."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from footplate.cli.exit_codes import ExitCode, exit_code
from footplate.cli.group import group
from footplate.cli.options import ContextOption, KubeconfigOption, TeamOption
from footplate.cli.output import Output, OutputOption, colourful, print_data, styled
from footplate.errors import BadUsage, MachineLacks

if TYPE_CHECKING:
    from footplate.client.doctor.finding import Finding

app = group("Checks this machine, the cluster and the platform on it, or a cloud account.")


class Cloud(StrEnum):
    AWS = "aws"
    GCP = "gcp"


CloudOption = Annotated[Cloud | None, typer.Option("--cloud", help="A cloud account instead: is it ready for a stack?")]
StackOption = Annotated[str | None, typer.Option("--stack", "-s", help="With --cloud: whose machines are asked for.")]
LeftoversOption = Annotated[
    str | None,
    typer.Option("--leftovers", metavar="CLUSTER", help="With --cloud: what is left of a cluster that was destroyed."),
]
RegionOption = Annotated[str | None, typer.Option("--region", help="With --cloud; the stack's when left out.")]
ProjectOption = Annotated[
    str | None, typer.Option("--project", help="With --cloud gcp; the credentials' own when left out.")
]
DirectoryOption = Annotated[Path, typer.Option("--cwd", "-C", help="With --stack: the project.", file_okay=False)]

_MARKS = {"ok": ("ok", "32"), "warning": ("!!", "33"), "failed": ("NO", "31"), "skipped": ("--", "2")}
_WIDTH = 16


@app.command()
def doctor(
    output: OutputOption = Output.TABLE,
    team: TeamOption = None,
    context: ContextOption = None,
    kubeconfig: KubeconfigOption = None,
    cloud: CloudOption = None,
    stack: StackOption = None,
    leftovers: LeftoversOption = None,
    region: RegionOption = None,
    project: ProjectOption = None,
    cwd: DirectoryOption = Path(),
) -> None:
    """Check this machine, the cluster and the platform on it; ends with 0 where nothing failed.

    With --cloud: the account's identity, APIs, machines, quotas and permissions, or what is left of a cluster.
    """
    if cloud is not None:
        if find_spec("footplate.cli.account") is None:
            raise MachineLacks("This footplate does not look at cloud accounts.", "use that of Footplate's repository")
        from footplate.cli.account import examined

        account = examined(cloud.value, stack, leftovers, region or "", project or "", cwd)
        _end([_told(finding, output) for finding in account], output)
    if stack or leftovers or region or project:
        raise BadUsage("--stack, --leftovers, --region and --project are of a cloud account", "add --cloud aws or gcp")
    from footplate.client.doctor.checks import examine
    from footplate.client.target import Target

    async def run() -> list[Finding]:
        async with aclosing(examine(Target(kubeconfig, context), team)) as findings:
            return [_told(finding, output) async for finding in findings]

    _end(asyncio.run(run()), output)


def _told(finding: Finding, output: Output) -> Finding:
    """As soon as it is there; what was skipped is told at the end."""
    if output is Output.TABLE and finding.verdict != "skipped":
        print(_line(finding), flush=True)
    return finding


def _end(found: list[Finding], output: Output) -> None:
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
