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
    *(f"footplate/cli/{name}.py" for name in ("account", "bringup", "cluster", "environment", "images", "stack")),
    "footplate/client/doctor/cloud/",
)
NOT_RUN = {
    **dict.fromkeys(catalogue.NAMES, _REMOVED),
    "platform": ("footplate/client/", "footplate/sdk.py", "footplate/agent/workspace/"),
}


def sources(name: str) -> list[Path]:
    root, image = catalogue.repository(), catalogue.find(name)
    found = inputs.files(root, (root / image.dockerfile).read_text(), image.arguments("cpu"))
    return [file for file in found if file.suffix == ".py"]


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
    for source in sources(name):
        relative = source.relative_to(root).as_posix()
        if relative.startswith(NOT_RUN[name]):
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
    there = {
        source.relative_to(root).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__")
        for source in sources(name)
    }
    missing = {
        module
        for source in sources(name)
        if not source.relative_to(root).as_posix().startswith(NOT_RUN[name])
        for module in imported(source)
        if module.split(".")[0] == "footplate" and module not in there
    }
    assert missing == set()


@pytest.mark.parametrize("name", [image.name for image in catalogue.IMAGES if not image.own_dockerfile])
def test_each_has_a_variant_for_gpus_whose_inputs_are_others(name: str) -> None:
    root, image = catalogue.repository(), catalogue.find(name)
    text = (root / image.dockerfile).read_text()
    assert root / "images" / name / "uv.lock" in inputs.files(root, text, image.arguments("cpu"))
    groups = tomllib.loads((root / "images" / name / "pyproject.toml").read_text())["dependency-groups"]
    assert groups["cuda"]
    assert inputs.tag(root, text, image.arguments("cpu")) != inputs.tag(root, text, image.arguments("cuda"))
