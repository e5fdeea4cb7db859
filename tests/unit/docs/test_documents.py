"""What the documents point to is there, and the commands that they name have those options."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from footplate.cli import doctor, stack

ROOT = Path(__file__).parents[3]
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
COMMANDS = {"doctor": doctor.app, "preview": stack.app, "up": stack.app, "destroy": stack.app, "outputs": stack.app}


def options(name: str) -> set[str]:
    command = get_command(COMMANDS[name])
    members = getattr(command, "commands", {command.name: command})
    return {option for param in members[name].params for option in (*param.opts, *param.secondary_opts)}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_relative_links_lead_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", document.read_text())
    assert [link for link in links if not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_options_of_commands_exist(document: Path) -> None:
    for name, rest in re.findall(r"footplate (\w+)([^\n`)]*)", document.read_text()):
        given = re.findall(r"(?<=\s)(--?[a-z][a-z-]*)", rest.partition("#")[0].partition(" -- ")[0].partition("|")[0])
        if name in COMMANDS:
            assert set(given) <= options(name), f"{document.name}: footplate {name}{rest}"
