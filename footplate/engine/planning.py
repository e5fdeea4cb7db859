"""The machines that a stack asks for, from a preview that calls no cloud."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from footplate.client.doctor.cloud.needs import Needs, needs
from footplate.costs.prices import load
from footplate.engine.checked import regions
from footplate.engine.costing import Costing
from footplate.engine.project.config import plain_values
from footplate.engine.stack import Stack
from footplate.errors import BadUsage


def asked_by(
    directory: Path, stack: str | None, cloud: str, region: str, environ: Mapping[str, str]
) -> tuple[Needs, str]:
    """What the stack needs of the cloud, and the account (or project) that it is for. Without a stack: the region alone."""
    if stack is None:
        found = region or regions({}, environ)[cloud]
        if not found and cloud == "aws":
            raise BadUsage("no region is named", "give --region or --stack, or set AWS_REGION")
        return Needs(found), ""
    opened = Stack(directory, stack, environ=environ)
    config = plain_values(opened.project, stack)
    costing = Costing(regions(config, environ))
    asyncio.run(opened.preview(costing))
    asked = needs(costing.plan(), load(), cloud)
    account = str(config.get(f"{opened.project.name}:account") or "")
    return Needs(region or asked.region, asked.pools), account
