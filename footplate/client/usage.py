"""What the platform has, who holds it, who waits; and what a team's quota leaves."""

from __future__ import annotations

import msgspec

from footplate.api import usage as published
from footplate.api.usage import Usage
from footplate.client.kinds import CONFIG_MAP, QUOTA
from footplate.client.reasons import Quota
from footplate.client.session import Session
from footplate.errors import ClusterAccess
from footplate.kube.errors import Forbidden
from footplate.kube.errors import NotFound as ApiNotFound


async def usage(session: Session) -> Usage | None:
    """None where the platform does not publish it, or not to this person."""
    with session.doing("read the platform's usage"):
        try:
            found = await session.kube.get(CONFIG_MAP, published.CONFIG_MAP, session.system)
        except (ApiNotFound, Forbidden):
            return None
    data: dict[str, str] = found.get("data") or {}
    if not data:
        return None
    try:
        return published.decode(data)
    except (KeyError, msgspec.DecodeError) as error:
        text = f"The platform's usage (ConfigMap {published.CONFIG_MAP}) has a form that this version cannot read: {error}."
        raise ClusterAccess(text, "bring this command to the version of the platform") from error


async def quota(session: Session) -> tuple[Quota, ...]:
    """Of the team; none where it may not be read."""
    with session.doing("read the team's quota"):
        try:
            listing = await session.kube.list(QUOTA, await session.namespace())
        except Forbidden:
            return ()
    found: list[Quota] = []
    for item in listing.items:
        hard: dict[str, str] = item.get("status", {}).get("hard") or item.get("spec", {}).get("hard") or {}
        used: dict[str, str] = item.get("status", {}).get("used") or {}
        found += [Quota(name, amount, used.get(name, "0")) for name, amount in sorted(hard.items())]
    return tuple(found)
