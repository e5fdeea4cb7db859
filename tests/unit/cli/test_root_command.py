import subprocess
import sys

import pytest
import typer
from typer.main import get_command

from footplate.cli.lazy import Entry, lazy_group
from footplate.cli.main import COMMANDS, app
from footplate.errors import MachineLacks

HEAVY = ("aiohttp", "pulumi", "rich", "yaml", "footplate.kube", "footplate.client", "obstore", "grpc")


def test_help_lists_every_command_and_imports_none_of_them() -> None:
    code = (
        "import sys; from footplate.cli import main; from typer.main import get_command\n"
        "get_command(main.app).main(['--help'], prog_name='footplate', standalone_mode=False)\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert all(f"\n  {name} " in shown for name in COMMANDS)
    assert shown.splitlines()[-1] == "[]"


def test_help_takes_the_width_of_the_terminal_up_to_what_reads_well(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    widths: dict[str, int] = {}
    for columns in ("60", "96", "200"):
        monkeypatch.setenv("COLUMNS", columns)
        for arguments in (["--help"], ["job", "list", "--help"]):
            get_command(app).main(arguments, prog_name="footplate", standalone_mode=False)
        widths[columns] = max(len(line) for line in capsys.readouterr().out.splitlines())
    assert widths["60"] <= 60
    assert 80 < widths["96"] <= 96
    assert widths["200"] <= 100


def test_a_group_lists_its_commands_by_what_they_are_for_in_a_useful_order(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    get_command(app).main(["job", "--help"], prog_name="footplate", standalone_mode=False)
    listed = capsys.readouterr().out.partition("Commands:\n")[2]
    assert "..." not in listed
    assert [line.split()[0] for line in listed.splitlines()[:4]] == ["submit", "run", "list", "show"]
    assert "  cancel     End a job\n" in listed


def test_a_command_whose_module_is_missing_says_so_and_leaves_the_others_alone() -> None:
    entries = {"gone": Entry("footplate.cli.no_such_part", "Something"), "job": COMMANDS["job"]}
    root = typer.Typer(cls=lazy_group(entries), rich_markup_mode=None)
    root.callback()(lambda: None)
    command = get_command(root)
    with pytest.raises(MachineLacks, match="`footplate gone` is not available"):
        command.main(["gone"], standalone_mode=False)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    get_command(app).main(["--version"], standalone_mode=False)
    assert capsys.readouterr().out.startswith("footplate ")
