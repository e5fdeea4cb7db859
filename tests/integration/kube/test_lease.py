import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest

from footplate.kube.client import Client
from footplate.kube.connection import load_connection
from footplate.kube.lease import LeaderElection, LeadershipLost, Timing
from footplate.kube.resource import LEASE
from tests.conftest import ApiCluster

SHORT = Timing(duration=3, deadline=2.0, retry=0.3)
NAMESPACE = "default"


@pytest.fixture
async def client(api_cluster: ApiCluster) -> AsyncIterator[Client]:
    async with Client(load_connection(api_cluster.kubeconfig, api_cluster.context)) as found:
        yield found


@pytest.fixture
async def name(client: Client) -> AsyncIterator[str]:
    chosen = f"test-{secrets.token_hex(4)}"
    yield chosen
    await client.delete(LEASE, chosen, NAMESPACE)


def candidate(client: Client, name: str, identity: str, former: str | None = None) -> LeaderElection:
    return LeaderElection(client, NAMESPACE, name, identity, former=former, timing=SHORT)


async def test_one_of_many_leads_and_the_next_follows_at_once_when_it_ends(client: Client, name: str) -> None:
    leading: list[str] = []
    most = 0

    async def run(identity: str) -> None:
        nonlocal most

        async def lead() -> None:
            nonlocal most
            leading.append(identity)
            most = max(most, len(leading))
            await asyncio.sleep(1.0)
            leading.remove(identity)

        await candidate(client, name, identity).run(lead)

    async with asyncio.timeout(20.0):
        await asyncio.gather(*(run(f"replica-{number}") for number in range(4)))
    assert most == 1
    lease = await client.get(LEASE, name, NAMESPACE)
    assert lease["spec"].get("holderIdentity", "") == ""
    assert lease["spec"]["leaseTransitions"] >= 4


async def test_a_leader_that_dies_is_followed_when_its_lease_runs_out(client: Client, name: str) -> None:
    dead = candidate(client, name, "dead")
    assert await dead._attempt(2.0)  # pyright: ignore[reportPrivateUsage]
    led = asyncio.Event()

    async def lead() -> None:
        led.set()

    started = asyncio.get_running_loop().time()
    await asyncio.wait_for(candidate(client, name, "next").run(lead), 15.0)
    assert led.is_set()
    assert asyncio.get_running_loop().time() - started >= SHORT.duration - 0.5
    assert not dead.is_leader()


async def test_a_restarted_pod_takes_its_own_lease_back_at_once(client: Client, name: str) -> None:
    assert await candidate(client, name, "pod-0_aaaa")._attempt(2.0)  # pyright: ignore[reportPrivateUsage]

    async def lead() -> None:
        pass

    await asyncio.wait_for(candidate(client, name, "pod-0_bbbb", former="pod-0_").run(lead), SHORT.duration - 1.0)


async def test_a_leader_whose_lease_is_taken_stops(client: Client, name: str) -> None:
    stopped = asyncio.Event()
    started = asyncio.Event()

    async def lead() -> None:
        started.set()
        try:
            await asyncio.sleep(60.0)
        finally:
            stopped.set()

    election = candidate(client, name, "first")
    running = asyncio.create_task(election.run(lead))
    await asyncio.wait_for(started.wait(), 5.0)
    usurped = {"spec": {"holderIdentity": "other", "leaseDurationSeconds": 60}}
    await client.patch(LEASE, name, usurped, NAMESPACE)
    with pytest.raises(LeadershipLost):
        await asyncio.wait_for(running, 10.0)
    assert stopped.is_set()
    assert not election.is_leader()
    lease = await client.get(LEASE, name, NAMESPACE)
    assert lease["spec"]["holderIdentity"] == "other", "what another holds is not given back"
