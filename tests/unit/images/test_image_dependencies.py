"""Each image installs what the sources copied into it import."""

import ast
import sys
import tomllib
from pathlib import Path

import pytest

from footplate.images import catalogue, inputs

#: Module → distribution, where their names differ or one comes with another.
DISTRIBUTIONS = {
    "yaml": "pyyaml",
    "prometheus_client": "prometheus-client",
    "multidict": "aiohttp",
    "yarl": "aiohttp",
    "jupyter_server": "jupyterlab",
    "tornado": "jupyterlab",
}

#: Imported only where a kubeconfig names a client certificate that is no longer valid, to say so; and where PyTorch is.
OPTIONAL = {"cryptography", "torch"}

#: Sources that lie in the image and are not run there, the SDK for other images; or that its Dockerfile removes again.
_REMOVED = (
    *(f"footplate/cli/{name}.py" for name in ("account", "bringup", "cluster", "images", "stack")),
    "footplate/client/doctor/cloud/",
)
NOT_RUN = {
    "platform": ("footplate/client/", "footplate/sdk.py", "footplate/agent/workspace/"),
    "jupyter": _REMOVED,
    "pytorch": _REMOVED,
}


def imported(source: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return names


@pytest.mark.parametrize("name", catalogue.NAMES)
def test_the_image_installs_what_its_sources_import(name: str) -> None:
    root = catalogue.repository()
    project = tomllib.loads((root / "images" / name / "pyproject.toml").read_text())["project"]
    installed = {dependency.split(">")[0].split("<")[0].strip() for dependency in project["dependencies"]}
    missing: dict[str, str] = {}
    for source in inputs.files(root, (root / catalogue.find(name).dockerfile).read_text()):
        relative = source.relative_to(root).as_posix()
        if source.suffix != ".py" or relative.startswith(NOT_RUN[name]):
            continue
        for module in imported(source):
            top = module.split(".")[0]
            if top in sys.stdlib_module_names or top == "footplate" or top in OPTIONAL:
                continue
            if DISTRIBUTIONS.get(top, top) not in installed:
                missing[top] = relative
    assert missing == {}


@pytest.mark.parametrize("name", catalogue.NAMES)
def test_the_image_has_the_modules_of_footplate_that_its_sources_import(name: str) -> None:
    root = catalogue.repository()
    sources = {
        source.relative_to(root).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")
        for source in inputs.files(root, (root / catalogue.find(name).dockerfile).read_text())
        if source.suffix == ".py"
    }
    missing = {
        module
        for source in inputs.files(root, (root / catalogue.find(name).dockerfile).read_text())
        if source.suffix == ".py" and not source.relative_to(root).as_posix().startswith(NOT_RUN[name])
        for module in imported(source)
        if module.split(".")[0] == "footplate" and module not in sources
    }
    assert missing == set()
