"""`footplate up|preview|refresh|destroy|outputs`: one stack of the Pulumi project in the working directory.

The engine is the Pulumi CLI where it is on PATH, and the embedded one elsewhere (`--engine` decides otherwise). Both
give the same events, so all that is printed is made here once.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from footplate.cli import exit_codes
from footplate.cli.group import group
from footplate.cli.output import Output, OutputOption, print_data
from footplate.errors import BadUsage, FootplateError, NotFound

if TYPE_CHECKING:
    from footplate.engine.checked import AnyStack
    from footplate.engine.events import Event, Observer
    from footplate.engine.stack import Approve, Result

app = group("The stacks of a Pulumi project.")


class EngineChoice(StrEnum):
    AUTO = "auto"
    EMBEDDED = "embedded"
    PULUMI = "pulumi"


StackOption = Annotated[
    str,
    typer.Option(
        "--stack", "-s", envvar=["FOOTPLATE_STACK", "PULUMI_STACK"], help="The stack; stacks/ has their files."
    ),
]
DirectoryOption = Annotated[Path, typer.Option("--cwd", "-C", help="A directory of the project.", file_okay=False)]
ConfigOption = Annotated[
    list[str] | None,
    typer.Option(
        "--config",
        "-c",
        metavar="KEY=VALUE",
        help="Instead of the stack file's value, for this run; objects and lists as JSON or YAML, a part of one as teams[0].name=…",
    ),
]
PackOption = Annotated[
    list[Path] | None,
    typer.Option("--policy-pack", metavar="DIRECTORY", help="A policy pack that decides too; repeatable."),
]
PackConfigOption = Annotated[
    list[Path] | None,
    typer.Option(
        "--policy-pack-config",
        metavar="FILE",
        help='Levels and settings of the pack\'s policies, as {"gpu-types": "advisory"}: JSON, one for each --policy-pack.',
    ),
]
ParallelOption = Annotated[int, typer.Option("--parallel", "-p", min=1, help="Operations at once.")]
EngineOption = Annotated[
    EngineChoice, typer.Option("--engine", envvar="FOOTPLATE_ENGINE", help="What runs the program.")
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
AllowOption = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-replace",
        metavar="NAME",
        help="A cluster, GPU pool or data store (its name or URN) that may be replaced or deleted; repeatable.",
    ),
]
PricesOption = Annotated[
    list[Path] | None,
    typer.Option("--prices", metavar="FILE", help="Prices that win over the list prices; FOOTPLATE_PRICES counts too."),
]
DiffOption = Annotated[bool, typer.Option("--diff", help="Show every field of what is created.")]


@app.command()
def up(
    stack: StackOption = "local",
    cwd: DirectoryOption = Path(),
    config: ConfigOption = None,
    policy_pack: PackOption = None,
    policy_pack_config: PackConfigOption = None,
    parallel: ParallelOption = 16,
    engine: EngineOption = EngineChoice.AUTO,
    allow_replace: AllowOption = None,
    prices: PricesOption = None,
    yes: YesOption = False,
    diff: DiffOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Bring the platform to what the stack's configuration says: previews, asks, changes, waits until it is ready."""
    opened = _open(stack, cwd, config, policy_pack, parallel, engine, allow_replace, prices, policy_pack_config)
    result = _run(opened, lambda observe: opened.up(observe, None if yes else _ask("update")), output, diff)
    if output is Output.TABLE:
        _say("nothing to change" if not result.changed else "")
        _print_outputs(dict(result.outputs), Output.TABLE)


