"""What commands print on stdout: tables and text for people, JSON and YAML for scripts (`--output`).

    @app.command("list")
    def list_(output: OutputOption = Output.TABLE) -> None:
        print_list(items, COLUMNS, output)

Tables are plain aligned columns, so that they can be piped and stay quick; colour and cutting to the width of the
window are for terminals only.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Generic, TypeVar

import typer

T = TypeVar("T")


class Output(StrEnum):
    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


OutputOption = Annotated[
    Output, typer.Option("--output", "-o", help="table for people; json or yaml for scripts.", show_default=True)
]


@dataclass(frozen=True)
class Column(Generic[T]):
    """`value` None or empty prints as `-`. `style` gives SGR codes such as `32` for the value, for terminals."""

    title: str
    value: Callable[[T], object]
    style: Callable[[T], str | None] = lambda _: None


def plain(value: Any) -> Any:
    """As JSON would have it: msgspec Structs by their wire names, everything else as it is."""
    if hasattr(value, "__struct_fields__"):
        import msgspec

        return msgspec.to_builtins(value)
    return value


def api_object(raw: dict[str, Any]) -> dict[str, Any]:
    """An object as the API has it, without what only machines keep."""
    return {**raw, "metadata": {key: value for key, value in raw["metadata"].items() if key != "managedFields"}}


def print_list(
    items: Sequence[T], columns: Sequence[Column[T]], output: Output, *, data: Callable[[T], Any] = plain
) -> None:
    """An array of objects, or a table: only its heading where there are none (say why on stderr)."""
    if output is Output.TABLE:
        print(table(items, columns, width=terminal_width(), colour=colourful()))
    else:
        print_data([data(item) for item in items], output)


def print_object(item: T, output: Output, human: Callable[[T], str], *, data: Callable[[T], Any] = plain) -> None:
    if output is Output.TABLE:
        print(human(item))
    else:
        print_data(data(item), output)


def print_data(data: Any, output: Output) -> None:
    """`data`: what JSON can hold."""
    if output is Output.YAML:
        import yaml

        print(yaml.safe_dump(data, sort_keys=False, allow_unicode=True), end="")
    else:
        print(json.dumps(data, indent=2, ensure_ascii=False))


def table(items: Sequence[T], columns: Sequence[Column[T]], *, width: int | None, colour: bool) -> str:
    """Two blanks between columns. `width`: the last column is cut so that lines fit; None: nothing is cut."""
    cells = [[_cell(column.value(item)) for column in columns] for item in items]
    heads = [column.title.upper() for column in columns]
    widths = [max(len(row[i]) for row in [heads, *cells]) for i in range(len(columns))]
    lines = [_line(heads, widths, [("2" if colour else None)] * len(columns), width)]
    for item, row in zip(items, cells, strict=True):
        lines.append(_line(row, widths, [column.style(item) if colour else None for column in columns], width))
    return "\n".join(lines)


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return " ".join(text.split()) or "-"


def _line(row: list[str], widths: list[int], styles: Sequence[str | None], width: int | None) -> str:
    before = sum(widths[:-1]) + 2 * (len(widths) - 1)
    last = row[-1]
    room = max(20, width - before) if width else len(last)
    if len(last) > room:
        last = last[: room - 1] + "…"
    padded = [text.ljust(size) for text, size in zip(row[:-1], widths[:-1], strict=True)] + [last]
    return "  ".join(styled(text, style) for text, style in zip(padded, styles, strict=True)).rstrip()


def styled(text: str, codes: str | None) -> str:
    return f"\x1b[{codes}m{text}\x1b[0m" if codes else text


def colourful() -> bool:
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"


def terminal_width() -> int | None:
    """None where stdout is no terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None
