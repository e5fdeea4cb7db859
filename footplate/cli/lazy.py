"""A command group whose members are imported when they are called, so that each pays for itself alone."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol, cast

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from footplate.errors import MachineLacks


@dataclass(frozen=True)
class Entry:
    """`module` has `app: typer.Typer`; `command` is one of its commands, None: all of it under the entry's name."""

    module: str
    help: str
    command: str | None = None

    @property
    def available(self) -> bool:
        return find_spec(self.module) is not None


class _Group(Protocol):
    @property
    def commands(self) -> dict[str, Any]: ...


def lazy_group(entries: dict[str, Entry]) -> type[TyperGroup]:
    class LazyGroup(TyperGroup):
        def __init__(self, **attributes: Any) -> None:
            super().__init__(**attributes)
            for name, entry in entries.items():
                command = TyperCommand(name, short_help=entry.help, hidden=not entry.available, rich_markup_mode=None)
                self.add_command(command, name)

        def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
            name, command, rest = super().resolve_command(ctx, args)
            entry = entries.get(name or "")
            return name, _load(entry, name or "") if entry else command, rest

    return LazyGroup


def _load(entry: Entry, name: str) -> Any:
    try:
        app: typer.Typer = import_module(entry.module).app
    except ModuleNotFoundError as error:
        raise MachineLacks(
            f"`footplate {name}` is not available in this installation: the module {error.name} is missing.",
            "reinstall Footplate; in a checkout of it, `make up` does",
        ) from error
    command = get_command(app)
    if entry.command is None:
        return command
    members = cast(_Group, command).commands if isinstance(command, TyperGroup) else {command.name: command}
    return members[entry.command]
