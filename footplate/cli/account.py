"""The checks of a cloud account, `footplate doctor --cloud`: for machines that bring platforms up."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from footplate.client.doctor.finding import Finding, failed
from footplate.engine.planning import asked_by
from footplate.errors import Refused


def examined(
    cloud: str, stack: str | None, leftovers: str | None, region: str, project: str, cwd: Path
) -> Iterator[Finding]:
    asked, account = asked_by(cwd, stack, cloud, region, os.environ)
    match cloud:
        case "aws":
            from footplate.client.doctor.cloud import aws, aws_leftovers

            session = aws.session_for(asked.region)
            if leftovers:
                return aws_leftovers.examine(session, asked.region, leftovers)
            return aws.examine(session, asked, account)
        case _:
            from footplate.client.doctor.cloud import gcp, gcp_leftovers

            try:
                clients = gcp.clients_for(project or account)
            except Refused as error:
                return iter([failed("identity", error)])
            return gcp_leftovers.examine(clients, leftovers) if leftovers else gcp.examine(clients, asked)
