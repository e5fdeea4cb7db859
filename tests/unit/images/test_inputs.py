"""Tags follow from content, and from nothing else."""

import os
from pathlib import Path

import pytest

from footplate.errors import MachineLacks
from footplate.images import catalogue, inputs
from footplate.images.builder import SOURCES, STAGE

DOCKERFILE = """\
ARG BASE=python:3.11
FROM ${BASE} AS dependencies
COPY locks/uv.lock /build/
FROM ${BASE}
# COPY comment.txt /nowhere
RUN apt-get update \\
    && echo COPY this is no instruction
COPY --from=dependencies /opt /opt
copy --chown=1000 source/*.py \\
     /app/
ADD data /app/data
"""


@pytest.fixture
def context(tmp_path: Path) -> Path:
    for name in ("locks/uv.lock", "source/a.py", "source/b.py", "source/c.txt", "data/deep/x", "other/y"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    return tmp_path


def tag(context: Path, **arguments: str) -> str:
    return inputs.tag(context, (context / "Dockerfile").read_text(), arguments)


def test_the_inputs_are_what_the_dockerfile_copies(context: Path) -> None:
    found = [path.relative_to(context).as_posix() for path in inputs.files(context, DOCKERFILE, {})]
    assert found == ["data/deep/x", "locks/uv.lock", "source/a.py", "source/b.py"]


@pytest.mark.parametrize("name", ["Dockerfile", "locks/uv.lock", "source/a.py", "data/deep/x"])
def test_a_changed_input_changes_the_tag(context: Path, name: str) -> None:
    before = tag(context)
    with (context / name).open("a") as file:
        file.write("\nRUN more\n")
    assert tag(context) != before


def test_names_modes_and_arguments_change_the_tag(context: Path) -> None:
    tags = {tag(context), tag(context, TORCH="apt"), tag(context, TORCH="wheel"), tag(context, TORCHapt="")}
    (context / "source/a.py").rename(context / "source/d.py")
    tags.add(tag(context))
    (context / "source/d.py").chmod(0o755)
    tags.add(tag(context))
    assert len(tags) == 6


def test_nothing_else_changes_the_tag(context: Path) -> None:
    before = tag(context, A="1", B="2")
    (context / "other/y").write_text("changed")
    (context / "Dockerfile").write_text(f"# A comment.\n{DOCKERFILE}")
    (context / "data/__pycache__").mkdir()
    (context / "data/__pycache__/x.cpython-311.pyc").write_bytes(b"compiled")
    os.utime(context / "source/a.py", (1, 1))
    assert tag(context, B="2", A="1") == before
    assert len(before) == 12


def test_a_source_that_is_not_there_is_named(context: Path) -> None:
    (context / "locks/uv.lock").unlink()
    with pytest.raises(MachineLacks, match="locks/uv"):
        tag(context)


@pytest.mark.parametrize("name", catalogue.NAMES)
def test_the_build_context_lets_through_what_the_dockerfiles_copy(name: str) -> None:
    """.dockerignore names what is let through; everything that is copied must be below it."""
    root, image = catalogue.repository(), catalogue.find(name)
    allowed = [
        line[1:].rstrip("/") for line in (root / ".dockerignore").read_text().splitlines() if line.startswith("!")
    ]
    for pattern in inputs.copied((root / image.dockerfile).read_text(), image.arguments("cpu")):
        assert any(pattern == prefix or pattern.startswith(f"{prefix}/") for prefix in allowed), pattern


@pytest.mark.parametrize("name", catalogue.NAMES)
def test_the_last_stage_adds_the_sources_and_nothing_else(name: str) -> None:
    """What the exported archive takes of it is that one directory."""
    root = catalogue.repository()
    text = (root / catalogue.find(name).dockerfile).read_text()
    before, last = inputs.split(text)
    stage = [line.split() for line in last.splitlines()]
    assert stage[0] == ["FROM", STAGE]
    assert f"FROM ${{BASE}} AS {STAGE}" in before.splitlines()
    for words in stage[1:]:
        assert words[0] in ("COPY", "RUN", "USER")
        assert words[0] == "USER" or words[-1].startswith(f"/{SOURCES}")
    assert not [pattern for pattern in inputs.copied(before) if pattern.startswith("footplate")]


def test_a_change_of_sources_leaves_the_tag_of_the_stage_before(context: Path) -> None:
    two = "FROM a AS environment\nCOPY locks/uv.lock /x\nFROM environment\nCOPY source /y\n"
    whole, before = inputs.tag(context, two, {}), inputs.tag(context, inputs.split(two)[0], {})
    (context / "source/a.py").write_text("changed")
    assert inputs.tag(context, inputs.split(two)[0], {}) == before
    assert inputs.tag(context, two, {}) != whole
