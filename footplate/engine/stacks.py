"""Which engine runs a stack: the Pulumi CLI where it is on PATH, the embedded one elsewhere."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from footplate.engine.checked import AnyStack, CheckedStack
from footplate.engine.errors import cli_remedy
from footplate.engine.project.config import plain_values
from footplate.engine.project.manifest import Project
from footplate.engine.stack import Stack
from footplate.errors import MachineLacks


def open_stack(
    directory: Path,
    name: str,
    *,
    config: Mapping[str, str] | None = None,
    policy_packs: Sequence[Path] = (),
    policy_configs: Sequence[Path] = (),
    parallel: int = 16,
    engine: str | Literal["auto", "embedded", "pulumi"] = "auto",
    allow_replace: Sequence[str] = (),
    prices: Sequence[Path] = (),
    environ: Mapping[str, str] = os.environ,
) -> AnyStack:
    """`allow_replace`: URNs or names of what may be replaced or deleted though it holds something; `prices`: files that
    win over the package's price table, beside that of FOOTPLATE_PRICES; `policy_configs`: none, or one for each pack."""
    packs = {"policy_packs": policy_packs, "policy_configs": policy_configs}
    found, project = _open(directory, name, config, packs, parallel, engine, environ)
    own = [Path(environ["FOOTPLATE_PRICES"])] if environ.get("FOOTPLATE_PRICES") else []
    return CheckedStack(
        found, plain_values(project, name, config), environ, allow_replace=allow_replace, prices=[*own, *prices]
    )


def _open(
    directory: Path,
    name: str,
    config: Mapping[str, str] | None,
    packs: Mapping[str, Sequence[Path]],
    parallel: int,
    engine: str,
    environ: Mapping[str, str],
) -> tuple[AnyStack, Project]:
    pulumi = shutil.which("pulumi", path=environ.get("PATH"))
    if engine == "pulumi" and pulumi is None:
        raise MachineLacks("there is no Pulumi CLI on PATH", cli_remedy("footplate up"))
    if engine != "embedded" and pulumi is not None:
        from footplate.engine.pulumi_cli import PulumiStack

        driven = PulumiStack(directory, name, config=config, **packs, parallel=parallel, environ=environ)
        return driven, driven.project
    own = Stack(directory, name, config=config, **packs, parallel=parallel, environ=environ)
    return own, own.project
