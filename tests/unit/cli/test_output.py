import json
from dataclasses import dataclass

import pytest
import yaml

from footplate.api.environment import EnvironmentSpec
from footplate.cli.output import Column, Output, print_list, print_object, table


@dataclass(frozen=True)
class Row:
    name: str
    message: str | None


COLUMNS = (
    Column[Row]("Name", lambda row: row.name),
    Column[Row]("Message", lambda row: row.message, lambda row: "31" if row.message else None),
)


def test_columns_are_aligned_and_missing_values_are_dashes() -> None:
    shown = table([Row("a", "waits\nfor a GPU"), Row("longer", None)], COLUMNS, width=None, colour=False)
    assert shown.splitlines() == ["NAME    MESSAGE", "a       waits for a GPU", "longer  -"]


def test_the_last_column_is_cut_to_the_window_but_stays_readable() -> None:
    shown = table([Row("a", "x" * 100)], COLUMNS, width=40, colour=False)
    assert len(shown.splitlines()[1]) == 40
    assert shown.endswith("…")
    narrow = table([Row("a", "x" * 100)], COLUMNS, width=5, colour=False)
    assert len(narrow.splitlines()[1]) == 26


def test_colour_does_not_disturb_alignment() -> None:
    shown = table([Row("a", "bad"), Row("longer", None)], COLUMNS, width=None, colour=True)
    assert shown.splitlines()[1] == "a       \x1b[31mbad\x1b[0m"


def test_json_lists_are_arrays_in_the_names_of_the_api(capsys: pytest.CaptureFixture[str]) -> None:
    print_list([EnvironmentSpec("i:1", display_name="PyTorch")], (), Output.JSON)
    assert json.loads(capsys.readouterr().out) == [{"image": "i:1", "displayName": "PyTorch"}]


def test_yaml(capsys: pytest.CaptureFixture[str]) -> None:
    print_object({"name": "é", "nodes": 2}, Output.YAML, lambda _: "")
    shown = capsys.readouterr().out
    assert yaml.safe_load(shown) == {"name": "é", "nodes": 2}
    assert "é" in shown
