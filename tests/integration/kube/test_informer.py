import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from footplate.kube.client import Client
from footplate.kube.connection import load_connection
from footplate.kube.errors import AlreadyExists, Conflict, Invalid
from footplate.kube.informer import Informer
from footplate.kube.resource import Resource
from footplate.kube.store import Key
from tests.conftest import ApiCluster

CONFIG_MAP = Resource("", "v1", "ConfigMap", "configmaps", True)
NAMESPACE = Resource("", "v1", "Namespace", "namespaces", False)


@pytest.fixture
async def client(api_cluster: ApiCluster) -> AsyncIterator[Client]:
    async with Client(load_connection(api_cluster.kubeconfig, api_cluster.context)) as found:
        yield found


@pytest.fixture
async def namespace(client: Client) -> AsyncIterator[str]:
    name = f"test-{secrets.token_hex(4)}"
    await client.create(NAMESPACE, {"metadata": {"name": name}})
    yield name
    await client.delete(NAMESPACE, name)


def settings(name: str, **data: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "labels": {"test": "yes"}}, "data": data}


async def until(predicate: Callable[[], bool]) -> None:
    async with asyncio.timeout(10.0):
        while not predicate():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("watch_list", [True, False])
async def test_a_copy_follows_a_collection(client: Client, namespace: str, watch_list: bool) -> None:
    for number in range(3):
        await client.create(CONFIG_MAP, settings(f"c{number}", v="0"), namespace)
    told: list[tuple[str, str]] = []

    def handler(key: Key, old: Any, new: Any) -> None:
        kind = "added" if old is None else "deleted" if new is None else "changed"
        told.append((key.name, kind))

    informer = Informer(client, CONFIG_MAP, namespace=namespace, labels={"test": "yes"}, watch_list=watch_list)
    informer.add_handler(handler)
    task = asyncio.create_task(informer.run())
    try:
        await asyncio.wait_for(informer.synced.wait(), 10.0)
        assert sorted(told) == [("c0", "added"), ("c1", "added"), ("c2", "added")]
        await client.apply(CONFIG_MAP, settings("c0", v="1"), namespace=namespace)
        await until(lambda: ("c0", "changed") in told)
        await client.delete(CONFIG_MAP, "c1", namespace)
        await until(lambda: ("c1", "deleted") in told)
        told.clear()
        made = await client.create(CONFIG_MAP, settings("c9", v="0"), namespace)
        informer.learn(made)
        assert Key(namespace, "c9") in informer.store
        await client.create(CONFIG_MAP, settings("last"), namespace)
        await until(lambda: Key(namespace, "last") in informer.store)
        assert ("c9", "added") not in told or told[0] == ("c9", "added"), "at most the event itself, never twice"
        assert len([entry for entry in told if entry[0] == "c9"]) <= 1
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_writes_that_collide_are_told_apart(client: Client, namespace: str) -> None:
    made = await client.create(CONFIG_MAP, settings("c", v="0"), namespace)
    with pytest.raises(AlreadyExists):
        await client.create(CONFIG_MAP, settings("c"), namespace)
    await client.patch(CONFIG_MAP, "c", {"data": {"v": "1"}}, namespace)
    with pytest.raises(Conflict):
        await client.replace(CONFIG_MAP, made, namespace)
    await client.apply(CONFIG_MAP, settings("mine", v="0"), namespace=namespace, manager="one")
    with pytest.raises(Conflict):
        await client.apply(CONFIG_MAP, settings("mine", v="1"), namespace=namespace, manager="two", force=False)
    with pytest.raises(Conflict):
        await client.delete(CONFIG_MAP, "c", namespace, uid="another")
    with pytest.raises(Invalid) as refusal:
        await client.create(CONFIG_MAP, settings("Not A Name"), namespace)
    assert any("metadata.name" in cause for cause in refusal.value.causes)


async def test_a_large_collection_is_listed_in_pages(client: Client, namespace: str) -> None:
    await asyncio.gather(*(client.create(CONFIG_MAP, settings(f"c{number}"), namespace) for number in range(520)))
    listing = await client.list(CONFIG_MAP, namespace, labels={"test": "yes"})
    assert len({item["metadata"]["name"] for item in listing.items}) == 520
    assert {item["kind"] for item in listing.items} == {"ConfigMap"}
