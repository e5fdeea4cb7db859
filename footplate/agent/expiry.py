"""Removes what jobs left behind long ago, from stores that do not delete by themselves (versitygw has no lifecycle rules)."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from footplate.agent.ending import say
from footplate.agent.store import Store

MOST = 200
"""Jobs that are looked at in one go: any of them, so that each has its turn."""


def expire(records_uri: str, environment: Mapping[str, str], seconds: float) -> None:
    """`records_uri`: of the attempt that does it. Its team's jobs of which nothing was written for so long lose all of it."""
    team, own = records_uri.rsplit("/", 2)[0], records_uri.rsplit("/", 2)[1]
    store = Store(team, environment)
    before = datetime.now(UTC) - timedelta(seconds=seconds)
    removed = 0
    others = [job for job in store.folders() if job != own]
    for job in random.sample(others, min(len(others), MOST)):
        objects = store.list(job)
        if objects and all(item.modified is not None and item.modified < before for item in objects):
            store.delete(item.path for item in objects)
            removed += 1
    if removed:
        say(f"removed the records of {removed} jobs that ended long ago")
