"""Who reports: the pod that a projected service account token is bound to, as the API server's TokenReview says.

Source: https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/#verifying-and-inspecting-private-claims
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from footplate.api.platform import TOKEN_AUDIENCE
from footplate.controllers import kinds
from footplate.kube.client import Client

REMEMBERED = 20_000
REFUSALS_KNOWN = 30.0
"""Seconds for which a refused token is not asked about again."""
AT_ONCE = 8
_USER = "system:serviceaccount:"
_POD_NAME, _POD_UID = (f"authentication.kubernetes.io/pod-{field}" for field in ("name", "uid"))


@dataclass(frozen=True)
class PodIdentity:
    namespace: str
    name: str
    uid: str


class NotAPod(Exception):  # noqa: N818 (an answer, not a fault of ours)
    """The token is not valid for us, or is bound to no pod; the text says which."""


class _Claims(msgspec.Struct, frozen=True):
    exp: float = 0.0


class _User(msgspec.Struct, frozen=True):
    username: str = ""
    extra: dict[str, tuple[str, ...]] = {}


class ReviewStatus(msgspec.Struct, frozen=True):
    authenticated: bool = False
    audiences: tuple[str, ...] = ()
    user: _User = _User()


class Review(msgspec.Struct, frozen=True):
    status: ReviewStatus = ReviewStatus()


class Reviewer:
    """Asks once a token: what it said holds until the token expires. That the pod still exists is the caller's to check."""

    def __init__(self, client: Client, now: Callable[[], float]) -> None:
        """`now`: Unix time in seconds, which tokens' expiry is in."""
        self._client = client
        self._now = now
        self._known: OrderedDict[bytes, tuple[PodIdentity | str, float]] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[PodIdentity | str]] = {}
        self._limit = asyncio.Semaphore(AT_ONCE)

    async def identify(self, token: str) -> PodIdentity:
        """Raises NotAPod, KubeError."""
        digest = hashlib.sha256(token.encode()).digest()
        found, until = self._known.get(digest, ("", 0.0))
        if until <= self._now():
            task = self._asking.get(digest)
            if task is None:
                task = self._asking[digest] = asyncio.create_task(self._ask(token, digest))
                task.add_done_callback(lambda _: self._asking.pop(digest, None))
            found = await asyncio.shield(task)
        if isinstance(found, str):
            raise NotAPod(found)
        return found

    async def _ask(self, token: str, digest: bytes) -> PodIdentity | str:
        async with self._limit:
            body = {"spec": {"token": token, "audiences": [TOKEN_AUDIENCE]}}
            review = await self._client.create(kinds.TOKEN_REVIEW, body, type=Review)
        found = judge(review.status)
        until = self._now() + REFUSALS_KNOWN if isinstance(found, str) else expiry(token)
        self._known[digest] = found, until
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
        return found


def judge(status: ReviewStatus) -> PodIdentity | str:
    """The pod, or why there is none."""
    if not status.authenticated or TOKEN_AUDIENCE not in status.audiences:
        return f"The token is not valid for audience {TOKEN_AUDIENCE}."
    namespace, _, account = status.user.username.removeprefix(_USER).partition(":")
    name, uid = (next(iter(status.user.extra.get(key, ())), "") for key in (_POD_NAME, _POD_UID))
    if not status.user.username.startswith(_USER) or not (account and name and uid):
        return "The token is bound to no pod."
    return PodIdentity(namespace, name, uid)


def expiry(token: str) -> float:
    """Of a token that the API server took; 0 where it does not say."""
    try:
        payload = token.split(".")[1]
        return msgspec.json.decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)), type=_Claims).exp
    except (IndexError, ValueError, msgspec.DecodeError):
        return 0.0
