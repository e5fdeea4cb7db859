"""The way into a workspace: its address with the token of its owner."""

from __future__ import annotations

from base64 import b64decode
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from footplate.api import Workspace
from footplate.api.workspace import TOKEN_KEY, TOKEN_VARIABLES, token_secret
from footplate.client import pods
from footplate.client.kinds import SECRET
from footplate.client.session import Session
from footplate.errors import NotFound, Refused
from footplate.kube.errors import Forbidden
from footplate.kube.errors import NotFound as ApiNotFound


@dataclass(frozen=True)
class Access:
    url: str
    """It carries the token, where the IDE takes it from there: whoever has it is in."""
    token: str
    asks: bool = False
    """The IDE asks for the token, as its password."""


async def token(session: Session, workspace: Workspace) -> str:
    """Of one that runs. Raises Refused where this person may not have it.

    Who may read the Secret has it from there: cluster administrators. Its owner enters the workspace and finds it.
    """
    name, secret = workspace.metadata.name, token_secret(workspace.spec.owner)
    with session.doing(f"read the token of workspace {name}"):
        try:
            found = await session.kube.get(SECRET, secret, workspace.metadata.namespace)
        except Forbidden:
            return await _from_inside(session, workspace)
        except ApiNotFound as error:
            raise NotFound(
                f"Workspace {name} has no token: the Secret {secret} is not there.",
                f"`footplate workspace stop {name}` and `start` make another",
            ) from error
    data: dict[str, str] = found.get("data") or {}
    return b64decode(data.get(TOKEN_KEY, "")).decode()


async def _from_inside(session: Session, workspace: Workspace) -> str:
    name = workspace.metadata.name
    pod, variable = workspace.status.pod_name or name, TOKEN_VARIABLES[workspace.spec.ide]
    try:
        said = await session.kube.run(workspace.metadata.namespace, pod, ["printenv", variable], container=pods.MAIN)
    except Forbidden as error:
        owner = workspace.spec.owner or "somebody else"
        raise Refused(
            f"You may not read the token of workspace {name}: it belongs to {owner}.", "make one of your own"
        ) from error
    if said.exit_code:
        raise NotFound(
            f"Workspace {name} has no token: its server was started without {variable}.",
            f"`footplate workspace stop {name}` and `start` make another",
        )
    return said.stdout.decode().strip()


async def access(session: Session, workspace: Workspace, port: int) -> Access:
    """By way of a tunnel on `port`."""
    secret = await token(session, workspace)
    page = urlsplit(workspace.status.url or "/lab")
    address = f"http://127.0.0.1:{port}{page.path or '/'}"
    if workspace.spec.ide == "vscode":
        return Access(f"{address}?{page.query}", secret, asks=True)
    return Access(f"{address}?token={quote(secret)}", secret)