@app.command()
def preview(
    stack: StackOption = "local",
    cwd: DirectoryOption = Path(),
    config: ConfigOption = None,
    policy_pack: PackOption = None,
    policy_pack_config: PackConfigOption = None,
    parallel: ParallelOption = 16,
    engine: EngineOption = EngineChoice.AUTO,
    allow_replace: AllowOption = None,
    prices: PricesOption = None,
    expect_no_changes: Annotated[
        bool, typer.Option("--expect-no-changes", help="Exit with 1 if there are any.")
    ] = False,
    diff: DiffOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show what `up` would change."""
    opened = _open(stack, cwd, config, policy_pack, parallel, engine, allow_replace, prices, policy_pack_config)
    result = _run(opened, opened.preview, output, diff, stdout=True)
    if expect_no_changes and result.changed:
        raise FootplateError("changes were expected not to be, and there are some", "see the preview above")


@app.command()
def refresh(
    stack: StackOption = "local",
    cwd: DirectoryOption = Path(),
    parallel: ParallelOption = 16,
    engine: EngineOption = EngineChoice.AUTO,
    preview_only: Annotated[
        bool, typer.Option("--preview-only", help="Show drift, and leave the state as it is.")
    ] = False,
    expect_no_changes: Annotated[
        bool, typer.Option("--expect-no-changes", help="Exit with 1 if there are any.")
    ] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Read the real state of what the stack made, and take it into the stack's state."""
    opened = _open(stack, cwd, None, None, parallel, engine)
    result = _run(opened, lambda observe: opened.refresh(observe, preview=preview_only), output, False, stdout=True)
    if expect_no_changes and result.changed:
        raise FootplateError("drift was expected not to be, and there is some", "`footplate up` puts it right")


@app.command()
def destroy(
    stack: StackOption = "local",
    cwd: DirectoryOption = Path(),
    parallel: ParallelOption = 16,
    engine: EngineOption = EngineChoice.AUTO,
    yes: YesOption = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Remove all that the stack made."""
    opened = _open(stack, cwd, None, None, parallel, engine)
    _run(opened, lambda observe: opened.destroy(observe, None if yes else _ask("deletion")), output, False)


@app.command()
def outputs(
    name: Annotated[str | None, typer.Argument(help="One output alone, its bare value.")] = None,
    stack: StackOption = "local",
    cwd: DirectoryOption = Path(),
    engine: EngineOption = EngineChoice.AUTO,
    show_secrets: Annotated[bool, typer.Option("--show-secrets", help="In clear.")] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """The outputs of a stack."""
    from footplate.engine.values import masked

    found = _open(stack, cwd, None, None, 1, engine).outputs()
    if name is None:
        _print_outputs(found, output, reveal=show_secrets)
        return
    if name not in found:
        raise NotFound(f"stack {stack!r} has no output {name!r}", f"it has: {', '.join(sorted(found)) or 'none'}")
    value = masked(found[name], reveal=show_secrets)
    if isinstance(value, str) and output is Output.TABLE:
        print(value)
    else:
        print_data(value, Output.JSON if output is Output.TABLE else output)


def _open(
    stack: str,
    cwd: Path,
    config: list[str] | None,
    packs: list[Path] | None,
    parallel: int,
    engine: EngineChoice,
    allow_replace: list[str] | None = None,
    prices: list[Path] | None = None,
    pack_configs: list[Path] | None = None,
) -> AnyStack:
    from footplate.engine.stacks import open_stack

    return open_stack(
        cwd,
        stack,
        config=dict(_pair(text) for text in config or []),
        policy_packs=packs or [],
        policy_configs=pack_configs or [],
        parallel=parallel,
        engine=engine.value,
        allow_replace=allow_replace or [],
        prices=prices or [],
    )


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise BadUsage(f"--config takes KEY=VALUE, not {text!r}")
    return key, value


def _run(
    stack: AnyStack,
    operation: Callable[[Observer], Awaitable[Result]],
    output: Output,
    diff: bool,
    *,
    stdout: bool = False,
) -> Result:
    """Prints the run: for people as it goes, for scripts as one report. `stdout`: what it shows is its result."""
    from footplate.engine.display.report import Report
    from footplate.engine.errors import Interrupted, ProgramFailed

    report = Report(stack.engine)
    try:
        with _shown(output, stdout, diff) as display:

            def observe(event: Event) -> None:
                report(event)
                if display is not None:
                    display(event)

            async def run() -> Result:
                with report.failing():
                    return await operation(observe)

            return asyncio.run(run())
    except ProgramFailed as error:
        if error.traceback:
            print(error.traceback, file=sys.stderr)
        raise
    except Interrupted as error:
        exit_codes.say(error.message)
        raise typer.Exit(exit_codes.ExitCode.INTERRUPTED) from None
    finally:
        if output is not Output.TABLE:
            print_data(report.data(), output)


@contextmanager
def _shown(output: Output, stdout: bool, diff: bool) -> Generator[Observer | None]:
    from rich.console import Console

    from footplate.engine.display.observers import Display

    if output is not Output.TABLE:
        yield None
        return
    console = Console(stderr=not stdout, no_color="NO_COLOR" in os.environ or None)
    display = Display(console, diff=diff)
    try:
        yield display
    finally:
        display.close()


def _ask(what: str) -> Approve:
    def approve(result: Result) -> bool:
        if not result.totals.changed and what == "deletion":
            return False
        if not sys.stdin.isatty() or not sys.stderr.isatty():
            raise BadUsage(f"the {what} has to be confirmed, and there is no terminal to ask on", "add --yes")
        return typer.confirm(f"Go on with the {what}?", err=True, abort=True)

    return approve


def _print_outputs(found: dict[str, Any], output: Output, *, reveal: bool = False) -> None:
    from footplate.engine.display import wording
    from footplate.engine.values import masked

    if output is not Output.TABLE:
        print_data(masked(found, reveal=reveal), output)
        return
    for line in wording.outputs(found, reveal=reveal):
        print(line)


def _say(message: str) -> None:
    if message:
        print(message, file=sys.stderr)
