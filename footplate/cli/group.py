"""How every group of commands is made: plain help (quick to print), no traceback decoration."""

from __future__ import annotations

import re
from typing import Any

import typer
from typer.core import TyperGroup

CONTEXT: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
"""Help takes the terminal's width, up to what reads well."""


def group(help: str, *, first: tuple[str, ...] = ()) -> typer.Typer:
    """`first`: the commands that its help lists before the others."""

    class Group(TyperGroup):
        def list_commands(self, ctx: Any) -> list[str]:
            names = super().list_commands(ctx)
            return sorted(names, key=lambda name: first.index(name) if name in first else len(first))

        def format_commands(self, ctx: Any, formatter: Any) -> None:
            """A clause for each, wrapped where it is long and never cut in the middle."""
            commands = [(name, self.get_command(ctx, name)) for name in self.list_commands(ctx)]
            rows = [(name, clause(found.help or "")) for name, found in commands if found and not found.hidden]
            with formatter.section("Commands"):
                formatter.write_dl(rows)

    return typer.Typer(
        help=help,
        cls=Group,
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings=CONTEXT,
    )


def clause(help: str) -> str:
    """What a command is for, without its conditions: up to the first full stop, colon or semicolon."""
    return re.split(r"[.:;](?:\s|$)", " ".join(help.split()), maxsplit=1)[0]
