"""Which engine runs a stack: the Pulumi CLI where it is on PATH, the embedded one elsewhere."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal, Protocol

from footplate.engine.errors import cli_remedy
from footplate.engine.events import Observer
from footplate.engine.stack import Approve, Result, Stack
from footplate.engine.values import Properties
from footplate.errors import MachineLacks


class AnyStack(Protocol):
    """What both engines do with a stack. `engine`: `embedded` or `pulumi`."""

    @property
    def engine(self) -> str: ...

    async def preview(self, observe: Observer) -> Result: ...
    async def up(self, observe: Observer, approve: Approve | None = None) -> Result: ...
    async def destroy(self, observe: Observer, approve: Approve | None = None) -> Result: ...
    async def refresh(self, observe: Observer, *, preview: bool = False) -> Result: ...
    def outputs(self) -> Properties: ...
    def forget(self) -> None: ...


def open_stack(
    directory: Path,
    name: str,
    *,
    config: Mapping[str, str] | None = None,
    policy_packs: Sequence[Path] = (),
    parallel: int = 16,
    engine: str | Literal["auto", "embedded", "pulumi"] = "auto",
    environ: Mapping[str, str] = os.environ,
) -> AnyStack:
    pulumi = shutil.which("pulumi", path=environ.get("PATH"))
    if engine == "pulumi" and pulumi is None:
        raise MachineLacks("there is no Pulumi CLI on PATH", cli_remedy("footplate up"))
    if engine != "embedded" and pulumi is not None:
        from footplate.engine.pulumi_cli import PulumiStack

        return PulumiStack(
            directory, name, config=config, policy_packs=policy_packs, parallel=parallel, environ=environ
        )
    return Stack(directory, name, config=config, policy_packs=policy_packs, parallel=parallel, environ=environ)
