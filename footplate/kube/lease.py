"""Leader election by a Lease: of several replicas one acts.

The holder renews the Lease every `retry` seconds. Others take it once they have seen it unchanged for its duration, by
their own clock: clocks of different machines are never compared. The holder counts itself leader only until `deadline`
seconds after the start of its last successful renewal, which is less than the duration: it stops before another may
start, even if it was suspended meanwhile, as long as every write asks `is_leader` first.

Source of the algorithm: k8s.io/client-go/tools/leaderelection.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from footplate.kube.client import Client
from footplate.kube.decoding import Object
from footplate.kube.errors import AlreadyExists, Conflict, KubeError, NotFound
from footplate.kube.resource import LEASE

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Timing:
    """Seconds."""

    duration: int = 12
    """How long others leave an unrenewed Lease alone."""
    deadline: float = 9.0
    """How long the holder acts on after its last renewal."""
    retry: float = 2.0


class LeaseSpec(msgspec.Struct, rename="camel", omit_defaults=True):
    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None


class _LeaseMeta(msgspec.Struct, rename="camel"):
    resource_version: str = ""


class Lease(msgspec.Struct):
    metadata: _LeaseMeta
    spec: LeaseSpec = msgspec.field(default_factory=LeaseSpec)


class LeadershipLost(KubeError):  # noqa: N818 (what happened)
    """The Lease could not be renewed in time, or another holds it: this process must not act any more."""


class LeaderElection:
    def __init__(
        self,
        client: Client,
        namespace: str,
        name: str,
        identity: str,
        *,
        former: str | None = None,
        timing: Timing | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        changed: Callable[[bool], None] = lambda leads: None,
    ) -> None:
        """`client` should be one of its own, so that renewals never wait behind other requests.

        `identity` is unique to this process. Holders whose identity begins with `former` are earlier lives of this
        process that are certainly dead (a restarted container of the same pod): their Lease is taken at once.
        """
        self._client = client
        self._namespace, self._name, self._identity = namespace, name, identity
        self._former = former
        self._timing = timing or Timing()
        self._clock, self._now, self._changed = clock, now, changed
        self._seen: tuple[str, float] = ("", 0.0)
        """The Lease's version, and when it was first seen, by our clock."""
        self._held: Lease | None = None
        """As we last wrote it."""
        self._until = float("-inf")

    def is_leader(self) -> bool:
        return self._clock() < self._until

    async def run(self, lead: Callable[[], Awaitable[None]]) -> None:
        """Waits for the Lease, then runs `lead` to its end and gives the Lease back. Raises LeadershipLost.

        Cancelling it cancels `lead`, then gives the Lease back.
        """
        while not await self._attempt(self._timing.deadline):  # noqa: ASYNC110 (polls the API server, not this process)
            await asyncio.sleep(self._timing.retry)
        log.info("leading as %s", self._identity)
        self._changed(True)
        leading = asyncio.ensure_future(lead())
        renewing = asyncio.create_task(self._renew())
        try:
            await asyncio.wait((leading, renewing), return_when=asyncio.FIRST_COMPLETED)
            if renewing.done() and not leading.done():
                raise LeadershipLost(
                    f"Lease {self._namespace}/{self._name} was not renewed in {self._timing.deadline:g} s"
                )
        finally:
            for task in (leading, renewing):
                task.cancel()
            await asyncio.gather(leading, renewing, return_exceptions=True)
            self._changed(False)
            await self._release()
        await leading

    async def _renew(self) -> None:
        """Until the Lease is lost."""
        while self.is_leader():
            await asyncio.sleep(self._timing.retry)
            await self._attempt(self._until - self._clock())

    async def _attempt(self, timeout: float) -> bool:
        """One try to take or renew the Lease. A slow server gets as long as there is: asking anew would slow it more."""
        started = self._clock()
        try:
            async with asyncio.timeout(timeout):
                if not await self._take():
                    return False
        except (Conflict, AlreadyExists):
            self._held = None
            return False
        except (KubeError, TimeoutError) as error:
            self._held = None
            log.warning("Lease %s/%s: %s", self._namespace, self._name, error or "no answer in time")
            return False
        self._until = started + self._timing.deadline
        return True

    async def _take(self) -> bool:
        lease = self._held
        if lease is None:
            try:
                lease = await self._client.get(LEASE, self._name, self._namespace, type=Lease)
            except NotFound:
                body = self._body(self._spec(LeaseSpec()))
                self._held = await self._client.create(LEASE, body, self._namespace, type=Lease)
                return True
            version = lease.metadata.resource_version
            if version != self._seen[0]:
                self._seen = (version, self._clock())
            if not may_take(lease.spec, self._identity, self._former, self._clock() - self._seen[1]):
                self._until = float("-inf")
                return False
        body = self._body(self._spec(lease.spec), lease.metadata.resource_version)
        self._held = await self._client.replace(LEASE, body, self._namespace, type=Lease)
        return True

    def _spec(self, before: LeaseSpec) -> LeaseSpec:
        now = _micro(self._now())
        mine = before.holder_identity == self._identity
        return LeaseSpec(
            holder_identity=self._identity,
            lease_duration_seconds=self._timing.duration,
            acquire_time=before.acquire_time if mine else now,
            renew_time=now,
            lease_transitions=(before.lease_transitions or 0) + (0 if mine else 1),
        )

    def _body(self, spec: LeaseSpec, version: str | None = None) -> Object:
        metadata: Object = {"name": self._name, "namespace": self._namespace}
        if version:
            metadata["resourceVersion"] = version
        return {"metadata": metadata, "spec": msgspec.to_builtins(spec)}

    async def _release(self) -> None:
        """Lets the next one take over at once."""
        self._until = float("-inf")
        try:
            async with asyncio.timeout(self._timing.retry):
                lease = await self._client.get(LEASE, self._name, self._namespace, type=Lease)
                if lease.spec.holder_identity != self._identity:
                    return
                spec = msgspec.structs.replace(lease.spec, holder_identity="", lease_duration_seconds=1)
                body = self._body(spec, lease.metadata.resource_version)
                await self._client.replace(LEASE, body, self._namespace, type=Lease)
        except (KubeError, TimeoutError) as error:
            log.info("Lease %s/%s is left to expire: %s", self._namespace, self._name, error or "no answer in time")


def may_take(lease: LeaseSpec, identity: str, former: str | None, unchanged: float) -> bool:
    """`unchanged`: seconds since we first saw the Lease as it is."""
    holder = lease.holder_identity
    if not holder or holder == identity or (former is not None and holder.startswith(former)):
        return True
    return unchanged >= (lease.lease_duration_seconds or 0)


def _micro(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
