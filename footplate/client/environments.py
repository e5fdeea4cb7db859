"""The catalogue of standard images."""

from __future__ import annotations

from footplate.client import names
from footplate.client.kinds import ENVIRONMENT
from footplate.client.session import Session
from footplate.errors import BadUsage
from footplate.kube.decoding import Object
from footplate.kube.errors import Forbidden, NotFound


async def listing(session: Session) -> list[Object]:
    with session.doing("list environments"):
        return (await session.kube.list(ENVIRONMENT)).items


async def require(session: Session, name: str) -> None:
    """Raises NotFound with the close names. The controllers have the last word; this one comes sooner."""
    with session.doing(f"look for environment {name}"):
        try:
            await session.kube.get(ENVIRONMENT, name)
        except NotFound as error:
            raise await session.missing(ENVIRONMENT, name) from error
        except Forbidden:
            return


async def default(session: Session, preferred: str, doing: str) -> str:
    """`preferred` where it exists, else the only one; else a question."""
    known = [item["metadata"]["name"] for item in await listing(session)]
    if preferred in known:
        return preferred
    if len(known) == 1:
        return known[0]
    if not known:
        raise BadUsage(
            f"Cannot {doing} without an image: this platform has no environments yet.",
            "`footplate up` registers the standard ones; or name an image with --image",
        )
    raise BadUsage(f"Which environment? There are: {names.listing(known)}.", "say it with --environment")
